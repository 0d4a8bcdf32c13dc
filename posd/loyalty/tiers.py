"""Where a member stands: the tier for what was counted, and the way to the next one.

What counts is bought in the window; spending points or credit takes nothing away from it. The club does the counting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from posd.loyalty.programs import Placed, Program, newest, rules_of
from posd.loyalty.rules import Tiers
from posd.loyalty.rules.tiers import Level


@dataclass(frozen=True, slots=True)
class Tier:
    """A level as people see it. ``rank``: 1 is the lowest."""

    code: str
    name: Mapping[str, str]
    rank: int


@dataclass(frozen=True, slots=True)
class TierPath:
    """``missing_minor`` more reach ``next``; ``permille`` of its threshold is done."""

    next: str
    missing_minor: int
    permille: int


def tier_rule(programs: Iterable[Program]) -> Placed[Tiers] | None:
    """The rule that decides: a card has one tier, so it is the first program by id which has levels."""
    return next(rules_of(newest(programs), Tiers), None)


def tier_for(programs: Iterable[Program], counted_minor: int) -> str | None:
    """Code of the highest level that ``counted_minor`` reaches (the threshold itself does), or None."""
    reached = [level for level in _levels(programs) if level.from_minor <= counted_minor]
    return reached[-1].code if reached else None


def tier_path(programs: Iterable[Program], counted_minor: int, tier: str | None = None) -> TierPath | None:
    """The way to the next level; None on the highest one and where there are no levels.

    ``tier``: the level held, where it may be higher than what is counted now (it was reached in another window): the
    next one is then the one above it.
    """
    counted_minor = max(counted_minor, 0)
    levels = _levels(programs)
    held = next((level.from_minor for level in levels if level.code == tier), 0)
    ahead = [level for level in levels if level.from_minor > max(counted_minor, held)]
    if not ahead:
        return None
    goal = ahead[0].from_minor
    return TierPath(ahead[0].code, goal - counted_minor, counted_minor * 1000 // goal)


def tier_named(programs: Iterable[Program], code: str | None) -> Tier | None:
    """The level called ``code``; None when the programs do not have it."""
    for rank, level in enumerate(_levels(programs), start=1):
        if level.code == code:
            return Tier(level.code, level.name, rank)
    return None


def _levels(programs: Iterable[Program]) -> tuple[Level, ...]:
    placed = tier_rule(programs)
    return placed.rule.levels if placed else ()
