"""What a new member is given for joining."""

from __future__ import annotations

from collections.abc import Iterable

from posd.loyalty.programs import Program, in_force, rules_of
from posd.loyalty.rules import EnrolGift


def welcome_gift(programs: Iterable[Program], now_ms: int) -> dict[str, int]:
    """Unit → amount, over all programs in force."""
    gift: dict[str, int] = {}
    for placed in rules_of(in_force(programs, now_ms), EnrolGift):
        gift[placed.rule.unit] = gift.get(placed.rule.unit, 0) + placed.rule.amount
    return gift
