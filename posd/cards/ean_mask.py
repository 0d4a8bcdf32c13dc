"""Masks: where the member's number stands in a bar code that is all digits, above all in an EAN-13 that a chain numbers
for itself.

>>> parse_mask("2 00 cccccccc nx").number("2001234567897")
'12345678'
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from posd.cards.barcode import is_restricted
from posd.cards.checks import gs1_ok

_WRITTEN = re.compile("[0-9cn]+x?")
_PATTERN = {"c": "([0-9])", "n": "[0-9]", "x": "[0-9]"}
_EAN_13 = 13


@dataclass(frozen=True, slots=True)
class Mask:
    """``written`` without spaces: a digit stands for itself, ``c`` for a digit of the number, ``n`` for any digit, and
    ``x`` at the end for the GS1 check digit of the whole code."""

    written: str

    def number(self, code: str) -> str | None:
        """The digits at the places of the number; None if the mask does not fit."""
        match = re.fullmatch("".join(_PATTERN.get(place, place) for place in self.written), code)
        return "".join(match.groups()) if match else None

    def check_holds(self, code: str) -> bool:
        return not self.written.endswith("x") or gs1_ok(code)


def parse_mask(text: str) -> Mask:
    """Raises ValueError for a mask that no number can come from, or that would take goods for members."""
    written = text.replace(" ", "")
    if not _WRITTEN.fullmatch(written) or "c" not in written:
        raise ValueError("a mask has digits, c for the number, n for any digit and x at the end for the check digit")
    if len(written) == _EAN_13 and not is_restricted(written):
        raise ValueError("a mask of 13 places begins with 02, 04 or 2; everything else is on somebody's goods")
    return Mask(written)
