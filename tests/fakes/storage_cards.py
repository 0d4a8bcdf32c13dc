"""Cards without ISO 7816 commands, as a PC/SC reader shows them: MIFARE Classic, NTAG21x, SLE4442 and SLE4428."""

from __future__ import annotations

from tests.fakes.chip_card import storage_atr
from tests.fakes.watched_card import FAILED, OK, UNKNOWN, WatchedCard

SLE4442_ATR, SLE4428_ATR = bytes.fromhex("3B04A2131091"), bytes.fromhex("3B0492231091")


class ClassicCard(WatchedCard):
    """1K. ``blocks``: number → 16 bytes; ``keys``: sector → the key that reads it, as ``key_type`` (60 A, 61 B)."""

    atr = storage_atr(0x0001)

    def __init__(self, blocks: dict[int, bytes], keys: dict[int, bytes], key_type: int = 0x60) -> None:
        super().__init__()
        self.uid = bytes.fromhex("5A112233")
        self.blocks, self.keys, self.key_type = blocks, keys, key_type
        self._loaded, self._opened = b"", -1

    def answer(self, command: bytes) -> bytes:
        match command[1]:
            case 0xCA:
                return self.uid + OK
            case 0x82:
                self._loaded = command[5:11]
                return OK
            case 0x86:
                return self._authenticate(command[7], command[8])
            case 0xB0 if command[3] // 4 == self._opened:
                return self.blocks.get(command[3], bytes(16)) + OK
        return FAILED

    def _authenticate(self, block: int, key_type: int) -> bytes:
        fits = key_type == self.key_type and self.keys.get(block // 4) == self._loaded
        self._opened = block // 4 if fits else -1
        return OK if fits else FAILED


class NtagCard(WatchedCard):
    """``pages`` are all there are; reading beyond the end begins again at page 0, as NTAG21x do. ``version``: answer to
    GET_VERSION through an ACR122U, empty: falls silent then."""

    def __init__(self, pages: bytes, version: bytes = b"", card_name: int = 0x0003) -> None:
        super().__init__()
        self.atr = storage_atr(card_name)
        self.uid = bytes.fromhex("04A1B2C3D4E5F6")
        self.pages, self.version = pages, version
        self._silent = False

    def answer(self, command: bytes) -> bytes:
        if command == bytes.fromhex("FF00000003D44260"):
            self._silent = not self.version
            return (b"\xd5\x43\x00" + self.version if self.version else b"\xd5\x43\x01") + OK
        if self._silent:
            return FAILED
        if command[1] == 0xCA:
            return self.uid + OK
        start = int.from_bytes(command[2:4], "big") * 4
        return (self.pages + self.pages)[start : start + 16] + OK if start < len(self.pages) else FAILED


class MemoryCard(WatchedCard):
    """``needs_type``: the reader wants to be told the card's type; ``protection``: what it sends behind the data."""

    def __init__(self, atr: bytes, memory: bytes, *, needs_type: bool, protection: bytes = b"") -> None:
        super().__init__()
        self.atr, self.memory, self.needs_type, self.protection = atr, memory, needs_type, protection
        self._type = {SLE4442_ATR: 6, SLE4428_ATR: 5}[atr]

    def answer(self, command: bytes) -> bytes:
        if command[:2] == b"\xff\xa4":
            self.needs_type = self.needs_type and command[5] != self._type
            return FAILED if self.needs_type else OK
        if command[:2] != b"\xff\xb0" or self.needs_type:
            return UNKNOWN
        start = int.from_bytes(command[2:4], "big")
        return self.memory[start : start + command[4]] + self.protection + OK
