"""Sealed personal data: only the club reads it, every change is seen, nothing of it is in the text."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.sync.sealing import PREFIX, SealError, new_seal_keys, seal, unseal

CLUB = new_seal_keys(bytes(range(32)))
OTHER = new_seal_keys(bytes(range(1, 33)))


@given(st.text(), st.binary(min_size=32, max_size=32))
def test_what_is_sealed_comes_back(plaintext: str, randomness: bytes) -> None:
    assert unseal(CLUB.private_key, seal(CLUB.public_key, plaintext, randomness)) == plaintext


def test_another_key_reads_nothing() -> None:
    sealed = seal(CLUB.public_key, "+989121234567", os.urandom(32))
    with pytest.raises(SealError, match="not sealed for this club"):
        unseal(OTHER.private_key, sealed)


@settings(max_examples=200)
@given(st.data())
def test_every_changed_bit_is_seen(data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(seal(CLUB.public_key, "سارا", bytes(32))[len(PREFIX) :]))
    # Bit 255 of an X25519 key is ignored on the curve (RFC 7748 §5), yet it is bound by the derivation's salt.
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealError):
        unseal(CLUB.private_key, PREFIX + base64.urlsafe_b64encode(raw).decode())


def test_the_same_text_never_looks_the_same_twice() -> None:
    assert seal(CLUB.public_key, "Sara", os.urandom(32)) != seal(CLUB.public_key, "Sara", os.urandom(32))


def test_key_agreement_and_cipher_are_the_published_ones() -> None:
    """RFC 7748 §6.1: Bob's private key and public key, so that our keys are anybody's X25519 keys."""
    bob = new_seal_keys(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    assert bob.public_key == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("plain text", "starts with"),
        (PREFIX + "%%%%", "not base64"),
        (PREFIX + "پپ", "not base64"),
        (PREFIX + base64.urlsafe_b64encode(bytes(40)).decode(), "too short"),
        (PREFIX + base64.urlsafe_b64encode(bytes(64)).decode(), "not a usable X25519 key"),
    ],
)
def test_damage_is_named(text: str, complaint: str) -> None:
    with pytest.raises(SealError, match=complaint):
        unseal(CLUB.private_key, text)


@pytest.mark.parametrize("key", ["", "zz", "00" * 31, "00" * 32])
def test_a_bad_public_key_is_refused_before_anything_is_written(key: str) -> None:
    with pytest.raises(SealError):
        seal(key, "secret", bytes(range(32)))


def test_the_private_key_is_not_in_a_repr() -> None:
    assert CLUB.private_key not in repr(CLUB)
