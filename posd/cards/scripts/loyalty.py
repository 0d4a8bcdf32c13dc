"""The loyalty application of an ISO 7816 card, contact or contactless: one file, read whole."""

from __future__ import annotations

from posd.cards.chip import LOYALTY, ChipContents
from posd.cards.iso7816 import select_application, select_file
from posd.cards.loyalty_file import is_whole
from posd.cards.scripts.dialogue import Script, ask, read_file
from posd.cards.scripts.setup import Card


def read_loyalty(card: Card) -> Script[ChipContents | None]:
    """The file, and no UID: that is nobody's business then. None where the card has no such application."""
    layout = card.setup.layout
    answer = yield from ask(select_application(layout.application))
    if answer.sw.ok and layout.file is not None:
        answer = yield from ask(select_file(layout.file))
    if not answer.sw.ok:
        return None
    file = yield from read_file(0, layout.max_bytes, ends=is_whole)
    return None if file is None else ChipContents(card.atr, None, {LOYALTY: file})
