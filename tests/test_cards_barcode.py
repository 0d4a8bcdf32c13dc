"""Scans as text: prefixes, products, and the member numbers of GS1."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.cards.barcode import (
    CODE_ID_TABLES,
    Scan,
    is_product,
    is_restricted,
    normalise_gtin,
    parse_scan,
    scan_text,
    unproven_parts,
    why_goods,
)
from posd.cards.checks import gs1_digit
from posd.cards.gs1 import GS
from posd.cards.reads import RejectReason

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
        (Scan("(01)04006381333931(10)LOT7"), True),
        (Scan(f"01040063813339311726123110LOT7{GS}21X"), True),
        (Scan("0104006381333931"), False),
        (Scan("https://goods.example/01/4006381333931"), True),
        (Scan("https://goods.example/01/4006381333931", "]Q1"), True),
        (Scan(f"https://club.example/8018/{GSRN}"), False),
        (Scan("https://goods.example/about"), False),
    ],
)
def test_what_is_a_product(scan: Scan, product: bool) -> None:
    assert is_product(scan) is product


def ean(body: str) -> str:
    return body + gs1_digit(body)


@pytest.mark.parametrize("symbology", [None, "]E0"])
@pytest.mark.parametrize(
    ("code", "reason", "word"),
    [
        (ean("980123456789"), RejectReason.COUPON, "refund receipt"),
        (ean("981123456789"), RejectReason.COUPON, "coupon"),
        (ean("984123456789"), RejectReason.COUPON, "coupon"),
        (ean("990123456789"), RejectReason.COUPON, "coupon"),
        (ean("999123456789"), RejectReason.COUPON, "coupon"),
        (ean("051234567890"), RejectReason.COUPON, "coupon"),
        (ean("51234567890"), RejectReason.COUPON, "coupon"),
        (ean("977123456789"), RejectReason.PRODUCT_BARCODE, ""),
        (ean("985123456789"), RejectReason.PRODUCT_BARCODE, ""),
        (ean("400638133393"), RejectReason.PRODUCT_BARCODE, ""),
        (ean("200123456789"), RejectReason.PRODUCT_BARCODE, "own numbers"),
        (ean("041234567890"), RejectReason.PRODUCT_BARCODE, "own numbers"),
        (ean("9801234"), RejectReason.PRODUCT_BARCODE, ""),
    ],
)
def test_goods_coupons_and_receipts_are_told_apart(
    code: str, reason: RejectReason, word: str, symbology: str | None
) -> None:
    why = why_goods(Scan(code, symbology))
    assert why is not None
    assert why.reason is reason
    assert word in why.detail
    assert bool(why.detail) == bool(word)


@pytest.mark.parametrize("data", ["2551234567890123", "8110106141416543213150110120", "81120112345678901212345600"])
def test_gs1_coupons(data: str) -> None:
    why = why_goods(Scan(data, "]C1"))
    assert why is not None
    assert why.reason is RejectReason.COUPON


def test_the_ranges_that_a_company_may_number_itself() -> None:
    free = {prefix for prefix in (f"{n:03}" for n in range(1000)) if is_restricted(ean(prefix + "0" * 9))}
    assert free == {f"{n:03}" for n in (*range(20, 30), *range(40, 50), *range(200, 300))}
    assert not is_restricted("20123451")


def test_upc_a_is_ean_13_with_a_zero() -> None:
    assert normalise_gtin("036000291452") == "0036000291452"
    assert normalise_gtin("036000291453") == "036000291453", "no UPC-A: the check digit is wrong"
    assert normalise_gtin("0036000291452") == "0036000291452"


@pytest.mark.parametrize(
    ("scan", "parts"),
    [
        (Scan("4006381333931", "]E0"), []),
        (Scan("4006381333931"), ["4006381333931"]),
        (Scan("40063813339311234567", "]E3"), ["40063813339311234567"]),
        (Scan(f"8018{GSRN}{GS}914111", "]C1"), ["4111"]),
        (Scan("garbled", "]C1"), ["garbled", "rbled", "bled", "led"]),
        (Scan("M-1", "]Q1"), ["M-1"]),
        (Scan(f"https://x.example/8018/{GSRN}?p=4111", "]Q1"), ["https://x.example/8018/ ?p=4111"]),
        (Scan("https://x.example/01/4006381333931", "]Q1"), ["https://x.example/01/4006381333931"]),
    ],
)
def test_what_gs1_proves_is_no_card_number(scan: Scan, parts: list[str]) -> None:
    assert unproven_parts(scan) == parts


PIECES = st.sampled_from(
    ["]C1", "]E0", "]I1", "]e0", "01", "8018", GS, "(", ")", "https://a/", "4006381333931", "\x02"]
)


@pytest.mark.fuzz
@settings(deadline=None)
@given(st.lists(PIECES | st.text(max_size=10), max_size=10).map("".join))
def test_any_text_is_a_scan_and_goods_or_not(text: str) -> None:
    scan = parse_scan(text)
    assert is_product(scan) is (why_goods(scan) is not None)
    assert all(part in scan.data or " " in part for part in unproven_parts(scan))
