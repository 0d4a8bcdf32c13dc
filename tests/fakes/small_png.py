"""A browser's screenshot as a PNG with a palette: a third of the size, which is what a repository should carry.
PNG (ISO/IEC 15948) with 8 bits a channel and without interlacing, as Chromium writes it."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}
COLOURS = 256


def small_png(png: bytes) -> bytes:
    """The same picture in its 256 most common colours; the others become the nearest of these."""
    width, height, channels, rows = _rows(png)
    pixels = [row[at : at + 3] for row in rows for at in range(0, width * channels, channels)]
    palette = [colour for colour, _ in Counter(pixels).most_common(COLOURS)]
    index = _nearest(palette, set(pixels))
    lines = (bytes([0, *(index[p] for p in pixels[y * width : (y + 1) * width])]) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(b"".join(lines), 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in parts)


def _nearest(palette: list[bytes], colours: set[bytes]) -> dict[bytes, int]:
    def distance(one: bytes, other: bytes) -> int:
        return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))

    def nearest(colour: bytes) -> int:
        return min(range(len(palette)), key=lambda n: distance(palette[n], colour))

    known = {colour: n for n, colour in enumerate(palette)}
    return known | {colour: nearest(colour) for colour in colours if colour not in known}


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _rows(png: bytes) -> tuple[int, int, int, list[bytes]]:
    """Width, height, channels and the rows with their filters undone (§9.2)."""
    found = list(_chunks(png))
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", dict(found)[b"IHDR"])
    assert (depth, interlaced) == (8, 0)
    channels = CHANNELS[colour]
    raw = zlib.decompress(b"".join(body for kind, body in found if kind == b"IDAT"))
    stride, rows, above = width * channels, [], bytearray(width * channels)
    for y in range(height):
        start = y * (stride + 1)
        above = _unfilter(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, channels)
        rows.append(bytes(above))
    return width, height, channels, rows


def _unfilter(kind: int, line: bytearray, above: bytearray, channels: int) -> bytearray:
    if kind == 0:
        return line
    if kind == 2:
        return bytearray((byte + up) & 255 for byte, up in zip(line, above, strict=True))
    guess = {1: lambda left, up, corner: left, 3: lambda left, up, corner: (left + up) // 2, 4: _paeth}[kind]
    for i, byte in enumerate(line):
        left, corner = (line[i - channels], above[i - channels]) if i >= channels else (0, 0)
        line[i] = (byte + guess(left, above[i], corner)) & 255
    return line


def _paeth(left: int, up: int, corner: int) -> int:
    from_left, from_up, from_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if from_left <= from_up and from_left <= from_corner:
        return left
    return up if from_up <= from_corner else corner
