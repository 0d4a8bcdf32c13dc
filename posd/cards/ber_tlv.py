"""BER-TLV (ISO/IEC 7816-4 §5.2.2, ISO/IEC 8825-1), bounded: cards are not trusted to say how long anything is.

>>> [(hex(tag), value) for tag, value in parse(bytes.fromhex("C1 02 41 42 5F2D 01 7A"))]
[('0xc1', b'AB'), ('0x5f2d', b'z')]
"""

from __future__ import annotations

from collections.abc import Iterator

LONGEST = 4096
"""Bytes of a whole structure. FCIs have 100, loyalty files less than 512, NDEF messages at most 2048."""
DEEPEST = 8

Tlv = tuple[int, bytes]
"""Tag (its bytes as one number) and value."""


class TlvError(ValueError):
    """Not BER-TLV, or longer than it may be. The message says nothing of the data."""


def parse(data: bytes) -> list[Tlv]:
    """The data objects of one level, in order. Padding 00 and FF between them is skipped. Raises `TlvError`."""
    if len(data) > LONGEST:
        raise TlvError(f"more than {LONGEST} bytes")
    objects = []
    at = 0
    while at < len(data):
        if data[at] in (0x00, 0xFF):
            at += 1
            continue
        tag, at = _tag(data, at)
        length, at = _length(data, at)
        if at + length > len(data):
            raise TlvError("a value is shorter than its length says")
        objects.append((tag, data[at : at + length]))
        at += length
    return objects


def walk(data: bytes, depth: int = 0) -> Iterator[Tlv]:
    """All data objects, outer before inner. Raises `TlvError`, also for nesting deeper than `DEEPEST`."""
    if depth > DEEPEST:
        raise TlvError("nested too deep")
    for tag, value in parse(data):
        yield tag, value
        if is_constructed(tag):
            yield from walk(value, depth + 1)


def find(data: bytes, tag: int) -> bytes | None:
    """The value of the first object with this tag at any depth, or None."""
    return next((value for found, value in walk(data) if found == tag), None)


def is_constructed(tag: int) -> bool:
    """Bit 6 of the first tag byte: the value is TLV itself."""
    first = tag
    while first > 0xFF:
        first >>= 8
    return bool(first & 0x20)


def encode(tag: int, value: bytes) -> bytes:
    """One data object."""
    name = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    if len(value) < 0x80:
        return name + bytes((len(value),)) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return name + bytes((0x80 | len(size),)) + size + value


def total_length(head: bytes) -> int | None:
    """How long the object is that begins with ``head``, tag and length included; None if ``head`` does not say."""
    try:
        length, at = _length(head, _tag(head, 0)[1])
    except TlvError:
        return None
    return at + length


def _tag(data: bytes, at: int) -> tuple[int, int]:
    """One to three tag bytes: more are in use nowhere."""
    tag, end = _byte(data, at), at + 1
    if tag & 0x1F != 0x1F:
        return tag, end
    for _ in range(2):
        byte = _byte(data, end)
        tag, end = tag << 8 | byte, end + 1
        if not byte & 0x80:
            return tag, end
    raise TlvError("a tag of more than three bytes")


def _length(data: bytes, at: int) -> tuple[int, int]:
    first, at = _byte(data, at), at + 1
    if first < 0x80:
        return first, at
    if first not in (0x81, 0x82):
        raise TlvError("a length that is indefinite or longer than two bytes")
    size = first & 0x7F
    if at + size > len(data):
        raise TlvError("cut off inside a length")
    return int.from_bytes(data[at : at + size], "big"), at + size


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise TlvError("cut off inside a tag or length")
    return data[at]
