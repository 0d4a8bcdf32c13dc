"""What people are told, before it is put into a language: a key of the catalogues and what fills its places.

The catalogues are `posd/api/page/words/{en,fa,ar}.json`; `docs/wording.md` gives the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Argument = str | int | Mapping[str, str | int]
"""A word, a bare count, a quantity ``{"amount": 12880000, "unit": "IRR"}`` that the reader's language formats, or the
name of something in several languages, ``{"en": "Gold", "fa": "طلایی"}``, of which the reader's is shown."""


@dataclass(frozen=True, slots=True)
class Words:
    """``Words("card.unknown", {"key": "F3"})``. ``key`` must stand in all three catalogues (a test checks it)."""

    key: str
    args: Mapping[str, Argument] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {"key": self.key, "args": dict(self.args)}


def quantity(amount: int, unit: str) -> dict[str, str | int]:
    """A quantity to be formatted where it is shown."""
    return {"amount": amount, "unit": unit}


def names(by_language: Mapping[str, str]) -> dict[str, str | int]:
    """A name that the owner gave in one or more languages; where the reader's is missing, the first is shown."""
    return dict(by_language)
