"""What a card script found on a chip, and its form inside `posd.events.RawRead.payload`: BER-TLV with private tags.

====== ==========================================================
``C0`` ATR
``C1`` UID
``C2`` refusal as `posd.cards.reads.flaw` writes it, nothing else is kept
``E3`` one content: ``C4`` its name, ``C5`` its bytes
====== ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from posd.cards import ber_tlv
from posd.cards.reads import RejectReason, flaw

LOYALTY, NDEF, SUN, DESFIRE = "loyalty", "ndef", "sun", "desfire"
"""Names of contents: the loyalty file; the NDEF message; the UID of an NTAG 424 DNA that proved itself; the member
number of a DESFire card that proved itself, as text."""
SMART_TAP, APPLE_VAS = "smart_tap", "apple_vas"
"""The value of a pass in a phone, as text: Google's ``smartTapRedemptionValue``, Apple's ``nfc.message``."""

_ATR, _UID, _REFUSAL, _CONTENT, _NAME, _BYTES = 0xC0, 0xC1, 0xC2, 0xE3, 0xC4, 0xC5


@dataclass(frozen=True, slots=True)
class ChipContents:
    """``refusal`` is set when the card must not be read (a payment card) or is not genuine; then nothing else is but
    ``detail``, one line for the technician without anything of the card."""

    atr: bytes = b""
    uid: bytes | None = field(default=None, repr=False)
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    refusal: RejectReason | None = None
    detail: str = ""


def encode_chip(chip: ChipContents) -> bytes:
    """The payload of a chip read."""
    if chip.refusal is not None:
        return ber_tlv.encode(_REFUSAL, flaw(chip.refusal, chip.detail).encode())
    parts = [ber_tlv.encode(_ATR, chip.atr)]
    if chip.uid is not None:
        parts.append(ber_tlv.encode(_UID, chip.uid))
    for name, data in chip.contents.items():
        inner = ber_tlv.encode(_NAME, name.encode()) + ber_tlv.encode(_BYTES, data)
        parts.append(ber_tlv.encode(_CONTENT, inner))
    return b"".join(parts)


def decode_chip(payload: bytes) -> ChipContents:
    """Inverse of `encode_chip`. Raises ValueError for anything that it did not write."""
    objects = ber_tlv.parse(payload)
    fields = dict(objects)
    if not fields or fields.keys() - {_ATR, _UID, _REFUSAL, _CONTENT}:
        raise ValueError("not the payload of a chip read")
    if _REFUSAL in fields:
        word, _, detail = fields[_REFUSAL].decode().partition(": ")
        return ChipContents(refusal=RejectReason(word), detail=detail)
    contents = dict(_content(value) for tag, value in objects if tag == _CONTENT)
    return ChipContents(fields.get(_ATR, b""), fields.get(_UID), contents)


def _content(value: bytes) -> tuple[str, bytes]:
    parts = dict(ber_tlv.parse(value))
    if parts.keys() != {_NAME, _BYTES}:
        raise ValueError("a content needs a name and its bytes")
    return parts[_NAME].decode(), parts[_BYTES]
