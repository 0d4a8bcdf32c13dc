"""Keyboard wedges: a stream of key events into closed reads. Pure: takes events and their times, keeps no clock.

A scan closes on Enter or Tab; only one of a scanner that is set to send neither closes when the keys fall silent. A
swipe (text that begins with ``%`` or ``;``) closes only on silence, because many readers send Enter after every track.
What broke off, came incomplete or was typed by hand becomes a flaw without text: never a shorter number.

The caller feeds every event that is readable, then sleeps until `WedgeAssembler.deadline_ns` at most, then calls
`WedgeAssembler.expire`. All times come from one monotonic clock; the kernel's event times are best, because they say
when a key came and not when somebody looked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from posd.cards.keymap import FUNCTION_KEYS, KeyState
from posd.cards.keypad import PRESS, UNTOLD
from posd.cards.layouts import LAYOUTS
from posd.cards.reads import RejectReason, flaw

_MS = 1_000_000
_SWIPE_STARTS = ("%", ";")
"""Track 3 alone (``+…?``) needs no waiting and closes as a scan does."""
_ALL_STARTS = "%;+@!#&"
"""Start sentinels that readers put before a second or third track (MagTek, Unitech, ID TECH manuals)."""
_TERMINATORS = "\r\n\t"
_SHORTEST_READ = 4
"""Characters. Less, and silence after it, is a person at the keys."""

LOST_KEYS = flaw(RejectReason.PARTIAL, "the kernel dropped key events (SYN_DROPPED); read the card again")
NO_SUFFIX = flaw(
    RejectReason.PARTIAL, "the keys fell silent without Enter or Tab; a scanner that sends neither needs suffix = none"
)
BROKEN_SWIPE = flaw(RejectReason.PARTIAL, "the swipe ended without end sentinel")
TOO_LONG = flaw(RejectReason.UNREADABLE, "more characters than a card can carry, or keys that never stop")
REST_OF_BROKEN_READ = flaw(RejectReason.NOISE, "the rest of a read that paused in the middle")
PAUSED_EARLY = flaw(
    RejectReason.PARTIAL, "it came right after stray keys, which may have been its beginning; read it again"
)
TYPED_BY_HAND = flaw(RejectReason.NOISE, "typed by hand, or a few stray keys")
ALT_CODES = flaw(
    RejectReason.UNREADABLE,
    "the reader types Alt codes that cannot be told; program it to plain keyboard mode (US layout)",
)


class WedgeSuffix(StrEnum):
    """The key that a scanner types behind each scan. Swipes do not need one."""

    ENTER_OR_TAB = "enter-or-tab"
    NONE = "none"
    """Nothing: silence closes a scan."""


@dataclass(frozen=True, slots=True)
class WedgeSettings:
    """How one reader types. Times in milliseconds, measured from key press to key press."""

    layout: str = "us"
    suffix: WedgeSuffix = WedgeSuffix.ENTER_OR_TAB
    key_gap_ms: int = 100
    """Longest pause inside a read. Readers need 1 to 20 ms; a person needs more than 100 most of the time."""
    swipe_end_ms: int = 150
    """Longest pause after ``?`` or Enter in a swipe, while another track may follow."""
    hand_pace_ms: int = 50
    """A read that took longer than this per key was typed by hand."""
    broken_ms: int = 500
    """So long after a broken read, keys without a start sentinel may be its rest."""
    read_cap_ms: int = 5_000
    """300 characters of a low-speed USB reader (a report each 8 ms, two per character) take 4.8 s."""
    max_characters: int = 300
    gs_key: str = ""
    """``F1`` to ``F12`` for a scanner that types one in place of GS; empty: Ctrl+]."""

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout {self.layout!r} is not known; known are {', '.join(sorted(LAYOUTS))}")
        if min(self.key_gap_ms, self.swipe_end_ms, self.hand_pace_ms, self.read_cap_ms, self.max_characters) <= 0:
            raise ValueError("times and lengths must be above zero")
        if self.gs_key and self.gs_key not in FUNCTION_KEYS:
            raise ValueError(f"gs_key is empty or a function key, F1 to F12; not {self.gs_key!r}")


@dataclass(frozen=True, slots=True)
class KeyTiming:
    """How fast one read was typed: gaps between its characters in milliseconds, 0 where there is only one."""

    characters: int
    median_gap_ms: float
    longest_gap_ms: float


@dataclass(frozen=True, slots=True)
class WedgeRead:
    """One closed read: ``text`` without its terminator (a swipe keeps CR between tracks), or a ``flaw`` and no text.
    ``times_ns``: when each character came, of a read that was spoilt on the way until then."""

    text: str = field(repr=False)
    flaw: str | None = None
    times_ns: tuple[int, ...] = field(default=(), repr=False, compare=False)

    @property
    def timing(self) -> KeyTiming:
        gaps_ms = sorted((later - earlier) / _MS for earlier, later in pairwise(self.times_ns)) or [0.0]
        return KeyTiming(len(self.times_ns), gaps_ms[len(gaps_ms) // 2], gaps_ms[-1])


_NOTHING: Sequence[WedgeRead] = ()


class WedgeAssembler:
    """Collects what one device types, be it on one event node or on several."""

    def __init__(self, settings: WedgeSettings | None = None, *, caps_lock: bool = False) -> None:
        self._settings = settings or WedgeSettings()
        self._key_gap_ns, self._swipe_end_ns = self._settings.key_gap_ms * _MS, self._settings.swipe_end_ms * _MS
        layout, gs_key = LAYOUTS[self._settings.layout], FUNCTION_KEYS.get(self._settings.gs_key)
        self._keys = defaultdict[int, KeyState](lambda: KeyState(layout, caps_lock=caps_lock, gs_key=gs_key))
        self._text = ""
        self._times_ns: list[int] = []
        self._spelt = 0
        """Digits of Alt codes in the open read."""
        self._deadline_ns = 0
        """0 while no read is open."""
        self._flowing = False
        """A scan or a track is open, sound and shorter than the limit: another character just goes behind it."""
        self._spoilt: str | None = None
        self._broken_until_ns = 0
        self._broken_by: str | None = None

    @property
    def deadline_ns(self) -> int | None:
        """When silence closes the open read; None while no read is open. On the clock of the events."""
        return self._deadline_ns or None

    def feed(self, code: int, value: int, time_ns: int, node: int = 0) -> Sequence[WedgeRead]:
        """Take one key event (EV_KEY code and value) of one event node; returns the reads that it closes, oldest first.
        What is held down on one node means nothing on another."""
        keys = self._keys[node]
        if self._flowing and value == PRESS and time_ns < self._deadline_ns and keys.plain.get(code, "?") != "?":
            # Nine of ten keys: one more character of a scan, or of a track before its end.
            self._text += keys.plain[code]
            self._times_ns.append(time_ns)
            self._deadline_ns = time_ns + self._key_gap_ns
            self._flowing = len(self._text) < self._settings.max_characters
            return _NOTHING
        reads = self.expire(time_ns)
        character = keys.feed(code, value)
        if not character:
            if keys.spelling and self._deadline_ns:  # an Alt code takes several keys: the read goes on
                self._heard(time_ns)
                self._spelt += value == PRESS
            return reads
        if character == UNTOLD:
            self._spoil(ALT_CODES, time_ns)
        return [*reads, *self._take(character, time_ns)]

    def lost(self, time_ns: int, node: int = 0) -> Sequence[WedgeRead]:
        """The kernel lost events of a node (SYN_DROPPED): what is open, and all that follows before the next silence,
        may be half of something. Returns what had closed before."""
        reads = self.expire(time_ns)
        self._keys[node].release_all()
        self._spoil(LOST_KEYS, time_ns)
        return reads

    def expire(self, now_ns: int) -> Sequence[WedgeRead]:
        """Close what silence closes."""
        return self._close(by_silence=True) if 0 < self._deadline_ns <= now_ns else _NOTHING

    def _heard(self, time_ns: int) -> None:
        """A key came: the silence that closes begins anew."""
        between_tracks = self._is_swipe and "?" in self._text.rstrip("\r")[-2:]
        self._deadline_ns = time_ns + (self._swipe_end_ns if between_tracks else self._key_gap_ns)

    @property
    def _is_swipe(self) -> bool:
        return self._text[:1] in _SWIPE_STARTS

    def _take(self, character: str, time_ns: int) -> list[WedgeRead]:
        ends, is_swipe = character in _TERMINATORS, self._is_swipe
        if self._spoilt is not None:
            self._heard(time_ns)
            return []
        if ends and not is_swipe:
            return self._close()
        reads = self._close() if is_swipe and self._begins_another(character) else []
        self._append("\r" if ends else character, time_ns)
        return reads

    def _begins_another(self, character: str) -> bool:
        """After Enter a swipe goes on with a track or not at all; with track 1 it cannot go on twice."""
        if not self._text.endswith("\r") or character in _TERMINATORS:
            return False
        return character not in _ALL_STARTS or (character == "%" and self._text.startswith("%"))

    def _append(self, character: str, time_ns: int) -> None:
        self._text += character
        self._times_ns.append(time_ns)
        self._heard(time_ns)
        self._flowing = character not in "?\r"
        if len(self._text) > self._settings.max_characters:
            self._spoil(TOO_LONG, time_ns)

    def _spoil(self, why: str, time_ns: int) -> None:
        """Nothing that comes before the next silence can be trusted."""
        self._text, self._flowing = "", False
        self._heard(time_ns)
        self._spoilt = self._spoilt or why

    def _close(self, *, by_silence: bool = False) -> list[WedgeRead]:
        text, times_ns = self._text.rstrip("\r"), tuple(self._times_ns)
        why = self._spoilt or (self._why_not(text, by_silence=by_silence) if text else None)
        self._text, self._spoilt, self._deadline_ns, self._spelt, self._flowing = "", None, 0, 0, False
        self._times_ns.clear()
        # A few keys and then silence: a hand, or a read that paused early. Nobody can tell, so what follows is no read.
        if why in (BROKEN_SWIPE, NO_SUFFIX) or (why == TYPED_BY_HAND and by_silence):
            self._broken_by, self._broken_until_ns = why, times_ns[-1] + self._settings.broken_ms * _MS
        elif not by_silence:
            self._broken_until_ns = 0
        if why is not None:
            return [WedgeRead("", why, times_ns)]
        return [WedgeRead(text, None, times_ns)] if text else []

    def _why_not(self, text: str, *, by_silence: bool) -> str | None:
        """The flaw of a read that closes with this text."""
        opened_ns, last_ns = self._times_ns[0], self._times_ns[-1]
        if last_ns - opened_ns > self._settings.read_cap_ms * _MS:
            return TOO_LONG
        typed_by_hand = last_ns - opened_ns > self._settings.hand_pace_ms * _MS * (len(text) + self._spelt)
        if typed_by_hand or (by_silence and len(text) < _SHORTEST_READ):
            return TYPED_BY_HAND
        if text[0] in _SWIPE_STARTS:
            return None if _is_ended(text) else BROKEN_SWIPE
        if opened_ns < self._broken_until_ns:
            if self._broken_by == TYPED_BY_HAND:
                return PAUSED_EARLY
            # What ends with Enter is no rest of a swipe, which would end with its sentinel.
            if self._broken_by == NO_SUFFIX or by_silence or _is_ended(text):
                return REST_OF_BROKEN_READ
        is_track = text[0] in _ALL_STARTS and _is_ended(text)
        needs_suffix = self._settings.suffix is not WedgeSuffix.NONE and not is_track
        return NO_SUFFIX if by_silence and needs_suffix else None


def _is_ended(swipe: str) -> bool:
    """One character may stand behind the last end sentinel: the LRC."""
    _, end, behind = swipe.rpartition("?")
    return bool(end) and len(behind) <= 1
