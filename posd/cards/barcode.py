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
from posd.cards.gs1 import PRODUCT_AIS, Gs1Error, is_gtin, parse_elements

_AIM = re.compile(r"\][A-Za-z][0-9A-Za-z]", re.ASCII)
_LINE_ENDS = "\r\n\t"
_STX, _ETX = "\x02", "\x03"
GS1_CARRIERS = frozenset({"]C1", "]e0", "]e1", "]e2", "]d2", "]Q3", "]J1"})
"""GS1-128, DataBar and composites, GS1 DataMatrix, GS1 QR, GS1 DotCode: they carry element strings."""
HOST_COMMAND = "]Z6"
"""Not a bar code: a Honeywell scanner's answer to a host command."""
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


def is_product(scan: Scan) -> bool:
    """Is this what stands on goods?

    With symbology: every EAN/UPC code; ITF with a GTIN-14; element strings with AI 00, 01, 02 or 03.
    Without: 8, 12 or 13 digits with a right GS1 check digit. One in ten free numbers of these lengths has one by
    chance, so a club with such numbers on its cards says so by a rule, or lets the scanner send AIM identifiers.
    """
    symbology, data = scan.symbology, scan.data
    if symbology is None:
        return len(data) != 14 and is_gtin(data)
    if symbology in GS1_CARRIERS:
        return _has_product_ai(data)
    return symbology.startswith("]E") or (symbology.startswith("]I") and len(data) == 14 and gs1_ok(data))


def normalise_gtin(digits: str) -> str:
    """UPC-A (12 digits) is EAN-13 with a leading 0 that scanners send or not; 13 digits name the same article."""
    return digits.zfill(13) if len(digits) == 12 and gs1_ok(digits) else digits


def unproven_parts(scan: Scan) -> list[str]:
    """The parts of a scan that could be a payment card number: all of it, without what GS1 itself identifies.

    Inside a GS1 carrier these are the values of elements without GS1 check digit; in an EAN/UPC symbol nothing, for no
    payment card number fits.
    """
    if scan.symbology in GS1_CARRIERS:
        try:
            elements = parse_elements(scan.data)
        except Gs1Error:
            return [scan.data]
        return [value for ai, value in elements if ai not in PRODUCT_AIS and ai not in ("8017", "8018")]
    if scan.symbology is not None and is_product(scan) and _fits_ean(scan.data):
        return []
    return [scan.data]


def _fits_ean(data: str) -> bool:
    """An EAN/UPC symbol, alone or with its add-on of 2 or 5 digits; or an ITF-14."""
    return any(is_gtin(data[:length]) and len(data) - length in (0, 2, 5) for length in (8, 12, 13, 14))


def _has_product_ai(data: str) -> bool:
    try:
        return any(ai in PRODUCT_AIS for ai, _ in parse_elements(data))
    except Gs1Error:
        return False
