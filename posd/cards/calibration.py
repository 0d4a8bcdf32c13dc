"""Which layout a reader types in, found from one printed code whose text is known.

The characters of `SHEET_TEXT` stand on different keys, or under different modifiers, on layouts that differ in anything
a card can carry; GS shows how the reader types it. What came is decoded by every layout, and those under which the text
of the sheet comes out are the answer. Nothing is taken for nearly right.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from posd.cards.keymap import DROPPED, FUNCTION_KEYS, GS, MODIFIERS, KeyEvent, KeyState, Stroke, can_type, strokes
from posd.cards.keypad import PRESS, UNTOLD
from posd.cards.layouts import LAYOUTS
from posd.cards.reads import parse_flaw
from posd.cards.wedge import ALT_CODES, LOST_KEYS

SHEET_TEXT = f'Az09%;=?{GS}^/|:"_'
"""Fifteen characters: a Code 128 symbol of them is 7 cm wide, which every scanner reads."""

NOT_THE_SHEET = (
    "what came is not the code of the sheet in any layout; scan it again, or set the reader to a US keyboard"
)

_AIM = re.compile(r"\][A-Za-z][0-9]\Z")
_TERMINATORS = "\r\n\t"


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a reader types. ``layouts``: all that fit, the likeliest first; a card reads the same in each.

    ``caps_lock``: upper and lower case come exchanged. ``gs_key``: the function key that comes in place of GS, empty
    for Ctrl+] and Alt codes, None when GS is left out. ``aim``: the AIM identifier in front of the data; ``prefix`` and
    ``suffix``: what else the reader adds; ``terminator``: with what it ends.
    """

    layouts: tuple[str, ...]
    caps_lock: bool
    alt_codes: bool
    gs_key: str | None
    prefix: str
    aim: str
    suffix: str
    terminator: str


def calibrate(events: Sequence[KeyEvent]) -> Calibration | str:
    """What one scan of the sheet tells; or, as text, why it tells nothing and what to do."""
    if any(event.code == DROPPED for event in events):
        return parse_flaw(LOST_KEYS)[1]
    pressed = {event.code for event in events if event.value == PRESS}
    gs_keys = ("", *(name for name, code in FUNCTION_KEYS.items() if code in pressed), None)
    for caps_lock in (False, True):
        for gs_key in gs_keys:
            if found := _fitting(events, caps_lock, gs_key):
                return found
    return parse_flaw(ALT_CODES)[1] if UNTOLD in _typed(events, "us", False, "")[0] else NOT_THE_SHEET


def sheet_text(layout: str, *, gs: bool = True) -> str:
    """What a reader of this layout makes of the sheet: it leaves out what it cannot type. ``gs``: it types GS."""
    return "".join(character for character in SHEET_TEXT if (gs or character != GS) and can_type(character, layout))


def _fitting(events: Sequence[KeyEvent], caps_lock: bool, gs_key: str | None) -> Calibration | None:
    fits: dict[str, tuple[str, str]] = {}
    surplus: dict[str, int] = {}
    _, spelt = _typed(events, "us", caps_lock, "")
    for layout in ("us",) if spelt else LAYOUTS:  # Alt codes are the same on all
        typed, _ = _typed(events, layout, caps_lock, gs_key or "")
        before, found, behind = typed.partition(sheet_text(layout, gs=gs_key is not None))
        if found and UNTOLD not in typed:
            fits[layout] = before, behind
            surplus[layout] = abs(_presses(event[2:] for event in events) - _presses(strokes(typed, layout)))
    if not fits:
        return None
    # A layout with dead keys also reads one without; it would itself have typed more.
    layouts = tuple(sorted(fits, key=lambda layout: surplus[layout]))
    before, behind = fits[layouts[0]]
    aim = _AIM.search(before)
    prefix = before[: aim.start()] if aim else before
    suffix = behind.rstrip(_TERMINATORS)
    return Calibration(layouts, caps_lock, spelt, gs_key, prefix, aim[0] if aim else "", suffix, behind[len(suffix) :])


def _typed(events: Sequence[KeyEvent], layout: str, caps_lock: bool, gs_key: str) -> tuple[str, bool]:
    """The characters under this layout, and whether some were spelt as Alt codes."""
    code = FUNCTION_KEYS.get(gs_key)
    nodes = defaultdict[int, KeyState](lambda: KeyState(LAYOUTS[layout], caps_lock=caps_lock, gs_key=code))
    text, spelt = "", False
    for event in events:
        keys = nodes[event.node]
        text += keys.feed(event.code, event.value)
        spelt |= keys.spelling
    return text, spelt


def _presses(strokes: Iterable[Stroke]) -> int:
    """Keys that went down, Shift and its like aside."""
    return sum(value == PRESS and code not in MODIFIERS for code, value in strokes)
