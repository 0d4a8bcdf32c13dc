"""The order of questions to one card, by the hint of its answer to reset. Every application is one file with one
generator, and one line here. They only read.

A storage card, which the reader itself names in the ATR, knows no ISO commands; some readers lose the tag after a
command that it does not know. Every other card is first asked whether it is a payment card: then it is asked nothing
more. Phones answer that question too, so where the shop reads wallets, these stand in front of it.
"""

from __future__ import annotations

from collections.abc import Callable

from posd.cards.atr import parse_atr
from posd.cards.chip import ChipContents
from posd.cards.scripts.classic import read_classic
from posd.cards.scripts.desfire import read_desfire
from posd.cards.scripts.dialogue import Script
from posd.cards.scripts.loyalty import read_loyalty
from posd.cards.scripts.memory_card import read_memory_card
from posd.cards.scripts.payment import refuse_payment
from posd.cards.scripts.setup import Card, ChipSetup
from posd.cards.scripts.type_2 import read_type_2
from posd.cards.scripts.type_4 import read_type_4
from posd.cards.scripts.uid import read_uid_only

Application = Callable[[Card], Script[ChipContents | None]]
"""Returns what it found, which ends the conversation, or None to let the next one ask."""


def read_card(atr: bytes, setup: ChipSetup | None = None) -> Script[ChipContents]:
    """The whole conversation with one card."""
    card = Card(atr, parse_atr(atr), setup or ChipSetup())
    for application in _order(card):
        found = yield from application(card)
        if found is not None:
            return found
    return (yield from read_uid_only(card))


def _order(card: Card) -> tuple[Application, ...]:
    kind = card.kind
    if kind.memory_card is not None:
        return (read_memory_card,)
    if kind.reads_as_classic:
        return (read_classic,)
    if kind.storage_card is not None:
        return (read_type_2,) if kind.reads_as_type_2 else ()
    own = (read_desfire, read_loyalty) if kind.may_be_desfire else (read_loyalty, read_desfire)
    return (*_phone(card), refuse_payment, *own, read_type_4)


def _phone(card: Card) -> tuple[Application, ...]:
    if not card.setup.wallets.any:
        return ()
    # Few shops read wallets, and their cryptography is large.
    from posd.cards.scripts.phone import read_phone  # noqa: PLC0415

    return (read_phone,)
