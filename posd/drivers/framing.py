"""Bytes of a serial line into reads. Pure: takes bytes and times, keeps no clock.

A read is closed by its suffix. What stands without one when the line falls silent is half a read and becomes a flaw,
never a shorter number; only a reader that is set up to send no suffix (``none``) is closed by the silence itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from posd.cards.reads import RejectReason, flaw

LONGEST_READ = 4096
"""Bytes; a QR code holds at most 2953 (ISO/IEC 18004, version 40-L)."""

NO_SUFFIX = flaw(
    RejectReason.PARTIAL, "the line fell silent without suffix; a reader that sends none needs suffix = none"
)
TOO_LONG = flaw(RejectReason.UNREADABLE, f"more than {LONGEST_READ} bytes without suffix; check suffix and baud rate")
STRAY_BYTES = flaw(RejectReason.NOISE, "bytes without a character")

_STX, _ETX = b"\x02", b"\x03"


class Suffix(StrEnum):
    """What the reader sends behind each read."""

    CR_OR_LF = "cr-or-lf"
    CRLF = "crlf"
    TAB = "tab"
    STX_ETX = "stx-etx"
    NONE = "none"
    """Nothing: silence closes a read. Stripe readers that send each track on a line of its own want this."""


_ENDS = {
    Suffix.CR_OR_LF: re.compile(rb"[\r\n]"),
    Suffix.CRLF: re.compile(rb"\r\n"),
    Suffix.TAB: re.compile(rb"\t"),
    Suffix.STX_ETX: re.compile(_ETX),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One read without suffix, STX and ETX; or, with a ``flaw``, the news that there was one which cannot be used."""

    data: bytes = field(default=b"", repr=False)
    flaw: str | None = None


class Framer:
    """Collects what a line delivers. ``silence_ns``: how long a line that is still sending may pause."""

    def __init__(self, suffix: Suffix, silence_ns: int) -> None:
        self._end = _ENDS.get(suffix)
        self._silence_ns = silence_ns
        self._buffer = b""
        self._overrun = False
        self.deadline_ns: int | None = None
        """When `expire` has to be called; None while nothing is half read."""

    def feed(self, data: bytes, now_ns: int) -> list[Frame]:
        """The reads that ``data`` completes."""
        frames = self.expire(now_ns)
        self._buffer += data
        frames += self._split()
        if len(self._buffer) > LONGEST_READ:
            self._buffer, self._overrun = b"", True
        self.deadline_ns = now_ns + self._silence_ns if self._buffer or self._overrun else None
        return frames

    def expire(self, now_ns: int) -> list[Frame]:
        """What the silence closes."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return []
        data, self._buffer, self.deadline_ns = self._buffer, b"", None
        if self._end is None:
            return self._close(data)
        return self._close(data, spoilt=NO_SUFFIX)

    def _split(self) -> list[Frame]:
        if self._end is None:
            return []
        *whole, self._buffer = self._end.split(self._buffer)
        return [frame for data in whole for frame in self._close(data)]

    def _close(self, data: bytes, spoilt: str | None = None) -> list[Frame]:
        overrun, self._overrun = self._overrun, False
        if overrun:
            return [Frame(flaw=TOO_LONG)]
        bare = data.rpartition(_STX)[2].rstrip(_ETX).strip(b"\r\n")
        if not bare:
            return []
        if not any(0x20 <= byte != 0x7F for byte in bare):
            return [Frame(flaw=STRAY_BYTES)]
        return [Frame(flaw=spoilt)] if spoilt else [Frame(bare)]
