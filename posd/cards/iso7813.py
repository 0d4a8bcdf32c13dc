"""Magnetic stripes as text: what a reader sends for one swipe, into tracks and back (ISO/IEC 7811-2/-6, 7813, 4909).

Loyalty stripes are free in form, so only the frame is demanded: sentinels, alphabet, length, LRC where one is sent.

>>> parse_swipe("%B9876^A/B?;9876=1?")
Swipe(tracks=(1, 2), failed=())
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from posd.cards.checks import lrc
from posd.cards.reads import Refusal, RejectReason

END = "?"
_STARTS = {"%": 1, ";": 2, "+": 3, "@": 2, "!": 3, "#": 3, "&": 3}
"""Start sentinels and the track they announce (MagTek, Unitech, ID TECH manuals). A second group of track 2 in a swipe
is track 3, for some readers begin both with ``;``."""
_NEVER_DATA = frozenset("%;+")
"""Start sentinels that no track carries inside; the others are letters of track 1."""
_DELETE = "\x7f"
"""Start and end sentinel of Japanese JIS II stripes, which hold another alphabet."""
_BETWEEN = "\r\n\t"
_ERROR = "E"
"""What MagTek and ID TECH readers send in place of a track that did not decode."""

MAX_DATA = {1: 76, 2: 37, 3: 104}
"""Characters without sentinels and LRC (79, 40 and 107 with them)."""
_BASE = {1: 0x20, 2: 0x30, 3: 0x30}
_LAST = {1: 0x5F, 2: 0x3F, 3: 0x3F}
"""First and last code of each track's alphabet; the first has the value 0."""
_ON_STRIPE = {1: "%", 2: ";", 3: ";"}
"""The start sentinel as it is coded on the stripe, and so in the LRC."""


@dataclass(frozen=True, slots=True, repr=False)
class Swipe:
    """Data of the tracks by number, without sentinels and LRC. ``failed``: tracks that are there but did not decode."""

    tracks: dict[int, str] = field(default_factory=dict)
    failed: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"Swipe(tracks={tuple(sorted(self.tracks))}, failed={self.failed})"


class _Broken(Exception):
    """Carries a `Refusal` out of the parsing loop."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.why = Refusal(reason, detail)


def is_swipe(text: str) -> bool:
    """Does this text come from a stripe? ``%``, ``;`` or DEL begins no bar code that means anything; ``+`` may."""
    bare = text.strip(_BETWEEN)
    return bare.startswith(("%", ";", _DELETE)) or (bare.startswith("+") and END in bare)


def parse_swipe(text: str) -> Swipe | Refusal:
    """The tracks of one swipe. One broken track breaks the swipe: never half a number."""
    if _DELETE in text:
        return Refusal(
            RejectReason.UNREADABLE, "a JIS II stripe, which posd does not read; switch JIS off at the reader"
        )
    tracks: dict[int, str] = {}
    failed: list[int] = []
    try:
        for track, data in _groups(text):
            if track in tracks or track in failed:
                return Refusal(RejectReason.PARTIAL, f"track {track} came twice: two swipes ran together")
            if data == _ERROR:
                failed.append(track)
            elif data:
                tracks[track] = data
    except _Broken as broken:
        return broken.why
    if not tracks:
        return Refusal(RejectReason.UNREADABLE, "no track could be decoded" if failed else "the stripe is empty")
    return Swipe(tracks, tuple(sorted(failed)))


def swipe_text(
    track1: str | None = None, track2: str | None = None, track3: str | None = None, *, lrcs: bool = False
) -> str:
    """What a reader sends for these tracks; the inverse of `parse_swipe`. ``lrcs``: with LRC characters."""
    text = ""
    for track, start, data in ((1, "%", track1), (2, ";", track2), (3, "+", track3)):
        if data is not None:
            text += start + data + END + (_lrc(track, data) if lrcs else "")
    return text


def primary_number(track: int, data: str) -> str:
    """The leading number of a track's data: up to the field separator, without format code. May be empty."""
    if track == 1:
        return _leading_digits(data[1:] if data[:1].isalpha() else data)
    return _leading_digits(data if track == 2 else data[2:])


def _leading_digits(data: str) -> str:
    return data[: len(data) - len(data.lstrip("0123456789"))]


def _groups(text: str) -> Iterator[tuple[int, str]]:
    """Track number and data of each group, LRC verified. Raises `_Broken`."""
    at, seen_track_2 = 0, False
    while at < len(text):
        if text[at] in _BETWEEN:
            at += 1
            continue
        track = _STARTS.get(text[at])
        if track is None:
            raise _Broken(RejectReason.UNREADABLE, "characters outside of the tracks")
        track = 3 if track == 2 and seen_track_2 else track
        seen_track_2 = seen_track_2 or track == 2
        end = text.find(END, at)
        if end < 0:
            raise _Broken(RejectReason.PARTIAL, f"track {track} has no end sentinel")
        data = _checked(track, text[at + 1 : end])
        at = end + 1 + _lrc_length(track, data, text[end + 1 :])
        yield track, data


def _checked(track: int, data: str) -> str:
    if track == 1:
        data = data.upper()  # the alphabet of track 1 has no small letters; readers with Caps Lock on send some
    if not _NEVER_DATA.isdisjoint(data):
        raise _Broken(RejectReason.PARTIAL, f"track {track}: a start sentinel before the end of the track")
    if len(data) > MAX_DATA[track]:
        raise _Broken(RejectReason.PARTIAL, f"track {track} is longer than a stripe can be")
    allowed = range(_BASE[track], _LAST[track] + 1)
    if data != _ERROR and any(ord(character) not in allowed for character in data):
        raise _Broken(
            RejectReason.UNREADABLE, f"track {track}: characters that a stripe cannot carry; check the layout"
        )
    return data


def _lrc_length(track: int, data: str, behind: str) -> int:
    """1 if what stands behind the end sentinel begins with this track's LRC, 0 if none was sent."""
    if not behind or behind[0] in _BETWEEN:
        return 0
    stands_alone = len(behind) == 1 or behind[1] in _BETWEEN or behind[1] in _STARTS
    if behind[0] == _lrc(track, data) and (stands_alone or behind[0] not in _STARTS):
        return 1
    if behind[0] in _STARTS:
        return 0
    if stands_alone and data != _ERROR:
        raise _Broken(RejectReason.BAD_CHECK, f"track {track}: the LRC is wrong")
    return 1 if stands_alone else 0


def _lrc(track: int, data: str) -> str:
    return lrc(_ON_STRIPE[track] + data + END, _BASE[track])
