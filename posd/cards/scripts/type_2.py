"""NFC Forum Type 2 tags (Ultralight, NTAG21x): capability container in page 3, data from page 4, 16 bytes at a time."""

from __future__ import annotations

from posd.cards import ndef
from posd.cards.chip import NDEF, ChipContents
from posd.cards.iso7816 import read_block
from posd.cards.scripts.dialogue import Script, ask
from posd.cards.scripts.setup import Card
from posd.cards.scripts.uid import read_uid


def read_type_2(card: Card) -> Script[ChipContents]:
    """UID, and the message if there is one."""
    uid = yield from read_uid()
    message = yield from _read_message()
    return ChipContents(card.atr, uid, {} if message is None else {NDEF: message})


def _read_message() -> Script[bytes | None]:
    answer = yield from ask(read_block(3))
    if not answer.sw.ok or len(answer.data) < 16 or answer.data[0] != 0xE1:
        return None
    size = min(answer.data[2] * 8, ndef.LONGEST_MESSAGE)
    area = answer.data[4:16]
    while (extent := ndef.locate_message(area)).end > len(area) and extent.end <= size:
        answer = yield from ask(read_block(4 + len(area) // 4))
        if not answer.sw.ok or len(answer.data) != 16:
            return None
        area += answer.data
    complete = extent.found and extent.start < extent.end <= min(len(area), size)
    return area[extent.start : extent.end] if complete else None
