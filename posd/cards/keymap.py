"""Key codes to text and back: what a keyboard wedge typed, whatever layout the till's session has.

Codes are those of Linux ``input-event-codes.h``; values are 1 press, 0 release, 2 repeat.

>>> keys = KeyState(LAYOUTS["us"])
>>> "".join(keys.feed(code, value) for code, value in strokes("%B12^A?"))
'%B12^A?'
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from posd.cards.keypad import KEYPAD, PRESS, RELEASE, AltCode
from posd.cards.layouts import LAYOUTS, NOTHING, SPACE, Layout

REPEAT = 2

KEY_TAB, KEY_ENTER, KEY_KP_ENTER = 15, 28, 96
KEY_LEFTSHIFT, KEY_RIGHTSHIFT = 42, 54
KEY_LEFTCTRL, KEY_RIGHTCTRL = 29, 97
KEY_LEFTALT, KEY_ALTGR = 56, 100
KEY_CAPSLOCK = 58
EXTRA_KEYS = frozenset({86, 89, 124})
"""KEY_102ND (left of Z), KEY_RO, KEY_YEN: on some keyboards only."""

FUNCTION_KEYS: Mapping[str, int] = {f"F{n}": code for n, code in enumerate((*range(59, 69), 87, 88), 1)}
"""Some scanners type one of them in place of GS."""

GS = "\x1d"
_SAME_EVERYWHERE: Mapping[int, str] = {KEY_ENTER: "\r", KEY_KP_ENTER: "\r", KEY_TAB: "\t", **KEYPAD}
_SHIFTS, _CTRLS, _ALTS = {KEY_LEFTSHIFT, KEY_RIGHTSHIFT}, {KEY_LEFTCTRL, KEY_RIGHTCTRL}, {KEY_LEFTALT, KEY_ALTGR}
MODIFIERS = frozenset(_SHIFTS | _CTRLS | _ALTS)
_PLAIN, _SHIFT, _ALTGR, _BOTH = range(4)

Stroke = tuple[int, int]
"""Key code and value, as evdev reports them."""

DROPPED = -1
"""In place of a key code: the kernel lost events of this node."""


class KeyEvent(NamedTuple):
    """A key that went down or up, or was repeated. ``time_ns``: the kernel's, monotonic. ``node``: which of the event
    nodes of the reader, by number from 0."""

    time_ns: int
    node: int
    code: int
    value: int


class KeyState:
    """What is held down on one event node, and what a further key therefore means.

    ``caps_lock``: state of Caps Lock that the reader knows of. A reader that presses Caps Lock itself is followed in
    any case; one that watches the keyboard's LED and turns Shift round (MagTek) needs its state told here.
    ``gs_key``: the key that the reader types for GS, when that is not Ctrl+].
    """

    def __init__(self, layout: Layout, *, caps_lock: bool = False, gs_key: int | None = None) -> None:
        self._layout = layout
        self._caps_lock = caps_lock
        self._same = _SAME_EVERYWHERE if gs_key is None else {**_SAME_EVERYWHERE, gs_key: GS}
        self._held: set[int] = set()
        self._after_dead_key = False
        self._alt_code: AltCode | None = None
        self.plain: Mapping[int, str] = {}
        """What pressing a key now means, of all keys whose pressing changes nothing but the text; see `feed`."""
        self._look_up()

    @property
    def spelling(self) -> bool:
        """In the middle of an Alt code: keys come and characters do not."""
        return self._alt_code is not None

    def feed(self, code: int, value: int) -> str:
        """The character that this event types; empty for releases, repeats, modifiers and keys without character.
        `posd.cards.keypad.UNTOLD` where there is one that nobody can tell."""
        if value == PRESS and code in self.plain:
            return self.plain[code]
        if code in MODIFIERS:
            (self._held.discard if value == RELEASE else self._held.add)(code)
            self._look_up()
            return self._spelt() if self._alt_code and not self._held & _ALTS else ""
        if self._held and code in KEYPAD and self._held & _ALTS:
            self._alt_code = self._alt_code or AltCode()
            self._alt_code.feed(code, value)
            return ""
        if value != PRESS:
            return ""
        if code == KEY_CAPSLOCK:
            self._caps_lock = not self._caps_lock
            self._look_up()
            return ""
        character = self._character(code)
        self._look_up()
        return character

    def _look_up(self) -> None:
        unusual = self._caps_lock or self._after_dead_key or self._held - _SHIFTS
        self.plain = {} if unusual else _plain_keys(self._layout.name, _SHIFT if self._held else _PLAIN)

    def release_all(self) -> None:
        """Forget what is held: releases were lost."""
        self._held.clear()
        self._after_dead_key = False
        self._alt_code = None
        self._look_up()

    def _spelt(self) -> str:
        code, self._alt_code = self._alt_code, None
        return code.character() if code else ""

    def _character(self, code: int) -> str:
        after_dead_key, self._after_dead_key = self._after_dead_key, False
        if code in self._same:
            return self._same[code]
        if self._held & _CTRLS and not self._held & _ALTS:  # Ctrl+Alt is AltGr to many a firmware
            return _control(self._layout, code)
        given = self._layout.levels.get(code)
        if given is None or (code == SPACE and after_dead_key):  # Space turned "dead ^" into "^"
            return ""
        level = self._level(given) if self._held or self._caps_lock else _PLAIN
        self._after_dead_key = (code, level) in self._layout.dead
        return given[level].strip(NOTHING)

    def _level(self, given: str) -> int:
        shift = bool(self._held & _SHIFTS)
        if self._caps_lock and _is_letter(given):
            shift = not shift
        if KEY_ALTGR in self._held or (self._held & _CTRLS and KEY_LEFTALT in self._held):
            return _BOTH if shift else _ALTGR
        return _SHIFT if shift else _PLAIN


@cache
def _plain_keys(name: str, level: int) -> Mapping[int, str]:
    """Character keys of a layout at this level, without those that are dead."""
    layout = LAYOUTS[name]
    places = ((code, given[level]) for code, given in layout.levels.items() if (code, level) not in layout.dead)
    return {code: character for code, character in places if character != NOTHING}


def strokes(text: str, layout: str = "us") -> list[Stroke]:
    """The events with which a reader of this layout types ``text``; CR (or LF) as Enter, GS as Ctrl+].

    Raises ValueError when the layout has no key for a character.
    """
    typed: list[Stroke] = []
    known = _ways_to_type(layout)
    for character in text:
        chord = known.get(character)
        if chord is None:
            raise ValueError(f"a keyboard of layout {layout!r} has no key for {character!a}")
        for keys in chord:
            typed += [(key, PRESS) for key in keys] + [(key, RELEASE) for key in reversed(keys)]
    return typed


def can_type(character: str, layout: str) -> bool:
    """Does a keyboard of this layout have a key for it?"""
    return character in _ways_to_type(layout)


@cache
def _ways_to_type(name: str) -> Mapping[str, tuple[tuple[int, ...], ...]]:
    """Character → chords, each the keys that are pressed in turn and released backwards. The fewest keys win, and those
    that every keyboard has: an American one has no key 86 and types "<" with Shift."""
    layout = LAYOUTS[name]
    held = {_PLAIN: (), _SHIFT: (KEY_LEFTSHIFT,), _ALTGR: (KEY_ALTGR,), _BOTH: (KEY_ALTGR, KEY_LEFTSHIFT)}
    ways: dict[str, tuple[tuple[int, ...], ...]] = {"\r": ((KEY_ENTER,),), "\n": ((KEY_ENTER,),), "\t": ((KEY_TAB,),)}
    places = [(level, code) for level in held for code in layout.levels]
    for level, code in sorted(places, key=lambda place: (place[0] >= _ALTGR, place[1] in EXTRA_KEYS)):
        after = ((SPACE,),) if (code, level) in layout.dead else ()
        ways.setdefault(layout.levels[code][level], ((*held[level], code), *after))
    for code in layout.levels:
        ways.setdefault(_control(layout, code), ((KEY_LEFTCTRL, code),))
    for code, character in KEYPAD.items():
        ways.setdefault(character, ((code,),))
    ways.pop(NOTHING, None)
    ways.pop("", None)
    return ways


def _is_letter(given: str) -> bool:
    """Caps Lock turns keys that have a letter in both cases."""
    return given[_PLAIN].islower() and given[_SHIFT].isupper()


def _control(layout: Layout, code: int) -> str:
    """Ctrl with a key: ASCII control characters by the letter on it, GS (the FNC1 of GS1 codes) as Ctrl+]. Where the
    layout has another sign there, the American one counts, RS as Ctrl+6 and US as Ctrl+- with it: so the manuals of
    scanners have it ("Ctrl+X mode")."""
    american = LAYOUTS["us"].levels.get(code, NOTHING * 4)
    for character in (layout.levels.get(code, NOTHING)[_PLAIN], american[_PLAIN], american[_SHIFT]):
        if "A" <= character <= "_" or "a" <= character <= "z":
            return chr(ord(character) & 0x1F)
    return ""
