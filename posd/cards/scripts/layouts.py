"""Where on a card the shop keeps what it keeps: the table ``[reader.card]`` of a reader."""

from __future__ import annotations

from dataclasses import dataclass

from posd.cards import ber_tlv
from posd.cards.iso7816 import LONGEST_AID, SHORTEST_AID

POSD_AID = bytes.fromhex("F0504F5344")
"""Proprietary (first byte F0, ISO/IEC 7816-4 §12.2.2.2), then "POSD"."""


@dataclass(frozen=True, slots=True)
class ChipLayout:
    """Where the loyalty file is. ``aid`` as hex; ``file_id`` (four hex digits) is selected after the application, none
    = the application answers READ BINARY itself; at most ``max_bytes`` are read."""

    aid: str = POSD_AID.hex()
    file_id: str | None = None
    max_bytes: int = 512

    def __post_init__(self) -> None:
        if not SHORTEST_AID <= len(self.application) <= LONGEST_AID:
            raise ValueError("aid has 5 to 16 bytes, written in hex")
        if self.file_id is not None and len(bytes.fromhex(self.file_id)) != 2:
            raise ValueError("file_id has two bytes, written in hex")
        if not 1 <= self.max_bytes <= ber_tlv.LONGEST:
            raise ValueError(f"max_bytes must be 1 to {ber_tlv.LONGEST}")

    @property
    def application(self) -> bytes:
        return bytes.fromhex(self.aid)

    @property
    def file(self) -> int | None:
        return None if self.file_id is None else int(self.file_id, 16)
