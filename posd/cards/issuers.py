"""Who issues payment cards: number ranges (ISO/IEC 7812 issuer identification numbers) as facts, in our own table.

`SPECIFIC` are ranges that belong to payment cards alone; a number in them, of a right length and with a right Luhn
digit, is refused wherever it stands. Retail and loyalty cards also live under 6 and 7, so the whole of 2 to 6 counts
only together with the structure of a bank card's track (`posd.cards.payment`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONG = (16, 17, 18, 19)


@dataclass(frozen=True, slots=True)
class IssuerRange:
    """``first`` to ``last``, compared on their length; ``lengths`` of whole numbers."""

    brand: str
    first: str
    last: str
    lengths: tuple[int, ...]

    def covers(self, number: str) -> bool:
        return self.first <= number[: len(self.first)] <= self.last


def _ranges(brand: str, prefixes: str, lengths: tuple[int, ...]) -> tuple[IssuerRange, ...]:
    bounds = (part.partition("-") for part in prefixes.split())
    return tuple(IssuerRange(brand, first, last or first, lengths) for first, _, last in bounds)


IRAN = _ranges(
    "iran",
    # Banks of the Shetab network.
    "170019 207177 502229 502806 502908 502910 502938 504172 504706 505416 505785 585947 585983 589210 589463 "
    "603769 603770 603799 606256 606373 610433 621986 622106 627353 627381 627412 627488 627648 627760 627884 "
    "627961 628023 628157 636214 636795 636949 639194 639217 639346 639347 639370 639599 639607 991975",
    (16,),
)

# Found in public tables: every range down to "hipercard" (there Elo, Hiper, Naranja, Verve and the 65… of Troy lie
# inside the ranges of others), and Iran. From general knowledge and not verified: RuPay, mada, Uzcard, Humo, and JCB
# cards of 15 digits. UnionPay's 62 and 81 and Maestro's 50 are taken whole, though not all of them is given out.
SPECIFIC: tuple[IssuerRange, ...] = (
    *_ranges("visa", "4", (16, 18, 19)),
    *_ranges("mastercard", "51-55 2221-2720", (16,)),
    *_ranges("amex", "34 37", (15,)),
    *_ranges("diners", "300-305 36 38 39", (14, 16, 19)),
    *_ranges("discover", "6011 644-649 65", (16, 19)),
    *_ranges("jcb", "3528-3589", _LONG),
    *_ranges("jcb", "2131 1800", (15, *_LONG)),
    *_ranges("unionpay", "62 810-817", (14, 15, *_LONG)),
    *_ranges("maestro", "50 56-59 63 67 493698", (13, 14, 15, *_LONG)),
    *_ranges("mir", "2200-2204", _LONG),
    *_ranges("troy", "9792", (16,)),
    *_ranges("hipercard", "606282", (16,)),
    *_ranges("rupay", "606985-607984 608001-608500 81 82", (16,)),
    *_ranges("mada", "604906 605141 968201-968211", (16,)),
    *_ranges("uzcard", "8600", (16,)),
    *_ranges("humo", "9860", (16,)),
    *IRAN,
)

LENGTHS = range(12, 20)
"""Digits that a payment card number can have (ISO/IEC 7812-1)."""


def issuer_of(number: str) -> str | None:
    """The brand whose range and length ``number`` has, or None. Check digits are not looked at."""
    for issuer in SPECIFIC:
        if len(number) in issuer.lengths and issuer.covers(number):
            return issuer.brand
    return None


def why_not_own(prefix: str) -> str:
    """Why a club may not call ``prefix`` its own, or nothing. One inside a payment range must be long enough to be a
    single issuer's, and must not be a bank's: the guard lets own numbers through."""
    if not re.fullmatch("[0-9]{1,12}", prefix):
        return "is not 1 to 12 digits"
    if any(bank.first.startswith(prefix) or prefix.startswith(bank.first) for bank in IRAN):
        return "belongs to a bank; posd would read its payment cards"
    if len(prefix) < 6 and any(_overlaps(prefix, issuer) for issuer in SPECIFIC):
        return "lies in a payment card range; give all six or eight digits that are yours"
    return ""


def _overlaps(prefix: str, issuer: IssuerRange) -> bool:
    size = min(len(prefix), len(issuer.first))
    return issuer.first[:size] <= prefix[:size] <= issuer.last[:size]
