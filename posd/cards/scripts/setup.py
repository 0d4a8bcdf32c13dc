"""What a card script is given: the card's answer to reset, the reader's name, the layouts that the shop uses, its keys,
a source of random bytes and the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from posd.cards.atr import Atr
from posd.cards.card_keys import CardKeys
from posd.cards.scripts.layouts import ChipLayout
from posd.cards.sun import SeenCounters
from posd.cards.wallets import Wallets


def _no_randomness(length: int) -> bytes:
    raise ValueError(f"this script needs {length} random bytes, and nobody handed in a source of them")


@dataclass(frozen=True, slots=True)
class ChipSetup:
    """``reader``: its PC/SC name. ``random_bytes(n)``: n unpredictable bytes; the driver hands in the system's.
    ``counters``: outlives the conversation, so that a copied link is known. ``unix_seconds``: the till's wall clock,
    against which a phone's pass says when it was made."""

    layout: ChipLayout = field(default_factory=ChipLayout)
    reader: str = ""
    keys: CardKeys = field(default_factory=CardKeys)
    random_bytes: Callable[[int], bytes] = field(default=_no_randomness, repr=False)
    counters: SeenCounters = field(default_factory=SeenCounters, repr=False)
    wallets: Wallets = field(default_factory=Wallets)
    unix_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Card:
    """One card on one reader: what every application's script is called with."""

    atr: bytes
    kind: Atr
    setup: ChipSetup
