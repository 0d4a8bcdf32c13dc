"""ID TECH stripe readers in their own format: the tracks as one text, as the reader's keyboard mode would type it.

==============  ===============================================================================
byte            content
==============  ===============================================================================
0 to 6          as in `posd.cards.hid_stripe`
7, 8            length of the text; which byte comes first depends on the model
9 to the end    the text, 500 to 512 bytes, with whatever is set to stand before and behind it
==============  ===============================================================================

Sources: ID TECH 80074503 "VersaKey with USB-HID", MiniMag II quick start, SecureHead user manual 4.1.
"""

from __future__ import annotations

import re

from posd.cards.hid_layout import HidReport
from posd.cards.hid_reads import STRANGE_REPORT, ReportRead
from posd.cards.hid_stripe import (
    ALL_STARTS,
    DATA,
    ENCODE_TYPE,
    ENCRYPTED,
    FAILED,
    LENGTHS,
    MSR_PAGE,
    STATUS,
    as_swipe,
)

LEAST_ROOM, MOST_ROOM = 500, 512
_TEXT = 9
_GROUP = re.compile(f"[{ALL_STARTS}]([^?]*[?])")


def is_native(report: HidReport) -> bool:
    """Status, lengths and encode type in the first seven bytes, a length of two bytes, one long text."""
    wanted = {MSR_PAGE + usage: slice(at, at + 1) for at, usage in enumerate((*STATUS, *LENGTHS, ENCODE_TYPE))}
    wanted[MSR_PAGE + DATA[0]] = slice(7, _TEXT)
    wanted[MSR_PAGE + DATA[1]] = slice(_TEXT, report.length)
    room = report.length - _TEXT
    return LEAST_ROOM <= room <= MOST_ROOM and {field.usage: field.span for field in report.fields} == wanted


def read_native(report: bytes, length: int) -> ReportRead:
    """The swipe of one report of ``length`` bytes."""
    if len(report) != length or max(report[:3]) > 1:
        return ReportRead(flaw=STRANGE_REPORT)
    failed = [number for number in (1, 2, 3) if report[number - 1]]
    present = [number for number in (1, 2, 3) if not report[number - 1] and report[number + 2]]
    text = _text(report)
    if not (text.isascii() and text.replace("\r", "").replace("\n", "").isprintable()):
        return ReportRead(flaw=ENCRYPTED)
    found = [group for group in _GROUP.findall(text) if group != FAILED]
    if len(found) != len(present):  # whose number is whose cannot be told
        return ReportRead(flaw=STRANGE_REPORT)
    return as_swipe(dict(zip(present, found, strict=True)) | dict.fromkeys(failed, FAILED))


def _text(report: bytes) -> str:
    """The shorter of both readings of the length that has room for the tracks and fits into the report."""
    lengths = (int.from_bytes(report[7:9], order) for order in ("big", "little"))
    fitting = [length for length in lengths if sum(report[3:6]) <= length <= len(report) - _TEXT]
    return report[_TEXT : _TEXT + min(fitting, default=0)].decode("latin-1")
