"""Stripe readers that send a report for each swipe: MagTek, and ID TECH in its "other" mode.

Where things stand in the report is read from the report descriptor, by the usages of MagTek's page FF00 (MagTek
99875191 "USB HID swipe reader", 99875205 "USB insertion reader"; ID TECH "SecureMag user manual" 10.1). The 337 bytes
of a swipe reader:

==============  ===============================================================================
byte            content
==============  ===============================================================================
0 to 2          decode status of tracks 1 to 3: bit 0 = could not be decoded, other bits are 0
3 to 5          length of each track's data
6               card encode type
7, 117, 227     data of each track with sentinels, 110 bytes each: the last of track 1 is byte 116
==============  ===============================================================================

Insertion readers add a byte, card status: bit 0 = read while the card went in, else while it came out.
"""

from __future__ import annotations

from dataclasses import dataclass

from posd.cards.hid_layout import HidReport
from posd.cards.hid_reads import STRANGE_REPORT, ReportRead
from posd.cards.reads import RejectReason, flaw

MSR_PAGE = 0xFF00 << 16
STATUS, LENGTHS, DATA, ENCODE_TYPE, CARD_STATUS = (0x20, 0x21, 0x22), (0x28, 0x29, 0x2A), (0x30, 0x31, 0x32), 0x38, 0x39
"""Usages of the page, by track where there are three."""
_PLAIN = {*STATUS, *LENGTHS, *DATA, ENCODE_TYPE, CARD_STATUS}
STARTS = {1: "%", 2: ";", 3: "+"}
ALL_STARTS = "%;+@!#&"
"""Start sentinels that readers put before one track or another (AAMVA, CADL, 7-bit data on track 2)."""
FAILED = "E?"
"""What a keyboard wedge types behind the start sentinel of a track that it could not decode."""
TRACK_ROOM, ENCRYPTED_ROOM = 110, 112
"""Bytes for the data of a track."""
TOGETHER_NS = 3_000_000_000
"""How long a card that was read badly on its way in may stay before that is told."""

_RAW = 4
"""Encode type; ID TECH: raw and encrypted. MagTek uses the number for non-standard tracks, which come as text."""

EMPTY = flaw(RejectReason.UNREADABLE, "the stripe is empty, or the card was turned the wrong way")
ENCRYPTED = flaw(RejectReason.UNREADABLE, "the tracks come encrypted; a reader that sends plain tracks is needed")
NO_SENTINELS = flaw(RejectReason.UNREADABLE, "a track without sentinels; set the reader to send them")


@dataclass(frozen=True, slots=True)
class Track:
    """Where one track stands: bytes of the report."""

    number: int
    status: int
    length: int
    data: slice


@dataclass(frozen=True, slots=True)
class StripeLayout:
    """``card_status`` only where there is one."""

    length: int
    tracks: tuple[Track, ...]
    encode_type: int
    card_status: int | None = None


def stripe_layout(report: HidReport) -> StripeLayout | None:
    """None unless the report carries three plain tracks and nothing that is unknown."""
    at = {field.usage - MSR_PAGE: field.span for field in report.fields if field.span is not None}
    if report.report_id or len(at) < len(report.fields) or at.keys() | {CARD_STATUS} != _PLAIN:
        return None
    card_status = at.get(CARD_STATUS)
    tracks = tuple(
        Track(number, at[status].start, at[length].start, at[data])
        for number, status, length, data in zip(STARTS, STATUS, LENGTHS, DATA, strict=True)
    )
    if any(track.data.stop - track.data.start != TRACK_ROOM for track in tracks):
        return None
    return StripeLayout(report.length, tracks, at[ENCODE_TYPE].start, card_status.start if card_status else None)


def is_encrypting(report: HidReport) -> bool:
    """MagTek's readers with MagnePrint or encryption: longer tracks, or more beside them than plain ones have."""
    counts = {field.usage - MSR_PAGE: field.count for field in report.fields}
    if not set(DATA) <= set(counts):
        return False
    return not set(counts) <= _PLAIN or all(counts[data] == ENCRYPTED_ROOM for data in DATA)


class InsertionParser:
    """An insertion reader, which may be set to report the way in, the way out, or both: one card is one read.

    What was read well on the way in is told at once, and the way out then says nothing new. What was read badly waits
    for the way out, and the better of the two is told.
    """

    def __init__(self, layout: StripeLayout) -> None:
        self._layout = layout
        self._told = b""
        self._held: ReportRead | None = None
        self.deadline_ns: int | None = None

    def feed(self, report: bytes, now_ns: int) -> list[ReportRead]:
        read, status = read_tracks(report, self._layout), self._layout.card_status
        goes_in = status is not None and len(report) == self._layout.length and report[status] & 1
        return self._goes_in(read, now_ns) if goes_in else self._comes_out(read)

    def expire(self, now_ns: int) -> list[ReportRead]:
        return self._release() if self.deadline_ns is not None and now_ns >= self.deadline_ns else []

    def _goes_in(self, read: ReportRead, now_ns: int) -> list[ReportRead]:
        before = self._release()  # of a card whose way out was not reported
        if _is_complete(read):
            self._told = read.data
            return [*before, read]
        self._told, self._held, self.deadline_ns = b"", read, now_ns + TOGETHER_NS
        return before

    def _comes_out(self, read: ReportRead) -> list[ReportRead]:
        told, self._told = self._told, b""
        held = self._release()
        if told:
            return [read] if _is_complete(read) and read.data != told else []
        return [max([read, *held], key=_tracks_in)]

    def _release(self) -> list[ReportRead]:
        held, self._held, self.deadline_ns = self._held, None, None
        return [] if held is None else [held]


def read_tracks(report: bytes, layout: StripeLayout) -> ReportRead:
    """The swipe of one report."""
    if len(report) != layout.length:
        return ReportRead(flaw=STRANGE_REPORT)
    groups: dict[int, str] = {}
    for track in layout.tracks:
        status, length = report[track.status], report[track.length]
        if status > 1 or length > TRACK_ROOM:
            return ReportRead(flaw=STRANGE_REPORT)
        text = report[track.data][:length].decode("latin-1")
        if status or text:
            groups[track.number] = FAILED if status else text
    if any(group != FAILED and not _is_track(group) for group in groups.values()):
        return ReportRead(flaw=ENCRYPTED if report[layout.encode_type] == _RAW else NO_SENTINELS)
    return as_swipe({number: group if group == FAILED else group[1:] for number, group in groups.items()})


def as_swipe(groups: dict[int, str]) -> ReportRead:
    """The swipe as a keyboard wedge would type it, CR between the tracks. ``groups``: by track, what stands behind the
    start sentinel, end sentinel included."""
    if not groups:
        return ReportRead(flaw=EMPTY)
    return ReportRead("\r".join(STARTS[number] + group for number, group in sorted(groups.items())).encode())


def _is_track(text: str) -> bool:
    return text[0] in ALL_STARTS and "?" in text and text.isascii() and text.isprintable()


def _tracks_in(read: ReportRead) -> int:
    """How many tracks were decoded."""
    return sum(group[1:] != FAILED.encode() for group in read.data.split(b"\r") if group)


def _is_complete(read: ReportRead) -> bool:
    return read.flaw is None and _tracks_in(read) == len(read.data.split(b"\r"))
