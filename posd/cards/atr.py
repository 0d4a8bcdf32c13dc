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


@dataclass(frozen=True, slots=True)
class Atr:
    """``storage_card``: PC/SC card name of a card without ISO 7816 commands, else None."""

    historical: bytes
    contactless: bool
    storage_card: int | None = None

    @property
    def reads_as_type_2(self) -> bool:
        return self.storage_card in TYPE_2_TAGS


def parse_atr(atr: bytes) -> Atr:
    """Parts of ``atr``. One that breaks the rules counts as a contact card without historical bytes."""
    historical = _historical(atr)
    # Readers build the ATR of a contactless card with exactly TD1 = 80 and TD2 = 01 (PC/SC part 3, 3.1.3.2.3).
    contactless = len(atr) > 4 and atr[0] == 0x3B and atr[1] & 0xF0 == 0x80 and atr[2:4] == b"\x80\x01"
    return Atr(historical, contactless, _storage_card(historical) if contactless else None)


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
