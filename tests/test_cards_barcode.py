"""Scans as text: prefixes, products, and the member numbers of GS1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.barcode import CODE_ID_TABLES, Scan, is_product, normalise_gtin, parse_scan, scan_text, unproven_parts
from posd.cards.checks import gs1_digit
from posd.cards.gs1 import GS, Gs1Error, member_number, parse_elements

GSRN = "123456789012345675"


@pytest.mark.parametrize(
    ("text", "scan"),
    [
        ("4006381333931", Scan("4006381333931")),
        ("4006381333931\r\n", Scan("4006381333931")),
        ("]E04006381333931\r", Scan("4006381333931", "]E0")),
        ("\x02]C0MEM-1\x03\r", Scan("MEM-1", "]C0")),
        ("\x02MEM-1\r\x03", Scan("MEM-1")),
        ("]x", Scan("]x")),
        ("]", Scan("]")),
        ("", Scan("")),
        ("A1234", Scan("A1234")),
        (f"]C18018{GSRN}{GS}80191", Scan(f"8018{GSRN}{GS}80191", "]C1")),
    ],
)
def test_frame_and_prefix_come_off(text: str, scan: Scan) -> None:
    assert parse_scan(text) == scan


def test_one_letter_prefixes_only_where_they_are_configured() -> None:
    assert parse_scan("A1234", CODE_ID_TABLES["symbol"]) == Scan("1234", "]E0")
    assert parse_scan("Z1234", CODE_ID_TABLES["symbol"]) == Scan("Z1234")
    assert parse_scan("]C0A1234", CODE_ID_TABLES["symbol"]) == Scan("A1234", "]C0")


@given(
    st.text(alphabet=[chr(c) for c in range(0x21, 0x7F) if chr(c) != "]"], max_size=80),
    st.sampled_from([None, "]C0", "]Q1"]),
)
def test_round_trip(data: str, symbology: str | None) -> None:
    assert parse_scan(scan_text(data, symbology) + "\r") == Scan(data, symbology)


@pytest.mark.parametrize(
    ("scan", "product"),
    [
        (Scan("4006381333931"), True),
        (Scan("4006381333932"), False),
        (Scan("036000291452"), True),
        (Scan("96385074"), True),
        (Scan("04006381333931"), False),
        (Scan("04006381333931", "]I1"), True),
        (Scan("04006381333931", "]C0"), False),
        (Scan("12345678", "]I0"), False),
        (Scan("4006381333931", "]C0"), False),
        (Scan("400638133393112345", "]E3"), True),
        (Scan("2000000000008", "]E0"), True),
        (Scan("0104006381333931", "]C1"), True),
        (Scan("00" + "0" * 17 + "0", "]C1"), True),
        (Scan(f"8018{GSRN}", "]C1"), False),
        (Scan("free text", "]d2"), False),
        (Scan("MEM-1"), False),
        (Scan(""), False),
    ],
)
def test_what_is_a_product(scan: Scan, product: bool) -> None:
    assert is_product(scan) is product


def test_upc_a_is_ean_13_with_a_zero() -> None:
    assert normalise_gtin("036000291452") == "0036000291452"
    assert normalise_gtin("036000291453") == "036000291453", "no UPC-A: the check digit is wrong"
    assert normalise_gtin("0036000291452") == "0036000291452"


@pytest.mark.parametrize(
    ("data", "elements"),
    [
        (f"8018{GSRN}", [("8018", GSRN)]),
        (f"8018{GSRN}{GS}80191", [("8018", GSRN), ("8019", "1")]),
        (
            f"0104006381333931{'17'}26123110LOT7{GS}21X",
            [("01", "04006381333931"), ("17", "261231"), ("10", "LOT7"), ("21", "X")],
        ),
        ("3103001750", [("3103", "001750")]),
        ("4104006381333931", [("410", "4006381333931")]),
        ("91M-7719", [("91", "M-7719")]),
        ("", []),
    ],
)
def test_element_strings(data: str, elements: list[tuple[str, str]]) -> None:
    assert parse_elements(data) == elements


@pytest.mark.parametrize(
    "data",
    [
        "8018123456789012345674",
        "801812345",
        f"8018{GSRN}80191",
        "0104006381333932",
        "01040063813339",
        "X1",
        "10",
        "17",
        "8",
    ],
)
def test_element_strings_that_are_wrong(data: str) -> None:
    with pytest.raises(Gs1Error):
        parse_elements(data)


@pytest.mark.parametrize(
    ("data", "number"),
    [
        (f"8018{GSRN}", GSRN),
        (f"{GS}8018{GSRN}", GSRN),
        (f"8018{GSRN}{GS}80191", GSRN),
        (f"https://club.example/8018/{GSRN}", GSRN),
        (f"HTTPS://CLUB.EXAMPLE/8018/{GSRN}", GSRN),
        (f"https://club.example/a/b/gsrn/{GSRN}/8019/1?x=1", GSRN),
        (f"https://club.example/8018/{GSRN[:-1]}4", None),
        (f"https://club.example/8017/{GSRN}", None),
        (f"8017{GSRN}", None),
        (f"8018{GSRN}5", None),
        ("0104006381333931", None),
        ("MEM-1", None),
    ],
)
def test_the_member_number_of_gs1(data: str, number: str | None) -> None:
    assert member_number(data) == number


@given(st.from_regex(r"[0-9]{17}", fullmatch=True))
def test_every_gsrn_is_found(body: str) -> None:
    number = body + gs1_digit(body)
    assert member_number(f"8018{number}") == number
    assert member_number(f"https://x.example/8018/{number}") == number


@given(st.text(max_size=60), st.sampled_from(["", "8018", "01", "]C1", "https://a/8018/"]))
def test_any_text_has_a_member_number_or_none(text: str, before: str) -> None:
    number = member_number(before + text)
    assert number is None or len(number) == 18
    is_product(parse_scan(before + text))
    unproven_parts(parse_scan(before + text))


@pytest.mark.parametrize(
    ("scan", "parts"),
    [
        (Scan("4006381333931", "]E0"), []),
        (Scan("4006381333931"), ["4006381333931"]),
        (Scan("40063813339311234567", "]E3"), ["40063813339311234567"]),
        (Scan(f"8018{GSRN}{GS}914111", "]C1"), ["4111"]),
        (Scan("garbled", "]C1"), ["garbled"]),
        (Scan("M-1", "]Q1"), ["M-1"]),
    ],
)
def test_what_gs1_proves_is_no_card_number(scan: Scan, parts: list[str]) -> None:
    assert unproven_parts(scan) == parts
