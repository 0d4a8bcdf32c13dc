"""What a card script is given: the card's answer to reset, the reader's name, the layouts that the shop uses, its keys
and a source of random bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from posd.cards.atr import Atr
from posd.cards.scripts.layouts import ChipLayout


def _no_randomness(length: int) -> bytes:
    raise ValueError(f"this script needs {length} random bytes, and nobody handed in a source of them")


@dataclass(frozen=True, slots=True)
class ChipSetup:
    """``random_bytes(n)``: n unpredictable bytes; the driver hands in the system's."""

    layout: ChipLayout = field(default_factory=ChipLayout)
    reader: str = ""
    """The reader's PC/SC name."""
    random_bytes: Callable[[int], bytes] = field(default=_no_randomness, repr=False)


@dataclass(frozen=True, slots=True)
class Card:
    """One card on one reader: what every application's script is called with."""

    atr: bytes
    kind: Atr
    setup: ChipSetup
