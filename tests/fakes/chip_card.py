"""Chip cards in memory: they answer APDU bytes with answer bytes, and write down what they were asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from posd.cards import ber_tlv
from posd.cards.ndef import type_2_area
from tests.fakes.apdu_watch import WATCHER

CONTACTLESS_ATR = bytes.fromhex("3B80800101")
CONTACT_ATR = bytes.fromhex("3B6500009C02020702")
NOT_FOUND, OK = b"\x6a\x82", b"\x90\x00"
NDEF_AID = bytes.fromhex("D2760000850101")


def storage_atr(card_name: int) -> bytes:
    """The ATR that a reader makes for a storage card (PC/SC part 3, 3.1.3.2.3.2)."""
    body = bytes.fromhex("8F8001804F0CA00000030603") + card_name.to_bytes(2, "big") + bytes(4)
    check = 0
    for byte in body:
        check ^= byte
    return b"\x3b" + body + bytes((check,))


def payment_directory(name: bytes, aid: bytes) -> bytes:
    """FCI of a payment directory that lists one application (EMV Book 1 §11.3.4)."""
    entry = ber_tlv.encode(0x61, ber_tlv.encode(0x4F, aid) + ber_tlv.encode(0x87, b"\x01"))
    proprietary = ber_tlv.encode(0xA5, ber_tlv.encode(0xBF0C, entry))
    return ber_tlv.encode(0x6F, ber_tlv.encode(0x84, name) + proprietary)


@dataclass
class FakeChipCard:
    """``applications``: AID → FCI. ``files``: (AID, file id or None) → content. ``t0``: announce data by 61xx and
    correct Le by 6Cxx, as T=0 cards do. ``asked``: every command, for the test to look at."""

    atr: bytes = CONTACTLESS_ATR
    uid: bytes | None = bytes.fromhex("04A1B2C3D4E5F6")
    applications: Mapping[bytes, bytes] = field(default_factory=dict)
    files: Mapping[tuple[bytes, int | None], bytes] = field(default_factory=dict)
    pages: bytes = b""
    t0: bool = False
    asked: list[bytes] = field(default_factory=list)
    _application: bytes = b""
    _file: bytes | None = None
    _waiting: bytes = b""

    def transmit(self, command: bytes) -> bytes:
        WATCHER.saw(command)
        self.asked.append(command)
        if command[:2] == b"\xff\xca":
            return (self.uid or b"") + OK if self.uid else b"\x6a\x81"
        if command[:2] == b"\xff\xb0":
            return self._read_pages(int.from_bytes(command[2:4], "big"))
        match command[1]:
            case 0xA4:
                return self._select(command)
            case 0xB0:
                return self._read(int.from_bytes(command[2:4], "big"), command[4] or 256)
            case 0xC0:
                return self._waiting + OK
        return b"\x6d\x00"

    def _select(self, command: bytes) -> bytes:
        name = command[5 : 5 + command[4]]
        if command[2] == 0x04:
            self._application = next((aid for aid in self.applications if aid.startswith(name)), b"")
            self._file = self.files.get((self._application, None))
            return self._answer(self.applications[self._application]) if self._application else NOT_FOUND
        self._file = self.files.get((self._application, int.from_bytes(name, "big")))
        return OK if self._file is not None else NOT_FOUND

    def _answer(self, data: bytes) -> bytes:
        if not self.t0 or not data:
            return data + OK
        self._waiting = data
        return bytes((0x61, len(data)))

    def _read(self, offset: int, length: int) -> bytes:
        if self._file is None:
            return b"\x69\x82"
        data = self._file[offset : offset + length]
        if not data:
            return b"\x6b\x00"
        if len(data) == length:
            return data + OK
        return bytes((0x6C, len(data))) if self.t0 else data + b"\x62\x82"

    def _read_pages(self, page: int) -> bytes:
        data = self.pages[page * 4 : page * 4 + 16]
        return data + OK if len(data) == 16 else b"\x63\x00"


def type_2_pages(message: bytes, *, size: int = 144) -> bytes:
    """The memory of a Type 2 tag: UID and lock pages, capability container, data area."""
    area = type_2_area(message)
    return bytes(12) + bytes((0xE1, 0x10, size // 8, 0)) + area.ljust(size, b"\0") + bytes(16)


def type_4_files(message: bytes, file_id: int = 0xE104) -> dict[tuple[bytes, int | None], bytes]:
    """Capability container and NDEF file of a Type 4 tag."""
    container = bytes.fromhex("000F20003B0034 0406") + file_id.to_bytes(2, "big") + bytes.fromhex("0400 00 FF")
    return {(NDEF_AID, 0xE103): container, (NDEF_AID, file_id): len(message).to_bytes(2, "big") + message}
