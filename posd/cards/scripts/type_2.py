"""NFC Forum Type 2 tags (Ultralight, NTAG21x): capability container in page 3, data from page 4, 16 bytes at a time."""

from __future__ import annotations

from posd.cards import ndef
from posd.cards.chip import NDEF, ChipContents
from posd.cards.iso7816 import get_version, read_block
from posd.cards.reader_names import name_fits
from posd.cards.scripts.dialogue import Script, ask
from posd.cards.scripts.setup import Card
from posd.cards.scripts.uid import read_uid

_PN532_READERS = "*ACR122*"
"""Readers that hand a tag's own command through their PN532."""
_ULTRALIGHT_BYTES = 48
_DATA_BYTES = {0x0B: 48, 0x0E: 128, 0x0F: 144, 0x11: 504, 0x13: 888}
"""Storage size in GET_VERSION → bytes for data: Ultralight EV1 (two sizes), NTAG213, 215, 216 (their data sheets)."""


def read_type_2(card: Card) -> Script[ChipContents]:
    """UID, and the message if there is one."""
    uid = yield from read_uid()
    message = yield from _read_message(card)
    return ChipContents(card.atr, uid, {} if message is None else {NDEF: message})


def _read_message(card: Card) -> Script[bytes | None]:
    answer = yield from ask(read_block(3))
    if not answer.sw.ok or len(answer.data) < 16 or answer.data[0] != 0xE1:
        return None
    size, area = min(answer.data[2] * 8, ndef.LONGEST_MESSAGE), answer.data[4:16]
    if size > _ULTRALIGHT_BYTES and name_fits(card.setup.reader, _PN532_READERS):
        size = min(size, (yield from _data_bytes()) or size)
    while (extent := ndef.locate_message(area)).end > len(area) and extent.end <= size:
        answer = yield from ask(read_block(4 + len(area) // 4))
        if not answer.sw.ok or len(answer.data) != 16:
            return None
        area += answer.data
    complete = extent.found and extent.start < extent.end <= min(len(area), size)
    return area[extent.start : extent.end] if complete else None


def _data_bytes() -> Script[int | None]:
    """What the chip itself says of its memory; a first Ultralight, which falls silent after this question, is small
    and not asked."""
    answer = yield from ask(get_version())
    # D5 43, status 00, then header 00, vendor, type, subtype, versions, storage size, protocol.
    data = answer.data
    return _DATA_BYTES.get(data[9]) if answer.sw.ok and len(data) == 11 and data[:3] == b"\xd5\x43\x00" else None
