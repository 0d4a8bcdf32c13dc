"""Answer to reset: what a reader says of a card before anything is asked (ISO/IEC 7816-3, PC/SC part 3). Only a hint
for the order of questions; no decision about money hangs on it.

>>> parse_atr(bytes.fromhex("3B8F8001804F0CA000000306030003000000000068")).storage_card
3
"""

from __future__ import annotations

from dataclasses import dataclass

_PCSC_RID = bytes.fromhex("A000000306")
TYPE_2_TAGS = frozenset({0x0003, 0x003A, 0x003D})
"""Storage card names (PC/SC part 3 supplement) that read as NFC Forum Type 2: Ultralight (readers call NTAG21x so too),
Ultralight C, Ultralight EV1."""
_CLASSIC_CARDS = frozenset({0x0001, 0x0002, 0x0026, 0x0036, 0x0037, 0x0038, 0x0039})
"""MIFARE Classic 1K and 4K, Mini, and MIFARE Plus in the security levels that speak like them."""
_DESFIRE_HISTORICAL = b"\x80"


@dataclass(frozen=True, slots=True)
class MemoryCard:
    """A synchronous contact card: its ``size`` in bytes, and ACS's code for its type."""

    size: int
    type_code: int


_MEMORY_CARDS = {b"\xa2\x13": MemoryCard(256, 0x06), b"\x92\x23": MemoryCard(1024, 0x05)}
"""By the first header bytes (ISO/IEC 7816-10): SLE4432/4442 on a two-wire bus, SLE4418/4428 on a three-wire bus."""


@dataclass(frozen=True, slots=True)
class Atr:
    """``storage_card``: PC/SC card name of a card without ISO 7816 commands, else None. ``memory_card``: what kind of
    contact memory card it is, else None."""

    historical: bytes
    contactless: bool
    storage_card: int | None = None
    memory_card: MemoryCard | None = None

    @property
    def reads_as_classic(self) -> bool:
        return self.storage_card in _CLASSIC_CARDS

    @property
    def may_be_desfire(self) -> bool:
        """DESFire of every generation, and NTAG 424 DNA."""
        return self.contactless and self.historical == _DESFIRE_HISTORICAL

    @property
    def reads_as_type_2(self) -> bool:
        return self.storage_card in TYPE_2_TAGS


def parse_atr(atr: bytes) -> Atr:
    """Parts of ``atr``. One that breaks the rules counts as a contact card without historical bytes."""
    historical = _historical(atr)
    # Readers build the ATR of a contactless card with exactly TD1 = 80 and TD2 = 01 (PC/SC part 3, 3.1.3.2.3).
    contactless = len(atr) > 4 and atr[0] == 0x3B and atr[1] & 0xF0 == 0x80 and atr[2:4] == b"\x80\x01"
    if contactless:
        return Atr(historical, contactless, storage_card=_storage_card(historical))
    # The reader makes 3B 04 and four header bytes of what a synchronous card says first.
    header_only = atr[:2] == b"\x3b\x04" and len(atr) == 6
    return Atr(historical, contactless, memory_card=_MEMORY_CARDS.get(historical[:2]) if header_only else None)


def _historical(atr: bytes) -> bytes:
    if len(atr) < 2 or atr[0] not in (0x3B, 0x3F):
        return b""
    at, interface = 2, atr[1] >> 4
    while interface:
        at += (interface & 0b0111).bit_count()
        if not interface & 0b1000:
            break
        if at >= len(atr):
            return b""
        interface, at = atr[at] >> 4, at + 1
    return atr[at : at + (atr[1] & 0x0F)]


def _storage_card(historical: bytes) -> int | None:
    """``80 4F 0C <RID> SS NN NN …``: initial access data of a storage card."""
    if historical[:3] == b"\x80\x4f\x0c" and historical[3:8] == _PCSC_RID and len(historical) >= 11:
        return int.from_bytes(historical[9:11], "big")
    return None
