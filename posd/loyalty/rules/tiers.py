"""M14: levels with names, reached by what was bought in a window of days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from posd.loyalty.rules.keys import RuleId
from posd.loyalty.shape import Names, Tables, Whole, Word


@dataclass(frozen=True, slots=True)
class Level:
    """One level: reached when ``from_minor`` or more is counted."""

    code: Annotated[str, Word("bronze, silver, gold, diamond, or a word of your own.")]
    from_minor: Annotated[int, Whole("Purchases in the window that reach it, in minor parts.")]
    name: Annotated[Mapping[str, str], Names("What people call it.")]


@dataclass(frozen=True, slots=True)
class Tiers:
    """Levels by purchases of the last ``window_days`` days. Spending points or credit never lowers what is counted."""

    kind: ClassVar[str] = "tiers"

    id: RuleId
    window_days: Annotated[int, Whole("Purchases of this many days count.", minimum=1, maximum=3660)]
    levels: Annotated[tuple[Level, ...], Tables("The levels, lowest first.", Level)]

    def flaw(self) -> str | None:
        codes = [level.code for level in self.levels]
        if len(set(codes)) < len(codes):
            return "two levels have the same code; give each its own"
        starts = [level.from_minor for level in self.levels]
        if starts != sorted(set(starts)):
            return "levels must stand lowest first, each with a higher from_minor than the one before"
        return None
