"""Units: what an integer counts. Every amount in posd is an integer number of the minor parts of a named unit.

A unit carries its scale (how many minor digits people see) and its validity, so that a redenomination adds a unit
and never rewrites a row. What a shop *shows* may be another word for the same thing: Iranians price in toman,
ten rial each; toman is therefore a display of IRR, not a unit of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of account.

    ``minor_digits`` is how many digits of the integer stand behind the decimal point on a screen; it is our own table
    because ICU, ISO 4217 and shops disagree for IRR and IQD. ``factor_to_successor`` says how many of this unit make
    one of ``successor`` once that is valid.
    """

    code: str
    minor_digits: int = 0
    valid_from: date | None = None
    successor: str | None = None
    factor_to_successor: int | None = None


@dataclass(frozen=True, slots=True)
class DisplayUnit:
    """How a shop says a unit: ``DisplayUnit("toman", "IRR", 10)`` shows 12,880,000 IRR as 1,288,000 toman."""

    name: str
    unit: str
    factor: int = 1


POINTS = "PTS"
CREDIT = "CREDIT"

UNITS: dict[str, Unit] = {
    unit.code: unit
    for unit in (
        Unit("IRR"),
        Unit("IQD"),
        Unit("USD", minor_digits=2),
        Unit("EUR", minor_digits=2),
        Unit("AED", minor_digits=2),
        Unit("SAR", minor_digits=2),
        Unit(POINTS),
        Unit(CREDIT),
    )
}
"""Units known to this release. ``CREDIT`` is a member's stored money: it counts minor parts of the shop's currency,
but it is a unit of its own, because the shop owes it and has not been paid it."""

DISPLAY_UNITS: dict[str, DisplayUnit] = {
    "rial": DisplayUnit("rial", "IRR"),
    "toman": DisplayUnit("toman", "IRR", 10),
    "dinar": DisplayUnit("dinar", "IQD"),
    "dollar": DisplayUnit("dollar", "USD"),
    "euro": DisplayUnit("euro", "EUR"),
    "dirham": DisplayUnit("dirham", "AED"),
    "riyal": DisplayUnit("riyal", "SAR"),
}
