"""Keys that several rules have, each described once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from posd.loyalty.rounding import Rounding
from posd.loyalty.shape import Choice, Word
from posd.units import CREDIT, POINTS


class Basis(StrEnum):
    """What a rule looks at: what the customer pays after points and credit, or the whole price."""

    PAYABLE = "payable"
    TOTAL = "total"


RuleId = Annotated[str, Word("Names the rule in every entry it makes; never change it, never use it again.")]
MemberUnit = Annotated[str, Choice("What members collect: PTS (points) or CREDIT (stored money).", (POINTS, CREDIT))]
StatedBasis = Annotated[Basis, Choice.of("payable: after points and credit; total: the whole price.", Basis)]
StatedRounding = Annotated[Rounding, Choice.of("floor or half_up, applied once to the whole sale.", Rounding)]
