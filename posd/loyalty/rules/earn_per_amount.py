"""M1: so many points for so much money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from posd.loyalty.rounding import ceiling, least_numerator, rounded
from posd.loyalty.rules.keys import MemberUnit, RuleId, StatedBasis, StatedRounding
from posd.loyalty.shape import Whole
from posd.units import POINTS
from posd.words import Words, quantity


@dataclass(frozen=True, slots=True)
class EarnPerAmount:
    """Every ``per_minor`` of money brings ``earn`` of the unit, in proportion, rounded once per sale."""

    kind: ClassVar[str] = "earn_per_amount"

    id: RuleId
    earn: Annotated[int, Whole("How much of the unit is earned.", minimum=1)]
    per_minor: Annotated[int, Whole("For how much money, in minor parts (rial, cent).", minimum=1)]
    basis: StatedBasis
    rounding: StatedRounding
    unit: MemberUnit = POINTS

    def earned(self, amount_minor: int) -> int:
        return rounded(amount_minor * self.earn, self.per_minor, self.rounding)

    def next_step(self, amount_minor: int) -> tuple[int, int]:
        """How much more must be spent for the next unit, and how much more is then earned."""
        now = self.earned(amount_minor)
        needed = ceiling(least_numerator(now + 1, self.per_minor, self.rounding), self.earn)
        return needed - amount_minor, self.earned(needed) - now

    def why(self, earned: int, currency: str) -> Words:
        return Words(
            "quote.why.base",
            {
                "earned": quantity(earned, self.unit),
                "amount": quantity(self.per_minor, currency),
                "rate": quantity(self.earn, self.unit),
            },
        )
