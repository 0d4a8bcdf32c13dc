"""Bar code scanners in USB HID point-of-sale mode (usage page 8C; HID Point of Sale Usage Tables 1.02).

A scan comes in one report or in several. Where things stand in them is read from the report descriptor; where a maker
leaves the usages out, one of two arrangements of 64 bytes is meant:

=======  =====================================  ==================================
byte     most makers                            Newland, ID TECH
=======  =====================================  ==================================
0        report id 2                            report id 2
1        length of the data                     length of the data
2 to 4   AIM identifier, such as ``]E0``        data up to byte 57
5 to 60  data
61       the maker's code id                    reserved; code id in byte 62
63       bit 0: the scan goes on                bit 0: the scan goes on
=======  =====================================  ==================================

Some scanners put a byte in front of the AIM identifier. Sources: Access-IS LSR118 manual, page 68; QUIO QU-R-302
manual, page 79; Honeywell's table of code ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from posd.cards.hid_layout import HidDescriptor, HidReport, ReportKind
from posd.cards.hid_reads import STRANGE_REPORT, ReportRead
from posd.cards.reads import RejectReason, flaw
from posd.cards.symbologies import HOST_COMMAND

SCANNER_PAGE = 0x8C
LONGEST_SCAN = 4096
"""Bytes; a QR code holds at most 2953 (ISO/IEC 18004, version 40-L)."""
PART_GAP_NS = 500_000_000
"""So long the next part of a scan may take. Scanners need 1 to 10 ms."""

_USUAL_LENGTH = 64
_AIM_1, _AIM_2, _AIM_3, _DATA, _CONTINUED = (SCANNER_PAGE << 16 | usage for usage in range(0xFB, 0x100))
_BYTE_COUNT = 0x0001_003B
_AIM = re.compile(rb"\][A-Za-z][0-9A-Za-z]")

_HONEYWELL, _YOUJIE, _NEWLAND, _ID_TECH = 0x0C2E, 0x23D0, 0x1EAB, 0x0ACD
_WITHOUT_AIM = {_NEWLAND, _ID_TECH}
_HONEYWELL_CODES = {
    "D": "]E4", "E": "]E0", "c": "]E0", "d": "]E0", "I": "]C1", "|": "]C1", "j": "]C0", "a": "]F0", "b": "]A0",
    "e": "]I0", "f": "]S0", "g": "]M0", "h": "]H0", "i": "]G0", "r": "]L0", "s": "]Q1", "w": "]d1", "y": "]e0",
    "z": "]z0", "{": "]e0", "}": "]e0",
}  # fmt: skip
_CODES = {_HONEYWELL: _HONEYWELL_CODES, _YOUJIE: _HONEYWELL_CODES}
"""Vendor → code id → AIM identifier. Other makers' code ids are not published, so they say nothing."""
_SWITCH_ON = bytes((254, 1))

BROKEN_SCAN = flaw(RejectReason.PARTIAL, "the rest of a scan did not come; scan again")
TOO_LONG = flaw(RejectReason.UNREADABLE, "more data than a bar code holds")
EMPTY = flaw(RejectReason.NOISE, "a report without data")


@dataclass(frozen=True, slots=True)
class ScannerLayout:
    """Where a scan stands in a report of ``length`` bytes. ``count``: the byte that tells the length of the data.
    ``aim``: the first of three bytes. ``continued``: a bit. ``code``: the byte with the maker's code id. None where
    there is no such thing; data without count ends before its last zeros."""

    report_id: int
    length: int
    data: slice
    count: int | None
    aim: int | None
    continued: int | None
    code: int | None
    vendor: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one report says."""

    prefix: bytes
    data: bytes
    continued: bool


def scanner_layout(report: HidReport, vendor: int) -> ScannerLayout | None:
    """None if the report carries no scan."""
    data = _span(report, _DATA) or _usual_data(report, vendor)
    if data is None:
        return None
    count = _span(report, _BYTE_COUNT)
    if count is None and report.report_id and data.start in (2, 5):
        count = slice(1, 2)
    flag = report.find(_CONTINUED)
    continued = flag.offset if flag else 8 * report.length - 8 if data.stop < report.length else None
    return ScannerLayout(
        report_id=report.report_id,
        length=report.length,
        data=data,
        count=count.start if count else None,
        aim=_aim_at(report, data, count),
        continued=continued,
        code=data.stop if data.stop < report.length and vendor in _CODES else None,
        vendor=vendor,
    )


def switch_on(descriptor: HidDescriptor, vendor: int) -> bytes:
    """The feature report that a scanner of Honeywell or Youjie waits for before it sends scans; empty where there is
    none."""
    waits = vendor in (_HONEYWELL, _YOUJIE) and any(
        (report.kind, report.report_id, report.length) == (ReportKind.FEATURE, _SWITCH_ON[0], len(_SWITCH_ON))
        for report in descriptor.reports
    )
    return _SWITCH_ON if waits else b""


def _usual_data(report: HidReport, vendor: int) -> slice | None:
    if report.length != _USUAL_LENGTH or not report.report_id:
        return None
    return slice(2, 58) if vendor in _WITHOUT_AIM else slice(5, 61)


def _aim_at(report: HidReport, data: slice, count: slice | None) -> int | None:
    """By the usages, else the three bytes between count and data."""
    first, second, third = (_span(report, usage) for usage in (_AIM_1, _AIM_2, _AIM_3))
    if first and second and third and (second.start, third.start) == (first.start + 1, first.start + 2):
        return int(first.start)
    return int(count.stop) if count and data.start - count.stop == 3 else None


def _span(report: HidReport, usage: int) -> slice | None:
    field = report.find(usage)
    return field.span if field else None


class ScannerParser:
    """Joins the parts of a scan. ``deaf_until_ns``: a scan that began before is skipped to its end, because its second
    part alone would be a shorter number."""

    def __init__(self, layout: ScannerLayout, deaf_until_ns: int = 0) -> None:
        self._layout, self._deaf_until_ns = layout, deaf_until_ns
        self._joined: bytes | None = None
        """Prefix and data of the parts so far; None between scans."""
        self._skipping = False
        self.deadline_ns: int | None = None

    def feed(self, report: bytes, now_ns: int) -> list[ReportRead]:
        reads = self.expire(now_ns)
        if self._layout.report_id and report[:1] != bytes([self._layout.report_id]):
            return reads  # not a scan: a status, a trigger
        part = read_part(report, self._layout)
        if part is None:
            self._reset()
            return [*reads, ReportRead(flaw=STRANGE_REPORT)]
        if part.prefix.decode() == HOST_COMMAND:
            return reads
        if self._joined is not None and not self._joined.startswith(part.prefix):
            self._reset()
            reads.append(ReportRead(flaw=BROKEN_SCAN))  # this is another scan
        return [*reads, *self._take(part, now_ns)]

    def expire(self, now_ns: int) -> list[ReportRead]:
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return []
        broken = [] if self._skipping else [ReportRead(flaw=BROKEN_SCAN)]
        self._reset()
        return broken

    def _take(self, part: Part, now_ns: int) -> list[ReportRead]:
        skipping = self._skipping or now_ns < self._deaf_until_ns
        joined = (part.prefix if self._joined is None else self._joined) + part.data
        too_long = len(joined) > LONGEST_SCAN
        self._reset()
        if part.continued:
            self._skipping = skipping or too_long
            self._joined = None if self._skipping else joined
            self.deadline_ns = now_ns + PART_GAP_NS
        if too_long:
            return [ReportRead(flaw=TOO_LONG)]
        return [] if skipping or part.continued else [_scan(joined, part.prefix)]

    def _reset(self) -> None:
        self._joined, self._skipping, self.deadline_ns = None, False, None


def read_part(report: bytes, layout: ScannerLayout) -> Part | None:
    """None for a report that is no part of a scan."""
    if len(report) != layout.length:
        return None
    shift = _shift(report, layout)
    start = layout.data.start + shift
    if layout.count is None:
        data = report[layout.data].rstrip(b"\0")
    else:
        data = report[start : min(start + report[layout.count], layout.data.stop + shift)]
        if len(data) < report[layout.count]:
            return None
    prefix = _prefix(report, layout, shift)
    return None if prefix is None else Part(prefix, data, _goes_on(report, layout))


def _shift(report: bytes, layout: ScannerLayout) -> int:
    """1 if there is a byte in front of the AIM identifier."""
    if layout.aim is None or layout.count is None or report[layout.aim] == ord("]"):
        return 0
    return 1 if _AIM.match(report, layout.aim + 1) else 0


def _prefix(report: bytes, layout: ScannerLayout, shift: int) -> bytes | None:
    """The AIM identifier, if need be by the maker's code id; empty where none is sent. None for one that is broken."""
    sent = b"" if layout.aim is None else report[layout.aim + shift : layout.aim + shift + 3]
    if sent.strip(b"\0"):
        return sent if _AIM.match(sent) else None
    code = "" if layout.code is None else chr(report[layout.code])
    return _CODES.get(layout.vendor, {}).get(code, "").encode()


def _goes_on(report: bytes, layout: ScannerLayout) -> bool:
    if layout.continued is None:
        return False
    byte, bit = divmod(layout.continued, 8)
    return bool(report[byte] >> bit & 1)


def _scan(joined: bytes, prefix: bytes) -> ReportRead:
    bare = joined.rstrip(b"\r\n")
    return ReportRead(bare) if len(bare) > len(prefix) else ReportRead(flaw=EMPTY)
