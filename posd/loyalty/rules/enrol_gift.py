"""M31: a welcome present for joining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from posd.loyalty.rules.keys import MemberUnit, RuleId
from posd.loyalty.shape import Whole


@dataclass(frozen=True, slots=True)
class EnrolGift:
    """``amount`` of the unit for everyone who joins, booked with the enrolment."""

    kind: ClassVar[str] = "enrol_gift"

    id: RuleId
    unit: MemberUnit
    amount: Annotated[int, Whole("How much.", minimum=1)]
