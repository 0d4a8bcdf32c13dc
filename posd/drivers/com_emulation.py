"""Zebra (Symbol) scanners in "simple COM port emulation" mode: a stream of characters in HID reports of 64 bytes, the
first of which says how many characters follow. Reads are framed as on a serial line, because a long one spans reports.

Source: Linux, drivers/usb/serial/symbolserial.c, and what users recorded of 05e0:0600.
"""

from __future__ import annotations

from posd.cards.hid_reads import STRANGE_REPORT, ReportRead
from posd.drivers.framing import Frame, Framer

REPORT_LENGTH = 64


class ComEmulation:
    """A `posd.cards.hid_reads.ReportParser`."""

    def __init__(self, framer: Framer) -> None:
        self._framer = framer

    @property
    def deadline_ns(self) -> int | None:
        return self._framer.deadline_ns

    def feed(self, report: bytes, now_ns: int) -> list[ReportRead]:
        if len(report) != REPORT_LENGTH or report[0] >= REPORT_LENGTH:
            return [ReportRead(flaw=STRANGE_REPORT)]
        return _reads(self._framer.feed(report[1 : 1 + report[0]], now_ns))

    def expire(self, now_ns: int) -> list[ReportRead]:
        return _reads(self._framer.expire(now_ns))


def _reads(frames: list[Frame]) -> list[ReportRead]:
    return [ReportRead(frame.data, frame.flaw) for frame in frames]
