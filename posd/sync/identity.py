"""Who a till and a club are: Ed25519 keys (RFC 8032), what is signed with them besides requests, and the four words by
which two people see that till and club know each other's true keys. Pure.

A key is 32 bytes, as hex; a public key is its own name (``keyid``). What is signed begins with a line that no HTTP
signature base begins with, so a signature of one kind never passes as another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from posd.ledger.entries import Head
from posd.sync.words import WORDS

SEED_LENGTH = 32
CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Of invitation codes. No vowels, so that no word appears by chance, and nothing that is mistaken for a digit
(RFC 8628 §6.1)."""
_STRETCH_N, _STRETCH_R = 1 << 14, 8
"""scrypt (RFC 7914), 16 MiB and some 40 ms: see `four_words`."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; only its public half ever shows. Raises ValueError for a seed that is not 32 bytes."""

    public: str
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, seed: bytes) -> SigningKey:
        """The key that 32 random bytes make."""
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(private.public_key().public_bytes_raw().hex(), private)

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(message)


def is_signed_by(public: str, signature: bytes, message: bytes) -> bool:
    """Whether the holder of the key signed exactly this; False for what is no key or no signature too."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True


def code_letters(code: str) -> str:
    """An invitation as it is compared: case, spaces and hyphens do not matter."""
    return "".join(letter for letter in code.upper() if letter in CODE_ALPHABET)


def four_words(club_key: str, till_key: str, till_id: str, code: str) -> tuple[str, ...]:
    """What both screens show after joining. Somebody in between has keys of his own, so each screen shows other words.

    Four words of 256 are 32 bits. He must fix the key that he shows the club before the club draws ``till_id``, so he
    cannot prepare; afterwards he has the seconds of one attempt to find a second key by trial, and each trial costs one
    scrypt: 2³² of them are some five years on one processor.
    """
    said = "\n".join(("posd joining 1", club_key, till_key, till_id, code_letters(code)))
    digest = hashlib.scrypt(said.encode(), salt=b"posd four words", n=_STRETCH_N, r=_STRETCH_R, p=1, dklen=4)
    return tuple(WORDS[byte] for byte in digest)


def key_change(till_id: str, old: str, new: str) -> bytes:
    """What the new key signs when it takes the old one's place."""
    return f"posd new till key 1\n{till_id}\n{old}\n{new}".encode()


def vouches(public: str, signature: str, till_id: str, head: Head) -> bool:
    """Whether the till with this key vouches for its journal up to ``head``. Key and signature are hex."""
    try:
        raw = bytes.fromhex(signature)
    except ValueError:
        return False
    return is_signed_by(public, raw, journal_head(till_id, head))


def journal_head(till_id: str, head: Head) -> bytes:
    """What a till signs to vouch for its journal up to ``head``; the chain vouches for everything before."""
    return f"posd journal 1\n{till_id}\n{head.epoch}\n{head.seq}\n{head.hash.hex()}".encode()
