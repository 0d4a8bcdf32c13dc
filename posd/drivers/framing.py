"""Bytes of a serial line into reads. Pure: takes bytes and times, keeps no clock.

A read is closed by its suffix or by its length. What stands unfinished when the line falls silent is half a read and
becomes a flaw, never a shorter number; what comes soon after it is its rest and is skipped for the same reason. Only a
reader that is set up to send no suffix (``none``) is closed by the silence itself.

Nothing is taken out of the middle of a read: Linux delivers a byte that came damaged as NUL (termios(3), INPCK), and
XON and XOFF are one flipped bit away from ``1`` and ``3``. A read with one of them is a flaw.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from posd.cards.reads import RejectReason, flaw

LONGEST_READ = 4096
"""Bytes; a QR code holds at most 2953 (ISO/IEC 18004, version 40-L)."""
REST_NS = 500_000_000
"""What comes so soon after half a read is the rest of it: radio links pause, and nobody scans again so quickly."""

NO_SUFFIX = flaw(
    RejectReason.PARTIAL, "the line fell silent before the end of the read; a reader without suffix needs suffix = none"
)
NO_START = flaw(RejectReason.PARTIAL, "ETX came without STX: the beginning of the read is missing")
TOO_LONG = flaw(RejectReason.UNREADABLE, f"more than {LONGEST_READ} bytes without suffix; check suffix and baud rate")
DAMAGED = flaw(RejectReason.UNREADABLE, "a byte came damaged; check cable, baud rate, parity and flow control")
SSI_PACKET = flaw(RejectReason.UNREADABLE, "the scanner sends SSI packets; switch it to USB CDC or plain serial")
STRAY_BYTES = flaw(RejectReason.NOISE, "bytes without a character")

_STX, _ETX = b"\x02", b"\x03"
_DAMAGE = re.compile(rb"[\x00\x02\x03\x11\x13]")
"""NUL; STX and ETX, which stand at the ends only; XON and XOFF."""


class Suffix(StrEnum):
    """What ends a read."""

    CR_OR_LF = "cr-or-lf"
    CR = "cr"
    LF = "lf"
    CRLF = "crlf"
    TAB = "tab"
    STX_ETX = "stx-etx"
    LENGTH_1 = "length-1"
    """No suffix: a byte in front says how many follow."""
    LENGTH_2 = "length-2"
    """The same with two bytes, the higher first."""
    FIXED = "fixed"
    """No suffix: every read has the same length."""
    NONE = "none"
    """Nothing: silence closes a read. Stripe readers that send each track on a line of its own want this."""


_ENDS = {
    Suffix.CR_OR_LF: re.compile(rb"[\r\n]"),
    Suffix.CR: re.compile(rb"\r"),
    Suffix.LF: re.compile(rb"\n"),
    Suffix.CRLF: re.compile(rb"\r\n"),
    Suffix.TAB: re.compile(rb"\t"),
    Suffix.STX_ETX: re.compile(_ETX),
}
_LENGTH_BYTES = {Suffix.LENGTH_1: 1, Suffix.LENGTH_2: 2}

Cut = Callable[[bytes], tuple[bytes, bytes] | None]
"""The first whole read of a buffer and what stands behind it; None when there is none yet."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One read without suffix, STX and ETX; or, with a ``flaw``, the news that there was one which cannot be used."""

    data: bytes = field(default=b"", repr=False)
    flaw: str | None = None


class Framer:
    """Collects what a line delivers. ``silence_ns``: how long a line that is still sending may pause. ``fixed_length``:
    bytes of a read, for `Suffix.FIXED`. ``deaf_until_ns``: what begins before is skipped to its end. Raises ValueError
    for a length without `Suffix.FIXED`, and the other way round."""

    def __init__(self, suffix: Suffix, silence_ns: int, fixed_length: int = 0, deaf_until_ns: int = 0) -> None:
        if (suffix is Suffix.FIXED) != (0 < fixed_length <= LONGEST_READ):
            raise ValueError(f"suffix = 'fixed' and fixed_length = 1 to {LONGEST_READ} belong together")
        self._suffix, self._silence_ns = suffix, silence_ns
        self._cut = _cut_of(suffix, fixed_length)
        self._buffer = b""
        self._rest_until_ns = deaf_until_ns
        self._skipping = False
        self.deadline_ns: int | None = None
        """When `expire` has to be called; None while nothing is half read."""

    def feed(self, data: bytes, now_ns: int) -> list[Frame]:
        """The reads that ``data`` completes."""
        frames = self.expire(now_ns)
        self._skipping = self._skipping or now_ns < self._rest_until_ns
        self._buffer += data
        if self._skipping:
            self._skip()
        if not self._skipping:
            frames += self._whole_reads()
        if len(self._buffer) > LONGEST_READ:
            frames.append(Frame(flaw=TOO_LONG))
            self._skipping = True
            self._skip()
        self.deadline_ns = now_ns + self._silence_ns if self._buffer or self._skipping else None
        return frames

    def expire(self, now_ns: int) -> list[Frame]:
        """What the silence closes."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return []
        fell_silent_ns, self.deadline_ns = self.deadline_ns, None
        data, self._buffer = self._buffer, b""
        skipped, self._skipping = self._skipping, False
        if self._suffix is Suffix.NONE:
            return [] if skipped else _frames(data, self._suffix)
        frames = [] if skipped else _half_read(data, self._suffix)
        half = skipped or any(frame.flaw != STRAY_BYTES for frame in frames)
        if half and self._suffix is not Suffix.STX_ETX:  # without STX its rest is known anyway
            self._rest_until_ns = fell_silent_ns + REST_NS
        return frames

    def _whole_reads(self) -> list[Frame]:
        frames = []
        while (cut := self._cut(self._buffer)) is not None:
            data, self._buffer = cut
            frames += _frames(data, self._suffix)
        return frames

    def _skip(self) -> None:
        """Up to the next suffix; without one the silence ends it."""
        cut = self._cut(self._buffer) if self._suffix in _ENDS else None
        if cut is None:
            self._buffer = self._buffer[-1:]  # it may be the first half of a suffix
            return
        self._buffer, self._skipping, self._rest_until_ns = cut[1], False, 0


def _cut_of(suffix: Suffix, fixed_length: int) -> Cut:
    if end := _ENDS.get(suffix):
        return partial(_cut_at_end, end)
    if width := _LENGTH_BYTES.get(suffix):
        return partial(_cut_by_length, width)
    return partial(_cut_fixed, fixed_length) if suffix is Suffix.FIXED else lambda _: None


def _cut_at_end(end: re.Pattern[bytes], buffer: bytes) -> tuple[bytes, bytes] | None:
    match = end.search(buffer)
    return None if match is None else (buffer[: match.start()], buffer[match.end() :])


def _cut_by_length(width: int, buffer: bytes) -> tuple[bytes, bytes] | None:
    end = width + int.from_bytes(buffer[:width], "big")
    return (buffer[width:end], buffer[end:]) if len(buffer) >= end else None


def _cut_fixed(length: int, buffer: bytes) -> tuple[bytes, bytes] | None:
    return (buffer[:length], buffer[length:]) if len(buffer) >= length else None


def _frames(data: bytes, suffix: Suffix) -> list[Frame]:
    """One frame, or none where nothing stands between two suffixes."""
    bare = data.strip(b"\r\n")
    if suffix is Suffix.STX_ETX:
        _, start, bare = bare.rpartition(_STX)  # what stands before STX is noise
        if not start and bare:
            return [Frame(flaw=NO_START)]
    bare = bare.removeprefix(_STX).removesuffix(_ETX).strip(b"\r\n")
    if not bare:
        return []
    if _is_ssi(data):
        return [Frame(flaw=SSI_PACKET)]
    if not any(0x20 <= byte != 0x7F for byte in bare):
        return [Frame(flaw=STRAY_BYTES)]
    return [Frame(flaw=DAMAGED) if _DAMAGE.search(bare) else Frame(bare)]


def _half_read(data: bytes, suffix: Suffix) -> list[Frame]:
    if suffix in _LENGTH_BYTES:
        return [Frame(flaw=NO_SUFFIX)]
    return [Frame(flaw=frame.flaw or NO_SUFFIX) for frame in _frames(data, suffix)]


def _is_ssi(data: bytes) -> bool:
    """A Symbol decode-data packet: length without checksum, F3, from the decoder, ..., 16-bit two's complement sum."""
    if len(data) < 7 or data[0] != len(data) - 2 or data[1:3] != b"\xf3\x00":
        return False
    return (sum(data[:-2]) + int.from_bytes(data[-2:], "big")) & 0xFFFF == 0
