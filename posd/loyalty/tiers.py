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
class TierPath:
    """A member's level (``code``, ``name`` per language, ``rank`` from 1; empty and 0 before the first one) and the
    next: ``missing_minor`` more reach ``next_code``, ``permille`` of its threshold is done. On the highest level
    ``next_code`` is None, nothing is missing and all is done."""

    code: str
    name: Mapping[str, str]
    rank: int
    next_code: str | None
    next_name: Mapping[str, str]
    missing_minor: int
    permille: int


def tier_rule(programs: Iterable[Program]) -> Placed[Tiers] | None:
    """The rule that decides: a card has one tier, so it is the first program by id which has levels."""
    return next(rules_of(newest(programs), Tiers), None)


def tier_for(programs: Iterable[Program], counted_minor: int) -> str | None:
    """Code of the highest level that ``counted_minor`` reaches (the threshold itself does), or None."""
    placed = tier_rule(programs)
    reached = [level.code for level in placed.rule.levels if level.from_minor <= counted_minor] if placed else []
    return reached[-1] if reached else None


def tier_path(programs: Iterable[Program], tier: str | None, progress: Mapping[str, int]) -> TierPath | None:
    """How ``tier`` stands and what is missing to the next level; None where no program has levels.

    ``progress``: currency → minor amounts counted in the window, as the club reckons it. A member without a tier, or
    with one that the programs no longer have, stands where the count puts him.
    """
    placed = tier_rule(programs)
    if placed is None:
        return None
    levels, counted = placed.rule.levels, max(progress.get(placed.program.currency, 0), 0)
    held = [rank for rank, level in enumerate(levels, start=1) if level.code == tier]
    rank = held[0] if held else sum(level.from_minor <= counted for level in levels)
    return _path(levels, rank, counted)


def _path(levels: tuple[Level, ...], rank: int, counted_minor: int) -> TierPath:
    here = levels[rank - 1] if rank else None
    code, name = (here.code, here.name) if here else ("", {})
    if rank == len(levels):
        return TierPath(code, name, rank, None, {}, 0, 1000)
    ahead = levels[rank]
    missing_minor = max(ahead.from_minor - counted_minor, 0)
    permille = min(counted_minor * 1000 // ahead.from_minor, 1000)  # a level ahead starts above zero
    return TierPath(code, name, rank, ahead.code, ahead.name, missing_minor, permille)
