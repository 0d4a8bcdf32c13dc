"""Secure messaging of MIFARE DESFire with AES keys, the terminal's side: the older one of EV1 (authentication ``AA``)
and EV2's (``71``). Pure: what goes to the card is built here, what comes back is checked here; nobody talks here.

EV1's chains each message's MAC into the next; EV2's counts commands and names its transaction (NXP AN12196 §5 describes
the same messaging for NTAG 424).
"""

from __future__ import annotations

import hmac
import zlib
from enum import StrEnum
from typing import Protocol

from posd.cards import aes

MAC_BYTES = 8
_CRC_BYTES = 4
_OK = b"\x00"


class Communication(StrEnum):
    """How a file travels: as it is, with a MAC, or encrypted."""

    PLAIN = "plain"
    MAC = "mac"
    FULL = "full"


class Session(Protocol):
    """An authenticated conversation."""

    def command(self, instruction: int, header: bytes, mode: Communication) -> bytes:
        """What follows the instruction byte of a reading command."""
        ...

    def open(self, answer: bytes, length: int, mode: Communication) -> bytes | None:
        """The ``length`` bytes that the card sent in answer with status OK; None when they are not the card's."""
        ...


class Ev1Session:
    """After `Ev1Authentication`. ``key``: the session key."""

    def __init__(self, key: bytes) -> None:
        self._key, self._iv = key, aes.ZERO_IV

    def command(self, instruction: int, header: bytes, mode: Communication) -> bytes:
        del mode  # a reading command carries no MAC, whatever the file's mode
        self._iv = aes.cmac(self._key, bytes((instruction,)) + header, self._iv)
        return header

    def open(self, answer: bytes, length: int, mode: Communication) -> bytes | None:
        if mode is Communication.FULL:
            return self._decrypted(answer, length)
        data, mac = answer[:-MAC_BYTES], answer[-MAC_BYTES:]
        self._iv = aes.cmac(self._key, data + _OK, self._iv)
        return data if len(data) == length and hmac.compare_digest(self._iv[:MAC_BYTES], mac) else None

    def _decrypted(self, answer: bytes, length: int) -> bytes | None:
        """Data, CRC-32 over data and status, zeros to the end of the block."""
        if len(answer) != length + _CRC_BYTES + -(length + _CRC_BYTES) % aes.BLOCK:
            return None
        plain = aes.decrypt(self._key, answer, self._iv)
        self._iv = answer[-aes.BLOCK :]
        data, crc = plain[:length], plain[length : length + _CRC_BYTES]
        return data if hmac.compare_digest(crc32(data + _OK), crc) else None


class Ev2Session:
    """After `Ev2Authentication`."""

    def __init__(self, encryption_key: bytes, mac_key: bytes, transaction: bytes) -> None:
        self._encryption_key, self._mac_key, self._transaction = encryption_key, mac_key, transaction
        self._commands = 0

    def command(self, instruction: int, header: bytes, mode: Communication) -> bytes:
        if mode is Communication.PLAIN:
            return header
        return header + self._mac(bytes((instruction,)), header)

    def open(self, answer: bytes, length: int, mode: Communication) -> bytes | None:
        self._commands += 1
        if mode is Communication.PLAIN:
            return answer if len(answer) == length else None
        data, mac = answer[:-MAC_BYTES], answer[-MAC_BYTES:]
        if not hmac.compare_digest(self._mac(_OK, data), mac):
            return None
        if mode is Communication.FULL:
            return self._decrypted(data, length)
        return data if len(data) == length else None

    def _decrypted(self, data: bytes, length: int) -> bytes | None:
        if not data or len(data) % aes.BLOCK:
            return None
        iv = aes.encrypt(self._encryption_key, b"\x5a\xa5" + self._place() + bytes(8))
        plain = aes.decrypt(self._encryption_key, data, iv)
        return plain[:length] if plain == aes.padded(plain[:length]) else None

    def _mac(self, code: bytes, data: bytes) -> bytes:
        counter, transaction = self._place()[4:], self._transaction
        return aes.short_mac(self._mac_key, code + counter + transaction + data)

    def _place(self) -> bytes:
        return self._transaction + self._commands.to_bytes(2, "little")


class Ev1Authentication:
    """Instruction ``AA``. Each side returns the other's random number, turned by a byte and encrypted."""

    instruction = 0xAA
    parameters = b""

    def __init__(self, key: bytes, random: bytes) -> None:
        self._key, self._ours, self._theirs = key, random, b""
        self._last = aes.ZERO_IV

    def answer(self, challenge: bytes) -> bytes | None:
        """What to send back; None for a challenge that is none."""
        if len(challenge) != aes.BLOCK:
            return None
        self._theirs = aes.decrypt(self._key, challenge)
        reply = aes.encrypt(self._key, self._ours + rotated(self._theirs), challenge)
        self._last = reply[-aes.BLOCK :]
        return reply

    def session(self, proof: bytes) -> Session | None:
        """The conversation, if ``proof`` shows that the card has the key."""
        if len(proof) != aes.BLOCK:
            return None
        if not hmac.compare_digest(aes.decrypt(self._key, proof, self._last), rotated(self._ours)):
            return None
        return Ev1Session(self._ours[:4] + self._theirs[:4] + self._ours[12:] + self._theirs[12:])


class Ev2Authentication:
    """Instruction ``71``, AuthenticateEV2First, without capabilities of the terminal."""

    instruction = 0x71
    parameters = b"\x00"

    def __init__(self, key: bytes, random: bytes) -> None:
        self._key, self._ours, self._theirs = key, random, b""

    def answer(self, challenge: bytes) -> bytes | None:
        if len(challenge) != aes.BLOCK:
            return None
        self._theirs = aes.decrypt(self._key, challenge)
        return aes.encrypt(self._key, self._ours + rotated(self._theirs))

    def session(self, proof: bytes) -> Session | None:
        if len(proof) != 2 * aes.BLOCK:
            return None
        plain = aes.decrypt(self._key, proof)
        transaction, ours = plain[:4], plain[4:20]
        if not hmac.compare_digest(ours, rotated(self._ours)):
            return None
        return Ev2Session(*ev2_session_keys(self._key, self._ours, self._theirs), transaction)


Authentication = Ev1Authentication | Ev2Authentication


def ev2_session_keys(key: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, bytes]:
    """Keys for encryption and MAC, from the terminal's and the card's random number (AN12196 §5.6)."""
    both = ours[:2] + aes.xor(ours[2:8], theirs[:6]) + theirs[6:] + ours[8:]
    return aes.cmac(key, b"\xa5\x5a\x00\x01\x00\x80" + both), aes.cmac(key, b"\x5a\xa5\x00\x01\x00\x80" + both)


def rotated(number: bytes) -> bytes:
    """Turned left by one byte."""
    return number[1:] + number[:1]


def crc32(data: bytes) -> bytes:
    """DESFire's CRC-32: without the last inversion, low byte first."""
    return (zlib.crc32(data) ^ 0xFFFFFFFF).to_bytes(4, "little")
