"""Scans as text: symbology identifier, frame, and whether it is a product (ISO/IEC 15424, GS1 General Specifications).

>>> parse_scan("]E04006381333931\\r")
Scan(symbology=']E0')
>>> is_product(parse_scan("]E04006381333931\\r"))
True
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from posd.cards.checks import gs1_ok
from posd.cards.gs1 import COUPON_AIS, GS, GTIN, MEMBER, PRODUCT_AIS, STAFF, Elements, Gs1Error, is_gtin, parse_elements
from posd.cards.gs1_link import parse_link
from posd.cards.reads import Refusal, RejectReason
from posd.cards.symbologies import EAN, GS1_CARRIERS, INTERLEAVED

_AIM = re.compile(r"\][A-Za-z][0-9A-Za-z]", re.ASCII)
_LINE_ENDS = "\r\n\t"
_STX, _ETX = "\x02", "\x03"
_GSRN = (MEMBER, STAFF)
_AI_LENGTHS = (2, 3, 4)
NO_READ = frozenset({"NR", "NOREAD", "NO READ", "NO_READ"})
"""What some scanners send when asked to report that they read nothing."""

CODE_ID_TABLES: Mapping[str, Mapping[str, str]] = {
    "symbol": {
        "A": "]E0",
        "B": "]A0",
        "C": "]F0",
        "D": "]C0",
        "E": "]G0",
        "F": "]I0",
        "K": "]C1",
        "L": "]E0",
    }
}
"""One-letter prefixes by maker: letter → AIM identifier. A letter may as well be data, so a table is used only where
the configuration names it."""


@dataclass(frozen=True, slots=True)
class Scan:
    """``symbology``: AIM identifier when the scanner sent one."""

    data: str = field(repr=False)
    symbology: str | None = None


def parse_scan(text: str, code_ids: Mapping[str, str] | None = None) -> Scan:
    """Frame and prefix off. ``code_ids``: the table of one-letter prefixes this scanner is set to send, if any."""
    bare = text.strip(_LINE_ENDS)
    if bare.startswith(_STX) and bare.endswith(_ETX):
        bare = bare[1:-1].strip(_LINE_ENDS)
    if _AIM.match(bare):
        return Scan(bare[3:], bare[:3])
    if code_ids and bare[:1] in code_ids:
        return Scan(bare[1:], code_ids[bare[0]])
    return Scan(bare)


def scan_text(data: str, symbology: str | None = None) -> str:
    """What a scanner sends, without terminator; the inverse of `parse_scan`."""
    return (symbology or "") + data


def why_goods(scan: Scan) -> Refusal | None:
    """Why a scan is no member's: it stands on goods, on a coupon or on a refund receipt. None if it does not.

    With symbology: every EAN/UPC code; ITF with a GTIN-14; element strings with AI 00 to 03, or of a coupon.
    Without: 8, 12 or 13 digits with a right GS1 check digit. One in ten free numbers of these lengths has one by
    chance, so a club with such numbers on its cards says so by a rule, or lets the scanner send AIM identifiers.
    Element strings that begin with a GTIN and go on, or that come in brackets, and Digital Links are known without it.
    """
    if _is_ean(scan):
        return _ean_kind(normalise_gtin(scan.data))
    ais = {ai for ai, _ in _elements(scan)}
    if ais & COUPON_AIS:
        return Refusal(RejectReason.COUPON, "a GS1 coupon")
    return Refusal(RejectReason.PRODUCT_BARCODE) if ais & PRODUCT_AIS else None


def is_product(scan: Scan) -> bool:
    """Is this anything that `why_goods` knows?"""
    return why_goods(scan) is not None


def normalise_gtin(digits: str) -> str:
    """UPC-A (12 digits) is EAN-13 with a leading 0 that scanners send or not; 13 digits name the same article."""
    return digits.zfill(13) if len(digits) == 12 and gs1_ok(digits) else digits


def unproven_parts(scan: Scan) -> list[str]:
    """The parts of a scan that could be a payment card number: all of it, without what GS1 itself identifies.

    Inside a GS1 carrier these are the values of elements without GS1 check digit, in a Digital Link all but the GSRN;
    in an EAN/UPC symbol nothing, for no payment card number fits.
    """
    if scan.symbology in GS1_CARRIERS:
        elements = _elements(scan)
        unproven = [value for ai, value in elements if ai not in PRODUCT_AIS and ai not in _GSRN]
        # Garbled: a number may stand behind whatever was an application identifier.
        return unproven if elements else [scan.data[length:] for length in (0, *_AI_LENGTHS)]
    if scan.symbology is not None and _is_ean(scan) and _fits_ean(scan.data):
        return []
    numbers = [value for ai, value in _link_elements(scan) if ai in _GSRN]
    return [scan.data.replace(numbers[0], " ") if numbers else scan.data]


def _is_ean(scan: Scan) -> bool:
    symbology, data = scan.symbology, scan.data
    if symbology is None:
        return len(data) != 14 and is_gtin(data)
    return symbology.startswith(EAN) or (symbology.startswith(INTERLEAVED) and len(data) == 14 and gs1_ok(data))


def _ean_kind(digits: str) -> Refusal:
    """By GS1 prefix (General Specifications, figure 1.4.3-1): 980 refund receipts; 05, 981 to 984 and 99 coupons; 02,
    04 and 2 what a company numbers for itself."""
    prefix = digits[:3] if len(digits) == 13 else ""
    if prefix == "980":
        return Refusal(RejectReason.COUPON, "a refund receipt (EAN prefix 980)")
    if prefix in ("981", "982", "983", "984") or prefix[:2] in ("05", "99"):
        return Refusal(RejectReason.COUPON, f"a coupon (EAN prefix {prefix})")
    if is_restricted(digits):
        return Refusal(RejectReason.PRODUCT_BARCODE, "of the shop's own numbers; if they are cards, a rule with a mask")
    return Refusal(RejectReason.PRODUCT_BARCODE)


def is_restricted(digits: str) -> bool:
    """An EAN-13 of the ranges that a company or region may use as it likes: 020-029, 040-049, 200-299."""
    return len(digits) == 13 and digits.startswith(("02", "04", "2"))


def _fits_ean(data: str) -> bool:
    """An EAN/UPC symbol, alone or with its add-on of 2 or 5 digits; or an ITF-14."""
    return any(is_gtin(data[:length]) and len(data) - length in (0, 2, 5) for length in (8, 12, 13, 14))


def _elements(scan: Scan) -> Elements:
    """What is known to be GS1; nothing where it is garbled or may as well be something else."""
    try:
        elements = parse_elements(scan.data.removeprefix(GS))
    except Gs1Error:
        return _link_elements(scan)
    certain = scan.symbology in GS1_CARRIERS or scan.data.startswith("(")
    return elements if certain or (len(elements) > 1 and elements[0][0] == GTIN) else ()


def _link_elements(scan: Scan) -> Elements:
    try:
        return parse_link(scan.data) or ()
    except Gs1Error:
        return ()
