"""A DESFire card with one application and one file, the card's side of AES authentication and secure messaging, written
from NXP's documents with `cryptography`'s own CMAC where it can be; it knows nothing of posd's code.
"""

from __future__ import annotations

import secrets
import zlib

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from tests.fakes.watched_card import FAILED, NOT_FOUND, OK, WatchedCard

PLAIN, MACED, FULL = 0, 1, 3
_DONE, _MORE, _ILLEGAL, _NO_APPLICATION, _DENIED, _WRONG_KEY = 0x00, 0xAF, 0x1C, 0xA0, 0x9D, 0xAE


class DesfireCard(WatchedCard):
    """``ev2``: knows AuthenticateEV2First. ``mode``: communication settings of the file. ``tells_settings``: everybody
    may ask for them. ``frame``: how many bytes it sends at once."""

    atr = bytes.fromhex("3B8180018080")

    def __init__(
        self,
        key: bytes,
        file: bytes,
        *,
        uid: bytes = bytes.fromhex("04112233445566"),
        aid: bytes = b"\xf0\x50\x4f",
        ev2: bool = True,
        mode: int = FULL,
        tells_settings: bool = True,
        frame: int = 59,
    ) -> None:
        super().__init__()
        self.key, self.file, self.uid, self.aid = key, file, uid, aid
        self.ev2, self.mode, self.tells_settings, self.frame = ev2, mode, tells_settings, frame
        self._forget()

    def _forget(self) -> None:
        self._selected = False
        self._challenge: tuple[int, bytes] | None = None
        self._messaging: _Ev1 | _Ev2 | None = None
        self._waiting = b""

    def answer(self, command: bytes) -> bytes:
        if command[:2] == b"\xff\xca":
            return self.uid + OK if self.uid else FAILED
        if command[0] != 0x90:
            self._forget()
            return NOT_FOUND
        data = command[5 : 5 + command[4]] if len(command) > 5 else b""
        answer, status = self._native(command[1], data)
        return answer + bytes((0x91, status))

    def _native(self, instruction: int, data: bytes) -> tuple[bytes, int]:
        if instruction == 0x5A:
            self._forget()
            self._selected = data == self.aid
            return b"", _DONE if self._selected else _NO_APPLICATION
        if not self._selected:
            return b"", _DENIED
        if instruction == 0xF5:
            settings = bytes((0x00, self.mode, 0x1F, 0x00)) + len(self.file).to_bytes(3, "little")
            return (settings, _DONE) if self.tells_settings and data == b"\x01" else (b"", _WRONG_KEY)
        if instruction == 0xAA or (instruction == 0x71 and self.ev2):
            return self._challenged(instruction, data)
        if instruction == 0xAF:
            return self._proven(data) if self._challenge else self._rest()
        if instruction == 0xBD and self._messaging is not None:
            return self._read(data)
        return b"", _ILLEGAL if instruction == 0x71 else _WRONG_KEY

    def _challenged(self, instruction: int, data: bytes) -> tuple[bytes, int]:
        assert data[0] == 1, "key 1 reads"
        number = secrets.token_bytes(16)
        self._challenge = instruction, number
        self._encrypted = _cbc(self.key, bytes(16)).encryptor().update(number)
        return self._encrypted, _MORE

    def _proven(self, data: bytes) -> tuple[bytes, int]:
        assert self._challenge is not None
        (instruction, ours), self._challenge = self._challenge, None
        iv = self._encrypted if instruction == 0xAA else bytes(16)
        plain = _cbc(self.key, iv).decryptor().update(data) if len(data) == 32 else bytes(32)
        theirs = plain[:16]
        if plain[16:] != ours[1:] + ours[:1]:
            return b"", _WRONG_KEY
        turned = theirs[1:] + theirs[:1]
        if instruction == 0xAA:
            self._messaging = _Ev1(theirs[:4] + ours[:4] + theirs[12:] + ours[12:])
            return _cbc(self.key, data[-16:]).encryptor().update(turned), _DONE
        transaction = secrets.token_bytes(4)
        self._messaging = _Ev2(self.key, theirs, ours, transaction)
        return _cbc(self.key, bytes(16)).encryptor().update(transaction + turned + bytes(12)), _DONE

    def _read(self, data: bytes) -> tuple[bytes, int]:
        assert self._messaging is not None
        if not self._messaging.takes(0xBD, data, 7, self.mode):
            return b"", 0x1E
        start, length = int.from_bytes(data[1:4], "little"), int.from_bytes(data[4:7], "little")
        self._waiting = self._messaging.seals(self.file[start : start + length], self.mode)
        return self._rest()

    def _rest(self) -> tuple[bytes, int]:
        part, self._waiting = self._waiting[: self.frame], self._waiting[self.frame :]
        return part, _MORE if self._waiting else _DONE


class _Ev1:
    def __init__(self, key: bytes) -> None:
        self._key, self._iv = key, bytes(16)

    def takes(self, instruction: int, data: bytes, header: int, mode: int) -> bool:
        del mode
        self._iv = _chained_cmac(self._key, self._iv, bytes((instruction,)) + data)
        return len(data) == header

    def seals(self, data: bytes, mode: int) -> bytes:
        if mode == FULL:
            crc = (zlib.crc32(data + b"\0") ^ 0xFFFFFFFF).to_bytes(4, "little")
            plain = data + crc
            plain += bytes(-len(plain) % 16)
            return _cbc(self._key, self._iv).encryptor().update(plain)
        self._iv = _chained_cmac(self._key, self._iv, data + b"\0")
        return data + self._iv[:8]


class _Ev2:
    def __init__(self, key: bytes, theirs: bytes, ours: bytes, transaction: bytes) -> None:
        mixed = bytes(a ^ b for a, b in zip(theirs[2:8], ours[:6], strict=True))
        vector = b"\x00\x01\x00\x80" + theirs[:2] + mixed + ours[6:] + theirs[8:]
        self._encryption, self._mac = cmac(key, b"\xa5\x5a" + vector), cmac(key, b"\x5a\xa5" + vector)
        self._transaction, self._count = transaction, 0

    def takes(self, instruction: int, data: bytes, header: int, mode: int) -> bool:
        wanted = b"" if mode == PLAIN else self._sign(bytes((instruction,)), data[:header])
        self._count += 1
        return data[header:] == wanted

    def seals(self, data: bytes, mode: int) -> bytes:
        if mode == FULL:
            seed = b"\x5a\xa5" + self._transaction + self._count.to_bytes(2, "little") + bytes(8)
            iv = Cipher(AES128(self._encryption), ECB()).encryptor().update(seed)
            plain = data + b"\x80" + bytes(-(len(data) + 1) % 16)
            data = _cbc(self._encryption, iv).encryptor().update(plain)
        return data if mode == PLAIN else data + self._sign(b"\0", data)

    def _sign(self, code: bytes, data: bytes) -> bytes:
        return cmac(self._mac, code + self._count.to_bytes(2, "little") + self._transaction + data)[1::2]


def cmac(key: bytes, data: bytes) -> bytes:
    """AES-CMAC by `cryptography`."""
    mac = CMAC(AES128(key))
    mac.update(data)
    return mac.finalize()


def _chained_cmac(key: bytes, iv: bytes, data: bytes) -> bytes:
    """CMAC with a starting value: for a message of whole blocks the value is added to the first one; for others the
    subkey is taken out of what CMAC makes of an empty message's block."""
    if len(data) >= 16:
        return cmac(key, bytes(a ^ b for a, b in zip(data[:16], iv, strict=True)) + data[16:])
    # One unfinished block: E(padded ^ K2 ^ iv). K2 = 4·E(0) in GF(2^128).
    value = int.from_bytes(Cipher(AES128(key), ECB()).encryptor().update(bytes(16)), "big")
    for _ in range(2):
        value = (value << 1) ^ (0x87 if value >> 127 else 0)
        value &= (1 << 128) - 1
    last = int.from_bytes(data + b"\x80" + bytes(15 - len(data)), "big") ^ value ^ int.from_bytes(iv, "big")
    return Cipher(AES128(key), ECB()).encryptor().update(last.to_bytes(16, "big"))


def _cbc(key: bytes, iv: bytes) -> Cipher[CBC]:
    return Cipher(AES128(key), CBC(iv))
