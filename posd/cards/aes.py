"""AES-128 as NXP's chips use it: CBC, CMAC (NIST SP 800-38B), the shortened MAC, and keys diversified for one card.

>>> master = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
>>> diversified_key(master, bytes.fromhex("04782E21801D80" "3042F5" "4E585020416275")).hex()
'a8dd63a3b89d54b37ca802473fda9175'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC

BLOCK = 16
ZERO_IV = bytes(BLOCK)
SHORTEST_DIVERSIFICATION, LONGEST_DIVERSIFICATION = 16, 31


def encrypt(key: bytes, data: bytes, iv: bytes = ZERO_IV) -> bytes:
    """AES-128-CBC of whole blocks."""
    encryptor = _cipher(key, iv).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def decrypt(key: bytes, data: bytes, iv: bytes = ZERO_IV) -> bytes:
    """Inverse of `encrypt`. Raises ValueError for data that is no whole blocks."""
    decryptor = _cipher(key, iv).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def cmac(key: bytes, data: bytes, iv: bytes = ZERO_IV) -> bytes:
    """AES-CMAC. DESFire's older messaging chains it: ``iv`` is then the last block of the message before."""
    whole = bool(data) and len(data) % BLOCK == 0
    subkey = _doubled(encrypt(key, bytes(BLOCK)))
    if not whole:
        data, subkey = padded(data), _doubled(subkey)
    return encrypt(key, data[:-BLOCK] + xor(data[-BLOCK:], subkey), iv)[-BLOCK:]


def short_mac(key: bytes, data: bytes) -> bytes:
    """Every second byte of the CMAC: the 8 bytes that EV2 messaging and SDM send (AN12196 §3.3)."""
    return cmac(key, data)[1::2]


def diversified_key(master: bytes, data: bytes) -> bytes:
    """The key of one card (AN10922 §2.2). ``data``: UID, application and system identifier, 16 to 31 bytes; the
    document's own padding of shorter ones differs from CMAC's. Raises ValueError."""
    if not SHORTEST_DIVERSIFICATION <= len(data) <= LONGEST_DIVERSIFICATION:
        raise ValueError("a key is diversified by 16 to 31 bytes")
    return cmac(master, b"\x01" + data)


def padded(data: bytes) -> bytes:
    """ISO/IEC 9797-1 method 2: 80, then zeros to the end of the block."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _doubled(block: bytes) -> bytes:
    """Multiplied by x in GF(2^128)."""
    value = int.from_bytes(block, "big") << 1
    if value >> 128:
        value = value & ((1 << 128) - 1) ^ 0x87
    return value.to_bytes(BLOCK, "big")


def _cipher(key: bytes, iv: bytes) -> Cipher[CBC]:
    # Few shops have chips with keys, and the library takes 8 MB.
    from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.algorithms import AES128  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.modes import CBC  # noqa: PLC0415

    return Cipher(AES128(key), CBC(iv))
