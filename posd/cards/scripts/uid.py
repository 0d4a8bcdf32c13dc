"""The number that the maker gave to a contactless chip. Merely written on plastic: it proves nothing."""

from __future__ import annotations

from posd.cards.chip import ChipContents
from posd.cards.iso7816 import get_uid
from posd.cards.scripts.dialogue import Script, ask
from posd.cards.scripts.setup import Card


def read_uid_only(card: Card) -> Script[ChipContents]:
    """The end of every conversation: a card without anything else."""
    return ChipContents(card.atr, (yield from read_uid()) if card.kind.contactless else None)


def read_uid() -> Script[bytes | None]:
    """None where the reader does not tell it."""
    answer = yield from ask(get_uid())
    return answer.data if answer.sw.ok and answer.data else None
