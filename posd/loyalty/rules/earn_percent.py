"""M7: a percentage of each purchase as credit on the card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from posd.loyalty.rounding import rounded
from posd.loyalty.rules.keys import MemberUnit, RuleId, StatedBasis, StatedRounding
from posd.loyalty.shape import Whole
from posd.units import CREDIT
from posd.words import Words, quantity

WHOLE = 10_000
"""Basis points of the whole: 100 = 1 %."""


@dataclass(frozen=True, slots=True)
class EarnPercent:
    """``basis_points`` of the money (100 = 1 %), rounded once per sale to a multiple of ``round_to``."""

    kind: ClassVar[str] = "earn_percent"

    id: RuleId
    basis_points: Annotated[int, Whole("Share of the money: 100 = 1 %, 25 = 0.25 %.", minimum=1, maximum=WHOLE)]
    basis: StatedBasis
    rounding: StatedRounding
    round_to: Annotated[int, Whole("Earned in multiples of this many minor parts; 10 rial = 1 toman.", minimum=1)] = 1
    unit: MemberUnit = CREDIT

    def earned(self, amount_minor: int) -> int:
        return self.round_to * rounded(amount_minor * self.basis_points, WHOLE * self.round_to, self.rounding)

    def next_step(self, amount_minor: int) -> None:
        """None: "3 toman more earns 1 rial" helps nobody."""
        return

    def why(self, earned: int, currency: str) -> Words:
        return Words(
            "quote.why.credit",
            {
                "earned": quantity(earned, self.unit),
                "amount": quantity(WHOLE, currency),
                "rate": quantity(self.basis_points, self.unit),
            },
        )
