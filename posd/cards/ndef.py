"""NDEF messages of Type 2 and Type 4 tags: where they lie, and the text of their records. Decoding is ndeflib's.

URIs are data: nothing here or anywhere in posd fetches one because a card said so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import ndef

LONGEST_MESSAGE = 2048
"""Bytes. A loyalty tag needs 50; what claims more is refused before it is read."""

TEXT, URI = "urn:nfc:wkt:T", "urn:nfc:wkt:U"
EXTERNAL = "urn:nfc:ext:"
"""Prefix of an external record's type; the rest is ``domain:name``."""

_KNOWN = {TEXT: ndef.TextRecord, URI: ndef.UriRecord}
_NULL, _MESSAGE, _TERMINATOR = 0x00, 0x03, 0xFE


class NdefError(ValueError):
    """Not an NDEF message, or one that is too long. The message says nothing of the content."""


@dataclass(frozen=True, slots=True)
class NdefRecord:
    """``type`` as ndeflib names it. ``text``: the text, the URI, or the payload of an external or ``text/plain``
    record; None where the payload is not text."""

    type: str
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a message lies in the data area of a Type 2 tag. Not ``found``: either the area ends before the message
    begins (``end`` > length of the area: read on), or there is none."""

    found: bool
    start: int
    end: int


def parse_message(message: bytes) -> tuple[NdefRecord, ...]:
    """The records of a message, strictly. Raises `NdefError`."""
    if len(message) > LONGEST_MESSAGE:
        raise NdefError(f"an NDEF message of more than {LONGEST_MESSAGE} bytes")
    try:
        return tuple(
            NdefRecord(record.type, _text(record)) for record in ndef.message_decoder(message, "strict", _KNOWN)
        )
    except (ndef.DecodeError, ValueError):
        raise NdefError("not an NDEF message") from None  # ndeflib quotes the payload in its errors


def encode_message(records: Iterable[NdefRecord]) -> bytes:
    """The message of these records, as a simulated tag carries it."""
    return b"".join(ndef.message_encoder([_record(record) for record in records]))


def locate_message(area: bytes) -> Extent:
    """Find the NDEF message TLV (NFC Forum Type 2 Tag 2.3) in what was read of the data area, from page 4 on."""
    at = 0
    while at < len(area) and area[at] != _TERMINATOR:
        if area[at] == _NULL:
            at += 1
            continue
        start, length = _length(area, at + 1)
        if start > len(area) or area[at] == _MESSAGE:
            return Extent(start <= len(area), start, start + length)
        at = start + length
    ended = at < len(area)
    return Extent(found=False, start=at, end=at if ended else at + 1)


def type_2_area(message: bytes) -> bytes:
    """The data area of a Type 2 tag that carries ``message``, as a simulated tag has it."""
    size = bytes((len(message),)) if len(message) < 0xFF else b"\xff" + len(message).to_bytes(2, "big")
    return bytes((_MESSAGE,)) + size + message + bytes((_TERMINATOR,))


def _length(area: bytes, at: int) -> tuple[int, int]:
    """Where the value starts and how long it is; a start beyond the area means that the length is not read yet."""
    if area[at : at + 1] != b"\xff":
        return at + 1, area[at] if at < len(area) else 0
    return at + 3, int.from_bytes(area[at + 1 : at + 3], "big") if at + 3 <= len(area) else 0


def _text(record: ndef.Record) -> str | None:
    if isinstance(record, ndef.TextRecord):
        return str(record.text)
    if isinstance(record, ndef.UriRecord):
        return str(record.iri)
    if not record.type.startswith((EXTERNAL, "text/plain")):
        return None
    try:
        return bytes(record.data).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _record(record: NdefRecord) -> ndef.Record:
    text = record.text or ""
    if record.type in _KNOWN:
        return _KNOWN[record.type](text)
    return ndef.Record(record.type, "", text.encode())
