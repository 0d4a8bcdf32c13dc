"""The rules that a program may hold: one file per kind, a tagged union by ``kind``.

A further model is a further file with a frozen dataclass, its name in the unions below and in `KINDS`; documents,
schema and page of keys follow from its annotations.
"""

from __future__ import annotations

from typing import Final

from posd.loyalty.rules.earn_per_amount import EarnPerAmount
from posd.loyalty.rules.earn_percent import EarnPercent
from posd.loyalty.rules.enrol_gift import EnrolGift
from posd.loyalty.rules.redeem import Redeem
from posd.loyalty.rules.tiers import Tiers

__all__ = ["EARN", "KINDS", "Earn", "EarnPerAmount", "EarnPercent", "EnrolGift", "Redeem", "Rule", "Tiers"]

Earn = EarnPerAmount | EarnPercent
"""Rules that bring something on what is paid. Each has ``unit``, ``basis``, ``earned(amount)``, ``why(earned,
currency)`` and ``next_step(amount)``."""

EARN: Final = (EarnPerAmount, EarnPercent)
"""The same as types to look for."""

Rule = Earn | Redeem | Tiers | EnrolGift

KINDS: Final[dict[str, type[Rule]]] = {
    rule.kind: rule for rule in (EarnPerAmount, EarnPercent, Redeem, Tiers, EnrolGift)
}
