"""What the parsers of HID reports have in common. Pure: they take reports and times, keep no clock and open nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from posd.cards.reads import RejectReason, flaw

STRANGE_REPORT = flaw(RejectReason.UNREADABLE, "a report that does not follow its descriptor; check the reader's mode")


@dataclass(frozen=True, slots=True)
class ReportRead:
    """One read: its ``data`` as a keyboard wedge would type it, or a ``flaw`` and no data."""

    data: bytes = field(default=b"", repr=False)
    flaw: str | None = None


class ReportParser(Protocol):
    """Reports of one open device into reads. No report, whatever its bytes, makes it raise."""

    @property
    def deadline_ns(self) -> int | None:
        """When `expire` has to be called; None while nothing is half read."""
        ...

    def feed(self, report: bytes, now_ns: int) -> list[ReportRead]:
        """The reads that ``report`` completes."""
        ...

    def expire(self, now_ns: int) -> list[ReportRead]:
        """What the silence closes."""
        ...


class WholeReports:
    """For devices whose every report is a read by itself."""

    deadline_ns: int | None = None

    def __init__(self, parse: Callable[[bytes], ReportRead]) -> None:
        self._parse = parse

    def feed(self, report: bytes, now_ns: int) -> list[ReportRead]:
        return [self._parse(report)]

    def expire(self, now_ns: int) -> list[ReportRead]:
        return []
