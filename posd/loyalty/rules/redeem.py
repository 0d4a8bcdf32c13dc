"""M2, M7: points or credit pay a part of the sale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from posd.loyalty.rounding import ceiling
from posd.loyalty.rules.keys import MemberUnit, RuleId
from posd.loyalty.shape import Whole


@dataclass(frozen=True, slots=True)
class Redeem:
    """``spend`` of the unit pay ``worth_minor``; used in multiples of ``step``, from ``minimum`` on, for at most
    ``max_share_permille`` of the sale. A step is always worth a whole amount, so nothing is rounded."""

    kind: ClassVar[str] = "redeem"

    id: RuleId
    unit: MemberUnit
    spend: Annotated[int, Whole("This much of the unit ...", minimum=1)] = 1
    worth_minor: Annotated[int, Whole("... pays this much money, in minor parts.", minimum=1)] = 1
    step: Annotated[int, Whole("Used in multiples of this.", minimum=1)] = 1
    minimum: Annotated[int, Whole("The least that can be used in one sale.", minimum=1)] = 1
    max_share_permille: Annotated[
        int, Whole("At most this share of the sale's total: 500 = half.", minimum=1, maximum=1000)
    ] = 1000

    def flaw(self) -> str | None:
        if self.step * self.worth_minor % self.spend:
            return (
                f"a step of {self.step} is not worth a whole amount ({self.step} × {self.worth_minor} / {self.spend}); "
                f"choose another step"
            )
        return None

    @property
    def least(self) -> int:
        """``minimum`` rounded up to a whole step."""
        return ceiling(self.minimum, self.step) * self.step

    def value_minor(self, amount: int) -> int:
        """What ``amount``, a multiple of ``step``, pays."""
        return amount * self.worth_minor // self.spend

    def usable(self, available: int) -> int:
        """The part of ``available`` that step and minimum allow."""
        amount = available // self.step * self.step
        return amount if amount >= self.least else 0

    def most(self, available: int, left_minor: int, total_minor: int) -> int:
        """The most that can be spent when ``left_minor`` of a sale of ``total_minor`` is still to be paid."""
        cap_minor = min(left_minor, total_minor * self.max_share_permille // 1000)
        return self.usable(min(available, cap_minor * self.spend // self.worth_minor))

    def least_total_minor(self) -> int:
        """The smallest sale in which anything can be spent."""
        return ceiling(self.value_minor(self.least) * 1000, self.max_share_permille)
