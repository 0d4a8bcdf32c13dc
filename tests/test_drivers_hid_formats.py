"""Which parser a HID device gets: by its descriptor, never by its USB id or its name alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.hid_reads import ReportRead
from posd.drivers.com_emulation import ComEmulation
from posd.drivers.framing import Framer, Suffix
from posd.drivers.hid_formats import ENCRYPTS, HidFormat, ReadingSettings, Unreadable, format_of
from posd.events import DeviceClass
from tests.fakes.hidraw_devices import (
    COMMANDS,
    ID_TECH_NATIVE,
    KEYBOARD,
    MAGTEK,
    MAGTEK_ENCRYPTED,
    MAGTEK_INSERT,
    MSR_HEAD,
    POS_SCANNER,
    POS_SCANNER_ASLEEP,
    POS_SCANNER_BARE,
    SYMBOL_COM,
    TRACKS_110,
    com_reports,
    id_tech_report,
    magtek_report,
    scan_reports,
)

MAGTEK_SWIPE, MAGTEK_0003, ID_TECH, SYMBOL, UNKNOWN = (
    (0x0801, 0x0002),
    (0x0801, 0x0003),
    (0x0ACD, 0x2010),
    (0x05E0, 0x0600),
    (0x1234, 0x5678),
)
SETTINGS = ReadingSettings(Suffix.CR_OR_LF, silence_ns=100)
EAN = b"4006381333931"


@pytest.mark.complaint(4)
@pytest.mark.complaint(23)
@pytest.mark.parametrize(
    ("descriptor", "usb_id", "name", "kind"),
    [
        (MAGTEK, MAGTEK_SWIPE, "MagTek tracks", "msr"),
        (MAGTEK, UNKNOWN, "MagTek tracks", "msr"),
        (MAGTEK, ID_TECH, "MagTek tracks", "msr"),
        (MAGTEK_INSERT, MAGTEK_0003, "insertion reader", "msr"),
        (ID_TECH_NATIVE, ID_TECH, "ID TECH tracks", "msr"),
        (POS_SCANNER, SYMBOL, "HID POS scanner", "scanner"),
        (POS_SCANNER, MAGTEK_SWIPE, "HID POS scanner", "scanner"),
        (POS_SCANNER_BARE, UNKNOWN, "HID POS scanner", "scanner"),
        (SYMBOL_COM, SYMBOL, "Symbol COM emulation", "scanner"),
    ],
)
def test_the_descriptor_decides(descriptor: bytes, usb_id: tuple[int, int], name: str, kind: str) -> None:
    found = format_of(descriptor, *usb_id)
    assert isinstance(found, HidFormat)
    assert (found.name, found.device_class) == (name, DeviceClass(kind))
    assert "application" in found.why
    assert "bytes" in found.why


@pytest.mark.parametrize(
    ("descriptor", "usb_id", "why", "fix"),
    [
        (SYMBOL_COM, UNKNOWN, "1234:5678, application ff00:0001, input 64 bytes", "report_descriptor"),
        (SYMBOL_COM, MAGTEK_0003, "0801:0003, application ff00:0001, input 64 bytes", "report_descriptor"),
        (ID_TECH_NATIVE, MAGTEK_SWIPE, "input 509 bytes", "report_descriptor"),
        (ID_TECH_NATIVE.replace(b"\x96\xf4\x01", b"\x96\xf4\x02"), ID_TECH, "input 765 bytes", "report_descriptor"),
        (MAGTEK.replace(b"\x95\x6e", b"\x95\x6d"), MAGTEK_SWIPE, "input 334 bytes", "report_descriptor"),
        (SYMBOL_COM.replace(b"\x95\x40", b"\x95\x20"), SYMBOL, "input 32 bytes", "report_descriptor"),
        (MAGTEK.replace(b"\xa1\x01", b"\xa1\x01\x85\x01"), MAGTEK_SWIPE, "input 1 338 bytes", "report_descriptor"),
        (KEYBOARD, MAGTEK_SWIPE, "types like a keyboard", "hid_keyboard"),
        (b"\x06\x00", MAGTEK_SWIPE, "report descriptor of 0801:0002 cannot be read: the item at byte 0", "report"),
    ],
)
def test_what_is_not_known_is_refused_and_says_what_to_do(
    descriptor: bytes, usb_id: tuple[int, int], why: str, fix: str
) -> None:
    found = format_of(descriptor, *usb_id)
    assert isinstance(found, Unreadable)
    assert why in found.why
    assert fix in found.fix


def test_a_head_that_encrypts_is_recognised_and_refused() -> None:
    assert format_of(MAGTEK_ENCRYPTED, 0x0801, 0x0011) is ENCRYPTS
    assert format_of(MAGTEK.replace(b"\x95\x6e", b"\x95\x70"), *MAGTEK_SWIPE) is ENCRYPTS
    magneprint_status = bytes.fromhex("7520 0923 9501 8102")
    assert format_of(MSR_HEAD + TRACKS_110 + magneprint_status + COMMANDS, *MAGTEK_SWIPE) is ENCRYPTS


def test_a_scanner_is_switched_on_only_where_its_maker_and_its_descriptor_say_so() -> None:
    def switched_on_by(descriptor: bytes, vendor: int) -> bytes:
        found = format_of(descriptor, vendor, 0x0B61)
        assert isinstance(found, HidFormat)
        return found.switched_on_by

    assert switched_on_by(POS_SCANNER_ASLEEP, 0x0C2E) == bytes((254, 1))
    assert switched_on_by(POS_SCANNER_ASLEEP, 0x23D0) == bytes((254, 1))
    assert switched_on_by(POS_SCANNER_ASLEEP, 0x05E0) == b""
    assert switched_on_by(POS_SCANNER, 0x0C2E) == b""


@pytest.mark.parametrize(
    ("descriptor", "usb_id", "reports", "data"),
    [
        (MAGTEK, MAGTEK_SWIPE, [magtek_report("", ";77?")], b";77?"),
        (MAGTEK_INSERT, MAGTEK_0003, [magtek_report("", ";77?", status=n) for n in (1, 0)], b";77?"),
        (ID_TECH_NATIVE, ID_TECH, [id_tech_report("", ";77?")], b";77?"),
        (POS_SCANNER, UNKNOWN, scan_reports(EAN), b"]E0" + EAN),
        (SYMBOL_COM, SYMBOL, com_reports(EAN + b"\r"), EAN),
    ],
)
def test_the_parser_reads_what_the_device_sends(
    descriptor: bytes, usb_id: tuple[int, int], reports: list[bytes], data: bytes
) -> None:
    found = format_of(descriptor, *usb_id)
    assert isinstance(found, HidFormat)
    parser = found.new_parser(SETTINGS)
    assert [read for report in reports for read in parser.feed(report, 0)] == [ReportRead(data)]
    assert parser.expire(10**12) == []


def test_com_emulation_joins_what_spans_reports() -> None:
    parser = ComEmulation(Framer(Suffix.CR_OR_LF, 100))
    long = b"https://example.org/" + b"7" * 120
    reports = com_reports(long + b"\r" + EAN + b"\r")
    assert len(reports) == 3
    assert [read.data for report in reports for read in parser.feed(report, 0)] == [long, EAN]
    assert parser.feed(com_reports(long)[0], 0) == []
    assert parser.deadline_ns == 100
    assert [(read.flaw or "").partition(":")[0] for read in parser.expire(100)] == ["partial"]


def test_com_emulation_refuses_what_it_does_not_know() -> None:
    parser = ComEmulation(Framer(Suffix.CR_OR_LF, 100))
    for report in (b"", b"\x40" + bytes(63), b"\x01a"):
        assert [read.flaw is not None for read in parser.feed(report, 0)] == [True]
    assert parser.feed(bytes(64), 0) == []


@pytest.mark.fuzz
@given(
    st.sampled_from(
        [MAGTEK, MAGTEK_INSERT, MAGTEK_ENCRYPTED, ID_TECH_NATIVE, POS_SCANNER, POS_SCANNER_BARE, SYMBOL_COM]
    ),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 255)), max_size=4),
    st.sampled_from([MAGTEK_SWIPE, ID_TECH, SYMBOL, UNKNOWN]),
    st.lists(st.binary(max_size=600), max_size=3),
)
def test_whatever_the_descriptor_says_no_report_breaks_the_parser(
    descriptor: bytes, changes: list[tuple[int, int]], usb_id: tuple[int, int], reports: list[bytes]
) -> None:
    """A descriptor with a few bytes changed still fits a reader often enough to reach the parsers."""
    changed = bytearray(descriptor)
    for at, value in changes:
        changed[at % len(changed)] = value
    found = format_of(bytes(changed), *usb_id)
    if isinstance(found, HidFormat):
        parser = found.new_parser(SETTINGS)
        for n, report in enumerate([*reports, *(bytes(size) for size in (64, 337, 338, 509))]):
            for read in (*parser.expire(n * 50), *parser.feed(report, n * 50)):
                assert (read.flaw is None) != (read.data == b"")
