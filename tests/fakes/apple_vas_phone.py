"""A phone with Apple Wallet: the phone's side of VAS 1.0, from public descriptions. X9.63-KDF and Galois/counter mode
are written by hand here; it knows nothing of posd's code.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

from tests.fakes.smart_tap_phone import OSE, PAYMENT_FCI, PPSE
from tests.fakes.watched_card import NOT_FOUND, OK, UNKNOWN, WatchedCard

NO_PASS, LOCKED = b"\x6a\x83", b"\x62\x87"
EPOCH = 978_307_200
LABEL = b"ApplePay encrypted VAS data"
FCI = bytes.fromhex("6F1D50084170706C655061799F210201009F2404C05D48D09F23040000001E")


@dataclass
class Pass:
    """A pass with NFC: its message, and the shop's public key to which it is encrypted."""

    message: bytes
    key: ec.EllipticCurvePublicKey


class AppleVasPhone(WatchedCard):
    """``passes``: pass type id → pass. ``unix_seconds``: its clock. ``long_info``: the pass type takes part in the key
    derivation; else it is additional data of the encryption. Answers the payment directory too."""

    atr = bytes.fromhex("3B80800101")

    def __init__(
        self, passes: dict[str, Pass], unix_seconds: int, *, long_info: bool = True, locked: bool = False
    ) -> None:
        super().__init__()
        self.passes = {hashlib.sha256(name.encode()).digest(): one for name, one in passes.items()}
        self.unix_seconds, self.long_info, self.locked = unix_seconds, long_info, locked
        self.modes: list[int] = []
        self._selected = False

    def answer(self, command: bytes) -> bytes:
        data = command[5 : 5 + command[4]] if len(command) > 5 else b""
        if command[:2] == b"\x00\xa4":
            self._selected = data == OSE
            return {OSE: FCI + OK, PPSE: PAYMENT_FCI + OK}.get(data, NOT_FOUND)
        if command[:4] == b"\x80\xca\x01\x01" and self._selected:
            return self._get_data(data)
        return b"\x08" + secrets.token_bytes(3) + OK if command[:2] == b"\xff\xca" else UNKNOWN

    def _get_data(self, data: bytes) -> bytes:
        assert data[:5] == bytes.fromhex("9F22020100") and data[5:8] == bytes.fromhex("9F2520")
        pass_type = data[8:40]
        assert data[40:46] == bytes.fromhex("9F2604008000")
        self.modes.append(data[46])
        if pass_type not in self.passes:
            return NO_PASS
        if self.locked:
            return LOCKED
        cryptogram = seal(self.passes[pass_type], pass_type, self.unix_seconds, long_info=self.long_info)
        inner = b"\x9f\x2a\x00\x9f\x27" + bytes((len(cryptogram),)) + cryptogram
        return b"\x70" + bytes((len(inner),)) + inner + OK


def seal(
    one: Pass,
    pass_type: bytes,
    unix_seconds: int,
    *,
    long_info: bool = True,
    own: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Key id, the phone's X, and time and message encrypted. ``own``: the phone's key, which it makes for one tap."""
    own = own or ec.generate_private_key(ec.SECP256R1())
    secret = own.exchange(ec.ECDH(), one.key)
    info = b"\x0d" + b"id-aes256-GCM" + LABEL + pass_type if long_info else LABEL
    derived = x963_kdf(secret, info)
    plain = (unix_seconds - EPOCH).to_bytes(4, "big") + one.message
    sealed = galois_counter_mode(derived, bytes(16), plain, b"" if long_info else pass_type)
    return hashlib.sha256(x_of(one.key)).digest()[:4] + x_of(own.public_key()) + sealed


def x_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_numbers().x.to_bytes(32, "big")


def x963_kdf(secret: bytes, info: bytes) -> bytes:
    """ANSI X9.63 §5.6.3 (SEC 1 §3.6.1), one block of SHA-256: 32 bytes."""
    return hashlib.sha256(secret + b"\0\0\0\1" + info).digest()


def galois_counter_mode(key: bytes, iv: bytes, plain: bytes, also: bytes) -> bytes:
    """NIST SP 800-38D §7.1 for an IV that is not 12 bytes long: ciphertext and tag."""
    encryptor = Cipher(AES256(key), ECB()).encryptor()
    h = int.from_bytes(encryptor.update(bytes(16)), "big")
    start = _ghash(h, _padded(iv) + bytes(8) + _bits(iv))
    blocks = range(1, -(-len(plain) // 16) + 1)
    head, counter = start[:12], int.from_bytes(start[12:], "big")
    stream = b"".join(encryptor.update(head + ((counter + n) % 2**32).to_bytes(4, "big")) for n in blocks)
    sealed = bytes(a ^ b for a, b in zip(plain, stream, strict=False))
    digest = _ghash(h, _padded(also) + _padded(sealed) + _bits(also) + _bits(sealed))
    return sealed + bytes(a ^ b for a, b in zip(digest, encryptor.update(start), strict=True))


def _ghash(h: int, data: bytes) -> bytes:
    y = 0
    for at in range(0, len(data), 16):
        y = _times(y ^ int.from_bytes(data[at : at + 16], "big"), h)
    return y.to_bytes(16, "big")


def _times(x: int, y: int) -> int:
    """In GF(2^128), bits counted from the left (§6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def _bits(data: bytes) -> bytes:
    return (8 * len(data)).to_bytes(8, "big")
