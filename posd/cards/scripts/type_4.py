"""NFC Forum Type 4 tags (T4T 1.0 §5): SELECT the NDEF application, its capability container, its NDEF file. A tag that
signs its own link (NTAG 424 DNA) is verified here, where the shop has its keys."""

from __future__ import annotations

from posd.cards import ndef, sun
from posd.cards.card_keys import SUN_FILE, SUN_PICC
from posd.cards.chip import NDEF, SUN, ChipContents
from posd.cards.iso7816 import select_application, select_file
from posd.cards.reads import Refusal, RejectReason
from posd.cards.scripts.dialogue import CHUNK, Script, ask, read_file
from posd.cards.scripts.setup import Card
from posd.cards.scripts.uid import read_uid
from posd.cards.sun import SunLayout, SunTag

_APPLICATION = bytes.fromhex("D2760000850101")
_CAPABILITY_FILE = 0xE103
_CONTAINER_LENGTH = 15
_FREE = 0x00
_COPIED = "the counter in the tag's link did not rise: a copied link"


def read_type_4(card: Card) -> Script[ChipContents | None]:
    """Message and UID; None where the card has no NDEF application that may be read."""
    message = yield from _read_message()
    if message is None:
        return None
    if card.setup.layout.sun is not None and (verdict := _verified(card, card.setup.layout.sun, message)) is not None:
        return verdict
    uid = (yield from read_uid()) if card.kind.contactless else None
    return ChipContents(card.atr, uid, {NDEF: message})


def _verified(card: Card, layout: SunLayout, message: bytes) -> ChipContents | None:
    """Of a tag that signs its link: its proven UID and nothing else, since the rest of the link is not signed. None for
    any other tag."""
    keys = card.setup.keys
    for link in _links(message):
        match sun.verify(link, layout, keys.get(SUN_PICC), keys[SUN_FILE]):
            case SunTag() as tag if card.setup.counters.rises(tag):
                return ChipContents(card.atr, None, {SUN: tag.uid})
            case SunTag():
                return ChipContents(refusal=RejectReason.NOT_GENUINE, detail=_COPIED)
            case Refusal(reason, detail):
                return ChipContents(refusal=reason, detail=detail)
    return None


def _links(message: bytes) -> list[str]:
    try:
        return [record.text for record in ndef.parse_message(message) if record.type == ndef.URI and record.text]
    except ndef.NdefError:
        return []


def _read_message() -> Script[bytes | None]:
    for command in (select_application(_APPLICATION), select_file(_CAPABILITY_FILE)):
        answer = yield from ask(command)
        if not answer.sw.ok:
            return None
    container = yield from read_file(0, _CONTAINER_LENGTH)
    if container is None or len(container) < _CONTAINER_LENGTH or container[7] != 0x04 or container[13] != _FREE:
        return None
    most_at_once, file_size = int.from_bytes(container[3:5], "big"), int.from_bytes(container[11:13], "big")
    answer = yield from ask(select_file(int.from_bytes(container[9:11], "big")))
    head = (yield from read_file(0, 2)) if answer.sw.ok else None
    if head is None or len(head) < 2 or most_at_once < 1:
        return None
    length = int.from_bytes(head, "big")
    if not 0 < length <= min(file_size - 2, ndef.LONGEST_MESSAGE):
        return None
    message = yield from read_file(2, length, chunk=min(CHUNK, most_at_once))
    return message if message is not None and len(message) == length else None
