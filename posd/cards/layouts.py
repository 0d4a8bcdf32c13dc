"""Keyboard layouts that readers can be programmed for: which character each key gives.

A layout here is the one that the *reader* types for, never the one of the till's session: posd reads key codes. The
facts stand in `posd.cards.layout_tables`, after xkb-data (pc105); a table is built when somebody asks for its layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from posd.cards.layout_tables import KEYS, NOTHING, ROWS

__all__ = ["LAYOUTS", "NOTHING", "SPACE", "Layout"]

SPACE = 57


@dataclass(frozen=True, slots=True)
class Layout:
    """``levels``: key code → what it gives plain, with Shift, with AltGr, with both. ``dead``: key and level of those
    that wait for the next key; a reader types Space after one to get its sign itself."""

    name: str
    levels: Mapping[int, str]
    dead: frozenset[tuple[int, int]]


class _Layouts(Mapping[str, Layout]):
    def __getitem__(self, name: str) -> Layout:
        if name not in ROWS:
            raise KeyError(name)
        return _built(name)

    def __iter__(self) -> Iterator[str]:
        return iter(ROWS)

    def __len__(self) -> int:
        return len(ROWS)


@cache
def _built(name: str) -> Layout:
    *rows, masks = ROWS[name]
    levels = {code: "".join(row[n] for row in rows) for n, code in enumerate(KEYS)}
    dead = frozenset(
        (code, level)
        for code, mask in zip(KEYS, masks, strict=True)
        for level in range(len(rows))
        if int(mask, 16) >> level & 1
    )
    return Layout(name, levels, dead)


LAYOUTS: Mapping[str, Layout] = _Layouts()
"""By the names that xkb uses, a variant behind an underscore."""
