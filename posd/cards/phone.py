"""Phone numbers as people type them, in any of our digits, to E.164 and back to something that may be shown.

>>> normalise_phone("۰۹۱۲ ۰۰۰ ۱۲۳۴", "IR")
'+989120001234'
>>> mask_phone("+989120001234", "IR")
'0912 *** **34'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from posd.cards.digits import fold_digits


class BadPhone(Enum):
    """Why a text is no phone number: a value, because a cashier's typing error is no exception."""

    EMPTY = "empty"
    NOT_A_NUMBER = "not a number"
    TOO_SHORT = "too short"
    TOO_LONG = "too long"
    NOT_MOBILE = "not a mobile number"
    """Right in length for its country, but no text message can reach it."""


@dataclass(frozen=True, slots=True)
class _Country:
    """``digits``: least and most digits of a national number without its trunk prefix (ITU-T E.164, national plans).
    ``mobile``: how a mobile number begins; empty where mobiles cannot be told from fixed lines."""

    code: str
    digits: tuple[int, int]
    trunk: str = "0"
    mobile: str = ""


_COUNTRIES = {
    "AE": _Country("971", (8, 9), mobile="5"),
    "AF": _Country("93", (9, 9), mobile="7"),
    "BH": _Country("973", (8, 8), trunk=""),
    "DE": _Country("49", (6, 11), mobile="1"),
    "FR": _Country("33", (9, 9), mobile="[67]"),
    "GB": _Country("44", (9, 10), mobile="7"),
    "IQ": _Country("964", (8, 10), mobile="7"),
    "IR": _Country("98", (10, 10), mobile="9"),
    "JO": _Country("962", (8, 9), mobile="7"),
    "KW": _Country("965", (8, 8), trunk=""),
    "LB": _Country("961", (7, 8)),
    "OM": _Country("968", (8, 8), trunk="", mobile="[79]"),
    "QA": _Country("974", (8, 8), trunk=""),
    "SA": _Country("966", (9, 9), mobile="5"),
    "TR": _Country("90", (10, 10), mobile="5"),
    "US": _Country("1", (10, 10), trunk="1"),
}

COUNTRIES = frozenset(_COUNTRIES)
"""Countries (ISO 3166) whose way of writing numbers is known; the others' numbers are typed with ``+``."""

_E164_DIGITS = (8, 15)
_NOISE = re.compile(r"[\s().\-\u2010-\u2015_/\u200c-\u200f\u202a-\u202e\u2066-\u2069]+")
"""Spaces, dashes, brackets, and the invisible marks that come along when a number is pasted from Persian text."""


def normalise_phone(text: str, country: str = "IR") -> str | BadPhone:
    """E.164 (``+`` and digits) of what was typed, or why not. ``country`` decides how national numbers are read;
    for one outside `COUNTRIES` only ``+…`` and ``00…`` are understood. Numbers abroad are checked in length only."""
    typed = _NOISE.sub("", fold_digits(text))
    if not typed:
        return BadPhone.EMPTY
    if not re.fullmatch(r"\+?[0-9]+", typed):
        return BadPhone.NOT_A_NUMBER
    home = _COUNTRIES.get(country)
    if typed.startswith(("+", "00")):
        return _international(typed.removeprefix("+").removeprefix("00"), home)
    return BadPhone.NOT_A_NUMBER if home is None else _national(typed, home)


def mask_phone(e164: str, country: str = "IR") -> str:
    """What a screen or a till's cache may show: the first four and the last two digits, the rest as ``*``; numbers of
    ``country`` as they are written at home. The marks are always five, so that they do not give the length away."""
    home = _COUNTRIES.get(country)
    if home is not None and e164.startswith("+" + home.code):
        shown = home.trunk + e164[1 + len(home.code) :]
        return f"{shown[:4]} *** **{shown[-2:]}"
    return f"{e164[:5]} *** **{e164[-2:]}"


def _international(digits: str, home: _Country | None) -> str | BadPhone:
    if home is not None and digits.startswith(home.code):
        # "+98 0912 …" is often typed: the trunk prefix has no place there, and no national number begins with it.
        return _complete(_without_trunk(digits[len(home.code) :], home), home)
    return _measured(digits, _E164_DIGITS) or "+" + digits


def _national(digits: str, home: _Country) -> str | BadPhone:
    least, most = home.digits
    has_code = digits.startswith(home.code) and len(digits) - len(home.code) >= least and len(digits) > most
    if has_code and not digits.startswith(home.trunk or " "):
        digits = digits[len(home.code) :]
    return _complete(_without_trunk(digits, home), home)


def _without_trunk(digits: str, home: _Country) -> str:
    return digits.removeprefix(home.trunk) if home.trunk else digits


def _complete(national: str, home: _Country) -> str | BadPhone:
    if flaw := _measured(national, home.digits):
        return flaw
    if not re.match(home.mobile, national):
        return BadPhone.NOT_MOBILE
    return f"+{home.code}{national}"


def _measured(digits: str, limits: tuple[int, int]) -> BadPhone | None:
    if len(digits) < limits[0]:
        return BadPhone.TOO_SHORT
    return BadPhone.TOO_LONG if len(digits) > limits[1] else None
