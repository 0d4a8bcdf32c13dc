"""Card numbers in transcripts and logs: replaced by fakes that keep length, grouping and check digits, so that a shop's
recording still decodes the same way, and whose digits say nothing of the card.

>>> mask_digits("swipe 9876-5432-1012-3456, again 9876543210123456; price 1200")
'swipe 9000-0000-0000-0000, again 9000000000000000; price 1200'
"""

from __future__ import annotations

import re
from itertools import product

from posd.cards.checks import gs1_ok, luhn_ok
from posd.cards.digits import SEPARATORS, fold_digits

SHORTEST = 8
"""Digits. Shorter runs are amounts, dates and counters; the default rules take no shorter number for a card."""
_FREE = 4
"""Digits at the end that are chosen so that Luhn and GS1 check hold or fail as before. The two checks differ only in
the second and fourth digit from the right, and it takes both to make every pair of outcomes."""

_RUN = re.compile(rf"\d(?:[{SEPARATORS}]{{0,3}}\d)*")
"""Digits of any script, in groups or not."""


class Masker:
    """Masks one transcript: the same number becomes the same fake wherever it stands, so that tracks still agree.

    ``keep``: issuer prefixes of the club, which are no secret and which its rules look for.
    """

    def __init__(self, keep: tuple[str, ...] = ()) -> None:
        self._keep = keep
        self._fakes: dict[str, str] = {}

    def text(self, text: str) -> str:
        """``text`` with a fake in place of every run of `SHORTEST` or more digits."""
        return _RUN.sub(self._replace, text)

    def bytes(self, data: bytes) -> bytes:
        """The same for bytes that carry digits as ASCII."""
        return self.text(data.decode("latin-1")).encode("latin-1")

    def _replace(self, run: re.Match[str]) -> str:
        digits = re.sub("[^0-9]", "", fold_digits(run[0]))
        if len(digits) < SHORTEST:
            return run[0]
        fake = iter(self._fakes.setdefault(digits, self._fake(digits)))
        return re.sub(r"\d", lambda _: next(fake), run[0])

    def _fake(self, number: str) -> str:
        prefix = next((own for own in self._keep if number.startswith(own)), "9")
        room = len(number) - _FREE
        if len(prefix) >= room:
            prefix = "9"
        body = prefix + str(len(self._fakes) % 10 ** (room - len(prefix))).zfill(room - len(prefix))
        checks = (luhn_ok(number), gs1_ok(number))
        candidates = (body + "".join(free) for free in product("0123456789", repeat=_FREE))
        return next(fake for fake in candidates if (luhn_ok(fake), gs1_ok(fake)) == checks)


def mask_digits(text: str) -> str:
    """One text by itself, no prefix kept."""
    return Masker().text(text)
