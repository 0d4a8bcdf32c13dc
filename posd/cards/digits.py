"""Decimal digits of every script (Persian ``۰…۹``, Arabic ``٠…٩``, full width, …), folded to ASCII."""

from __future__ import annotations

import unicodedata

SEPARATORS = r" \t\u00a0\u2007\u2009\u202f._+\-\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
"""Inside of brackets of a regular expression: what people and programs put between the groups of a number; spaces, dots
and dashes, and the invisible marks of right-to-left text."""
_PERSIAN = {ord("0") + value: 0x06F0 + value for value in range(10)}


def fold_digits(text: str) -> str:
    """The same text with ASCII digits; everything else stays.

    >>> fold_digits("۰۹۱۲ ٣٤")
    '0912 34'
    """
    return text if text.isascii() else "".join(str(unicodedata.decimal(character, character)) for character in text)


def persian_digits(text: str) -> str:
    """The same text with Persian digits, as a Persian keyboard would have typed it."""
    return text.translate(_PERSIAN)
