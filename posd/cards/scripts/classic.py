"""MIFARE Classic: the loyalty file in data blocks behind a key. Crypto-1 is broken: such a card can be copied.

The reader holds the key in its volatile memory (``FF 82``) and authenticates a sector (``FF 86``) before its blocks are
read (PC/SC part 3, 3.2.2.1).
"""

from __future__ import annotations

from posd.cards.card_keys import CLASSIC_READ
from posd.cards.chip import LOYALTY, ChipContents
from posd.cards.iso7816 import authenticate_block, load_key, read_block
from posd.cards.loyalty_file import is_whole
from posd.cards.scripts.dialogue import Script, ask
from posd.cards.scripts.layouts import ClassicLayout, sector_of
from posd.cards.scripts.setup import Card
from posd.cards.scripts.uid import read_uid


def read_classic(card: Card) -> Script[ChipContents | None]:
    """UID, and the file where the key opens it; None when the shop has no such cards."""
    layout = card.setup.layout.classic
    if layout is None:
        return None
    # First: a card of somebody else falls silent when a key is refused.
    uid = yield from read_uid()
    file = yield from _read_file(layout, card.setup.keys[CLASSIC_READ])
    return ChipContents(card.atr, uid, {LOYALTY: file} if file else {})


def _read_file(layout: ClassicLayout, key: bytes) -> Script[bytes]:
    """What the key opens, up to the end of a file in posd's layout."""
    file, opened = b"", -1
    answer = yield from ask(load_key(key))
    for block in layout.blocks:
        if not answer.sw.ok or is_whole(file):
            break
        if sector_of(block) != opened:
            answer = yield from ask(authenticate_block(block, key_b=layout.key == "B"))
            opened = sector_of(block)
        if answer.sw.ok:
            answer = yield from ask(read_block(block))
            file += answer.data if answer.sw.ok else b""
    return file
