"""GS1 element strings, as far as a loyalty till needs them: whose number is it, and is it a product?

Source: GS1 General Specifications 3 (application identifiers), 7.8 (element strings, FNC1).

>>> parse_elements("8018123456789012345675" + GS + "80191")
(('8018', '123456789012345675'), ('8019', '1'))
>>> parse_elements("(8018)123456789012345675(8019)1")
(('8018', '123456789012345675'), ('8019', '1'))
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from posd.cards.checks import gs1_ok

GS = "\x1d"
"""FNC1 inside a code, as scanners send it."""

MEMBER, STAFF, INSTANCE = "8018", "8017", "8019"
"""GSRN of the recipient of a service (the member) and of its provider (staff); which of his cards (SRIN)."""
SSCC, GTIN = "00", "01"
PRODUCT_AIS = frozenset({SSCC, GTIN, "02", "03"})
COUPON_AIS = frozenset({"255", "8110", "8112"})
_CHECKED = frozenset({MEMBER, STAFF, *PRODUCT_AIS, *(f"41{n}" for n in range(8))})
"""AIs whose last digit is a GS1 check digit."""

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
"""Pre-defined value lengths by the first two digits of the AI (General Specifications, figure 7.8.5-2). All other
values, 8018 among them, end at FNC1 or at the end of the code."""
_AI_LENGTH = {
    **dict.fromkeys(("23", "24", "25", "40", "41", "42", "71"), 3),
    **dict.fromkeys(("31", "32", "33", "34", "35", "36", "39", "43", "70", "72", "80", "81", "82"), 4),
}
"""Digits of the AI by its first two (General Specifications 3.2); all others have two."""
_DIGITS = {MEMBER: range(18, 19), STAFF: range(18, 19), INSTANCE: range(1, 11)}
_ANY_LENGTH = range(1, 91)
_BRACKETS = re.compile(r"\(([0-9]{2,4})\)([^(]+)")
_LONGEST_LOOSE = 128
"""Characters. GS1-128 has 48; a longer code in which an FNC1 is missing is not worth the guessing."""

Elements = tuple[tuple[str, str], ...]
"""AI and value of each element, in order."""


class Gs1Error(ValueError):
    """Not a GS1 element string. The message says nothing of the data but its AI."""


class Gs1CheckError(Gs1Error):
    """An element whose check digit is wrong: the code was misread."""


def parse_elements(data: str) -> Elements:
    """The elements of a code, FNC1 as GS, or in brackets as some scanners send it. Raises `Gs1Error`."""
    if data.startswith("("):
        return _parse_brackets(data)
    elements = []
    at = 0
    while at < len(data):
        ai, start = _ai(data, at), at + len(_ai(data, at))
        fixed = _FIXED.get(ai[:2])
        separator = data.find(GS, start)
        end = start + fixed if fixed else separator if separator >= 0 else len(data)
        elements.append((ai, _checked(ai, data[start:end])))
        at = end + 1 if data[end : end + 1] == GS else end
    return tuple(elements)


def member_numbers(data: str) -> frozenset[str | None]:
    """The member numbers that a code may carry if a scanner dropped any FNC1: one for each way to read it, None for
    ways without member. Empty if there is no way at all.

    >>> sorted(member_numbers("8018" + "123456789012345675" + "80191"))
    ['123456789012345675']
    """
    if len(data) > _LONGEST_LOOSE:
        return frozenset()
    found: dict[int, frozenset[str | None]] = {len(data): frozenset((None,))}
    for at in reversed(range(len(data))):
        found[at] = frozenset(_members_from(data, at, found))
    return found[0]


def _members_from(data: str, at: int, behind: dict[int, frozenset[str | None]]) -> Iterator[str | None]:
    try:
        ai = _ai(data, at)
    except Gs1Error:
        return
    start = at + len(ai)
    for end in (start + length for length in _lengths(ai) if start + length <= len(data)):
        try:
            value = _checked(ai, data[start:end])
        except Gs1Error:
            continue
        for member in behind[end + 1 if data[end : end + 1] == GS else end]:
            if ai == MEMBER:
                yield value
            if ai != MEMBER or member is not None:
                yield member


def is_gtin(digits: str) -> bool:
    """8, 12, 13 or 14 digits with a right check digit."""
    return len(digits) in (8, 12, 13, 14) and gs1_ok(digits)


def _parse_brackets(data: str) -> Elements:
    elements = _BRACKETS.findall(data)
    if "".join(f"({ai}){value}" for ai, value in elements) != data or any(ai != _ai(ai, 0) for ai, _ in elements):
        raise Gs1Error("brackets that do not hold application identifiers")
    return tuple((ai, _checked(ai, value)) for ai, value in elements)


def _ai(data: str, at: int) -> str:
    length = _AI_LENGTH.get(data[at : at + 2], 2)
    ai = data[at : at + length]
    if len(ai) < length or not (ai.isascii() and ai.isdigit()):
        raise Gs1Error("an application identifier is missing")
    return ai


def _lengths(ai: str) -> range:
    fixed = _FIXED.get(ai[:2])
    return range(fixed, fixed + 1) if fixed else _DIGITS.get(ai, _ANY_LENGTH)


def _checked(ai: str, value: str) -> str:
    if len(value) not in _lengths(ai) or GS in value:
        raise Gs1Error(f"AI {ai}: the value has a wrong length")
    if (ai in _DIGITS or ai[:2] in _FIXED) and not (value.isascii() and value.isdigit()):
        raise Gs1Error(f"AI {ai}: the value is not made of digits")
    if ai in _CHECKED and not gs1_ok(value):
        raise Gs1CheckError(f"AI {ai}: the check digit is wrong")
    return value
