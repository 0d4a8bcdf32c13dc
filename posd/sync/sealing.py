"""Sealed text: what a till writes for the club's eyes only (phone and name in an enrol entry). Pure.

An anonymous box in the shape of HPKE's base mode (RFC 9180 §5.1.1), from the parts of `cryptography`: an ephemeral
X25519 key (RFC 7748), HKDF-SHA256 (RFC 5869) over the shared secret and both public keys, AES-256-GCM. The form is
``posd-seal-1.`` and base64url of ephemeral public key (32) ‖ ciphertext ‖ tag (16). Each message has a key of its own,
so key and nonce both come from the derivation and no nonce can repeat.

Randomness is an argument: 32 fresh bytes of ``os.urandom`` for each call, never used twice.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX = "posd-seal-1."
_INFO = b"posd seal 1"
_KEY_LENGTH, _NONCE_LENGTH, _TAG_LENGTH = 32, 12, 16


class SealError(ValueError):
    """The text was not sealed for this key, or was changed on its way, or the key is not one."""


@dataclass(frozen=True, slots=True)
class SealKeys:
    """The club's pair, as hex. Tills get ``public_key`` only; ``private_key`` never shows in a repr."""

    public_key: str
    private_key: str = field(repr=False)


def new_seal_keys(randomness: bytes) -> SealKeys:
    """A new pair from 32 random bytes."""
    private = _private(randomness)
    return SealKeys(private.public_key().public_bytes_raw().hex(), private.private_bytes_raw().hex())


def seal(public_key_hex: str, plaintext: str, randomness: bytes) -> str:
    """``plaintext`` so that only the holder of the private key reads it. Raises SealError for a bad key."""
    ephemeral = _private(randomness)
    ours, theirs = ephemeral.public_key().public_bytes_raw(), _key_bytes(public_key_hex)
    key, nonce = _derive(ephemeral, theirs, ours + theirs)
    box = AESGCM(key).encrypt(nonce, plaintext.encode(), PREFIX.encode())
    return PREFIX + base64.urlsafe_b64encode(ours + box).decode()


def unseal(private_key_hex: str, text: str) -> str:
    """The plaintext of `seal`. Raises SealError."""
    private = _private(_key_bytes(private_key_hex))
    raw = _unwrap(text)
    ephemeral, box = raw[:_KEY_LENGTH], raw[_KEY_LENGTH:]
    key, nonce = _derive(private, ephemeral, ephemeral + private.public_key().public_bytes_raw())
    try:
        return AESGCM(key).decrypt(nonce, box, PREFIX.encode()).decode()
    except (InvalidTag, UnicodeDecodeError):
        raise SealError("this was not sealed for this club, or was changed on its way") from None


def _derive(private: X25519PrivateKey, public: bytes, context: bytes) -> tuple[bytes, bytes]:
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise SealError("the key is not a usable X25519 key") from None
    length = _KEY_LENGTH + _NONCE_LENGTH
    material = HKDF(algorithm=SHA256(), length=length, salt=context, info=_INFO).derive(shared)
    return material[:_KEY_LENGTH], material[_KEY_LENGTH:]


def _private(raw: bytes) -> X25519PrivateKey:
    if len(raw) != _KEY_LENGTH:
        raise SealError(f"an X25519 key is {_KEY_LENGTH} bytes")
    return X25519PrivateKey.from_private_bytes(raw)


def _key_bytes(key_hex: str) -> bytes:
    try:
        raw = bytes.fromhex(key_hex)
    except ValueError:
        raise SealError("a seal key is hexadecimal") from None
    if len(raw) != _KEY_LENGTH:
        raise SealError(f"an X25519 key is {_KEY_LENGTH} bytes")
    return raw


def _unwrap(text: str) -> bytes:
    if not text.startswith(PREFIX):
        raise SealError(f"sealed text starts with {PREFIX!r}; a newer posd may have written this")
    try:
        raw = base64.b64decode(text[len(PREFIX) :], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SealError("sealed text is damaged: not base64") from None
    if len(raw) < _KEY_LENGTH + _TAG_LENGTH:
        raise SealError("sealed text is damaged: too short")
    return raw
