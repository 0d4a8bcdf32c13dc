"""GS1 element strings, as far as a loyalty till needs them: whose number is it, and is it a product?

>>> parse_elements("8018123456789012345675" + GS + "80191")
[('8018', '123456789012345675'), ('8019', '1')]
"""

from __future__ import annotations

import re

from posd.cards.checks import gs1_ok

GS = "\x1d"
"""FNC1 inside a code, as scanners send it."""

MEMBER, STAFF = "8018", "8017"
"""GSRN of the recipient of a service (the member), and of its provider (staff)."""
SSCC, GTIN, CONTENT = "00", "01", "02"
_CHECKED = frozenset({MEMBER, STAFF, SSCC, GTIN, CONTENT, "03"})
"""AIs whose last digit is a GS1 check digit."""
PRODUCT_AIS = frozenset({SSCC, GTIN, CONTENT, "03"})

_FIXED = {
    "00": 18,
    "01": 14,
    "02": 14,
    "03": 14,
    "04": 16,
    "20": 2,
    **dict.fromkeys(("11", "12", "13", "14", "15", "16", "17", "18", "19"), 6),
    **dict.fromkeys(("31", "32", "33", "34", "35", "36"), 6),
    "41": 13,
}
"""Pre-defined value lengths by the first two digits of the AI (GS1 General Specifications, figure 7.8.5-2). All other
values end at GS or at the end of the code."""
_AI_LENGTH = {
    **dict.fromkeys(("23", "24", "25", "40", "41", "42", "71"), 3),
    **dict.fromkeys(("31", "32", "33", "34", "35", "36", "39", "43", "70", "72", "80", "81", "82"), 4),
}
"""Digits of the AI by its first two (General Specifications 3.2); all others have two."""
_VALUE_DIGITS = {MEMBER: 18, STAFF: 18}
_DIGITAL_LINK = re.compile(r"https?://[^/?#]+(?:/[^?#]*)?/(?:8018|gsrn)/([0-9]{18})(?:[/?#].*)?", re.IGNORECASE)


class Gs1Error(ValueError):
    """Not a GS1 element string. The message says nothing of the data but its AI."""


def parse_elements(data: str) -> list[tuple[str, str]]:
    """AI and value of each element, in order. Raises `Gs1Error`, also for wrong check digits."""
    elements = []
    at = 0
    while at < len(data):
        ai = data[at : at + _AI_LENGTH.get(data[at : at + 2], 2)]
        if not re.fullmatch("[0-9]{2,4}", ai):
            raise Gs1Error("an application identifier is missing")
        start = at + len(ai)
        end = _value_end(data, ai, start)
        _check(ai, data[start:end])
        elements.append((ai, data[start:end]))
        at = end + 1 if data[end : end + 1] == GS else end
    return elements


def member_number(data: str) -> str | None:
    """The GSRN (18 digits) of a member: from an element string with AI 8018 or from a GS1 Digital Link; None if the
    text is neither. The host of the link does not matter and is never asked."""
    if link := _DIGITAL_LINK.fullmatch(data):
        return link[1] if gs1_ok(link[1]) else None
    try:
        return dict(parse_elements(data.removeprefix(GS))).get(MEMBER)
    except Gs1Error:
        return None


def is_gtin(digits: str) -> bool:
    """8, 12, 13 or 14 digits with a right check digit."""
    return len(digits) in (8, 12, 13, 14) and gs1_ok(digits)


def _value_end(data: str, ai: str, start: int) -> int:
    fixed = _FIXED.get(ai[:2])
    if fixed is not None:
        return min(start + fixed, len(data))
    end = data.find(GS, start)
    return len(data) if end < 0 else end


def _check(ai: str, value: str) -> None:
    digits = _VALUE_DIGITS.get(ai, _FIXED.get(ai[:2]))
    if digits is not None and not re.fullmatch(f"[0-9]{{{digits}}}", value):
        raise Gs1Error(f"AI {ai}: the value does not have {digits} digits")
    if not value:
        raise Gs1Error(f"AI {ai} has no value")
    if ai in _CHECKED and not gs1_ok(value):
        raise Gs1Error(f"AI {ai}: the check digit is wrong")
