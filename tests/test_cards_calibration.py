"""Calibration: the sheet is a true Code 128 symbol, and one scan of it tells the layouts apart."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from posd.cards import calibration_sheet, code128
from posd.cards.calibration import NOT_THE_SHEET, SHEET_TEXT, Calibration, calibrate, sheet_text
from posd.cards.keymap import DROPPED, FUNCTION_KEYS, KeyEvent, KeyState, Stroke, can_type, strokes
from posd.cards.keypad import KEYPAD, PRESS, RELEASE
from posd.cards.layout_suspicion import layout_suspicion
from posd.cards.layouts import LAYOUTS

CARD_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz%;?=^+/&-.:#_"
LEFTSHIFT, CAPSLOCK, LEFTALT = 42, 58, 56
SWIPE = ";9876543210=2512?"


def scan(bars: list[tuple[float, float]], unit: float) -> str:
    """Decoded by ZXing from a bitmap with one row of these bars (left edge, width), a pixel each ``unit / 4``."""
    row = bytearray(b"\xff" * round((bars[-1][0] + 30 * unit) * 4 / unit))
    for left, width in bars:
        begin, end = round(left * 4 / unit), round((left + width) * 4 / unit)
        row[begin:end] = bytes(end - begin)
    image = memoryview(bytes(row) * 60).cast("B", (60, len(row)))
    formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.Code128)
    (found,) = zxingcpp.read_barcodes(image, formats, try_rotate=False, try_downscale=False, try_invert=False)
    return bytes(found.bytes).decode("ascii")


def bars_of(text: str) -> list[tuple[float, float]]:
    at, bars = code128.QUIET, []
    for n, width in enumerate(code128.widths(text)):
        if n % 2 == 0:
            bars.append((float(at), float(width)))
        at += width
    return bars


@given(st.text(alphabet=[*map(chr, range(128))], min_size=1, max_size=24))
def test_any_ascii_text_is_a_code_128_symbol(text: str) -> None:
    assert scan(bars_of(text), 1) == text


def test_code_128_carries_no_more_than_ascii() -> None:
    with pytest.raises(ValueError, match="ASCII"):
        code128.widths("é")


def test_the_svg_sheet_can_be_scanned_and_speaks_three_languages() -> None:
    root = ET.fromstring(calibration_sheet.svg())
    (path,) = (element.attrib["d"] for element in root.iter() if element.tag.endswith("path"))
    bars = [(float(left), float(width)) for left, width in re.findall(r"M([\d.]+) [\d.]+h([\d.]+)v", path)]
    assert scan(bars, calibration_sheet.MODULE_MM) == SHEET_TEXT
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {"posd readers calibrate", *(step for steps in calibration_sheet.STEPS.values() for step in steps)} <= texts


def test_the_pdf_sheet_can_be_scanned_and_its_table_is_right() -> None:
    pdf = calibration_sheet.pdf()
    bars = [
        (float(left), float(width)) for left, width in re.findall(rb"(?m)^([\d.]+) [\d.]+ ([\d.]+) [\d.]+ re$", pdf)
    ]
    assert scan(bars, calibration_sheet.MODULE_MM * 72 / 25.4) == SHEET_TEXT
    places = [int(place) for place in re.findall(rb"(\d{10}) 00000 n ", pdf)]
    assert [pdf[place:].split(b" ", 1)[0] for place in places] == [b"%d" % n for n in range(1, len(places) + 1)]
    start = int(pdf.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert pdf[start:].startswith(b"xref\n")


def events(typed: list[Stroke], node: int = 0) -> list[KeyEvent]:
    return [KeyEvent(n * 1_000_000, node, code, value) for n, (code, value) in enumerate(typed)]


def found_by(typed: list[Stroke]) -> Calibration:
    found = calibrate(events(typed))
    assert isinstance(found, Calibration), found
    return found


def read_by(typed: list[Stroke], layout: str) -> str:
    keys = KeyState(LAYOUTS[layout])
    return "".join(keys.feed(*stroke) for stroke in typed)


TOGETHER = [{"us", "pl"}, {"ch_de", "ch_fr"}, {"se", "fi"}, {"de_nodeadkeys", "de"}]


@pytest.mark.complaint(2)
@pytest.mark.complaint(3)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_scan_finds_the_layout(layout: str) -> None:
    """Those named beside it read every character of a card alike, so either is right."""
    found = found_by([*strokes(sheet_text(layout), layout), *strokes("\r")])
    assert layout in found.layouts
    assert found.layouts == (layout,) or set(found.layouts) in TOGETHER
    for other in found.layouts:
        for sign in CARD_SIGNS:
            if can_type(sign, layout):
                assert read_by(strokes(sign, layout), other) == sign
    plain = Calibration(
        found.layouts, caps_lock=False, alt_codes=False, gs_key="", prefix="", aim="", suffix="", terminator="\r"
    )
    assert found == plain


def test_a_layout_without_dead_keys_is_told_from_one_with_them() -> None:
    assert found_by(strokes(SHEET_TEXT, "de")).layouts == ("de",)
    assert found_by(strokes(SHEET_TEXT, "de_nodeadkeys")).layouts == ("de_nodeadkeys", "de")


def test_what_the_reader_adds_is_told() -> None:
    found = found_by(strokes(f"<>]C0{SHEET_TEXT}##\r\t", "fr"))
    assert (found.layouts, found.prefix, found.aim, found.suffix, found.terminator) == (
        ("fr",),
        "<>",
        "]C0",
        "##",
        "\r\t",
    )
    assert found_by(strokes(SHEET_TEXT)).terminator == ""


@pytest.mark.parametrize("name", ["F1", "F8", "F12"])
def test_gs_by_a_function_key(name: str) -> None:
    head, tail = SHEET_TEXT.split("\x1d")
    key = FUNCTION_KEYS[name]
    assert found_by([*strokes(head), (key, PRESS), (key, RELEASE), *strokes(tail)]).gs_key == name
    assert found_by(strokes(head + tail)).gs_key is None, "left out"
    assert found_by(strokes(SHEET_TEXT)).gs_key == "", "Ctrl+]"


def test_exchanged_case_is_the_caps_lock_quirk() -> None:
    found = found_by(strokes(SHEET_TEXT.swapcase(), "gb"))
    assert (found.caps_lock, found.layouts) == (True, ("gb",))
    pressed_by_the_reader = [(CAPSLOCK, PRESS), (CAPSLOCK, RELEASE), *strokes(SHEET_TEXT.swapcase(), "gb")]
    assert not found_by(pressed_by_the_reader).caps_lock, "that is followed by itself"


def alt_codes(text: str, *, packed: bool) -> list[Stroke]:
    pad = {sign: code for code, sign in KEYPAD.items()}
    typed: list[Stroke] = []
    for sign in text:
        keys = [pad[digit] for digit in (dict.fromkeys(f"{ord(sign):03}") if packed else f"{ord(sign):03}")]
        down, up = [(key, PRESS) for key in keys], [(key, RELEASE) for key in keys]
        inside = [*down, *up] if packed else [stroke for pair in zip(down, up, strict=True) for stroke in pair]
        typed += [(LEFTALT, PRESS), *inside, (LEFTALT, RELEASE)]
    return typed


@pytest.mark.complaint(15)
def test_alt_codes_are_told_and_those_that_cannot_be_read_too() -> None:
    found = found_by([*alt_codes(SHEET_TEXT, packed=False), *strokes("\r")])
    assert (found.alt_codes, found.layouts[0]) == (True, "us")
    assert "Alt codes" in str(calibrate(events(alt_codes(SHEET_TEXT, packed=True))))


def test_what_is_not_the_sheet_is_no_calibration() -> None:
    assert calibrate(events(strokes("4006381333931\r"))) == NOT_THE_SHEET
    assert calibrate([]) == NOT_THE_SHEET
    assert calibrate(events(strokes(SHEET_TEXT[:-1]))) == NOT_THE_SHEET
    lost = calibrate([*events(strokes(SHEET_TEXT)), KeyEvent(0, 0, DROPPED, 0)])
    assert "SYN_DROPPED" in str(lost)


def test_nodes_have_shift_keys_of_their_own() -> None:
    typed = events(strokes(SHEET_TEXT))
    elsewhere = [event._replace(node=1) if event.code == LEFTSHIFT else event for event in typed]
    assert calibrate(elsewhere) == NOT_THE_SHEET
    assert calibrate([KeyEvent(0, 1, LEFTSHIFT, PRESS), *typed]) == calibrate(typed)


@pytest.mark.complaint(3)
@pytest.mark.parametrize(
    ("reader", "configured"), [("us", "de"), ("us", "fr"), ("us", "es"), ("us", "it"), ("us", "tr"), ("us", "ir"),
                               ("fr", "us"), ("de", "us"), ("cz", "us")],
)  # fmt: skip
def test_a_swipe_in_the_wrong_layout_is_suspicious(reader: str, configured: str) -> None:
    as_read = read_by(strokes(SWIPE, reader), configured)
    reason = layout_suspicion(as_read, configured)
    assert reason is not None
    assert reader in reason
    assert not re.search(r"\d", reason)


@pytest.mark.parametrize("text", ["àà&\"è'!ç&&", '\'àà-"_&"""ç"&'])
def test_a_number_in_the_wrong_layout_is_suspicious(text: str) -> None:
    assert "calibrate" in (layout_suspicion(text, "be") or layout_suspicion(text, "fr") or "")


@pytest.mark.parametrize(
    "text",
    ["", SWIPE, "%B12^A B/C^2512?\r;12=25?", "4006381333931", "]C10109\x1d21A", "MEMBER-1", "https://a.example/?b=1"],
)
@pytest.mark.parametrize("layout", ["us", "de", "fr", "tr"])
def test_what_is_read_right_is_not_suspicious(text: str, layout: str) -> None:
    assert layout_suspicion(text, layout) is None


@pytest.mark.fuzz
@given(st.text(max_size=60), st.sampled_from(list(LAYOUTS)))
def test_suspicion_takes_any_text_and_gives_no_digit_away(text: str, layout: str) -> None:
    assert not re.search(r"\d", layout_suspicion(text, layout) or "")


@pytest.mark.fuzz
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 260), st.integers(0, 2)), max_size=60))
def test_calibration_takes_any_keys(keys: list[tuple[int, int, int]]) -> None:
    assert isinstance(calibrate([KeyEvent(0, *key) for key in keys]), str), "chance does not type the sheet"
