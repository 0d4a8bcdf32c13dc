"""The NDEF records in which Smart Tap packs everything: external records with names of three letters, nested. An NFC
Forum text record carries such a name as its id (Google's reference, "NDEF records").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import ndef

from posd.cards.ndef import EXTERNAL, TEXT, NdefError

BINARY = b"\x04"
"""Format of a primitive that is no text, its first byte."""
_TEXT_FORMATS = frozenset({0x00, 0x01, 0x02})
"""Unspecified, ASCII, UTF-8."""
_NO_TEXT = 0xFF


@dataclass(frozen=True, slots=True)
class Record:
    """``is_text``: an NFC Forum text record; any other is a nested message, a structure or a primitive."""

    name: str
    payload: bytes = field(repr=False)
    is_text: bool = False

    @property
    def text(self) -> str | None:
        """What a text record or a primitive says in ASCII or UTF-8; None where it says something else."""
        head = self.payload[0] if self.payload else _NO_TEXT
        # RTD Text 1.0 §3.2.1: bit 7 is UTF-16, the low six bits are the length of the language code.
        language = head & 0x3F if self.is_text else 0
        if head >= 0x80 or not (self.is_text or head in _TEXT_FORMATS):
            return None
        try:
            return self.payload[1 + language :].decode("utf-8")
        except UnicodeDecodeError:
            return None


def encode(*records: Record) -> bytes:
    """A message of external records."""
    return b"".join(ndef.message_encoder([ndef.Record(EXTERNAL + one.name, "", one.payload) for one in records]))


def parse(message: bytes) -> tuple[Record, ...]:
    """The records of a message. Raises `NdefError`, which quotes nothing."""
    try:
        return tuple(map(_record, ndef.message_decoder(message, "strict", {})))
    except (ndef.DecodeError, ValueError):
        raise NdefError("not a message of Smart Tap") from None


def named(records: Iterable[Record], name: str) -> bytes | None:
    """The payload of the first record with this name."""
    return next((record.payload for record in records if record.name == name), None)


def _record(record: ndef.Record) -> Record:
    external = record.type.startswith(EXTERNAL)
    name = record.type.removeprefix(EXTERNAL) if external else record.name
    return Record(str(name), bytes(record.data), record.type == TEXT)
