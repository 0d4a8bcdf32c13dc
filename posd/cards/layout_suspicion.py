"""Does a read look as if it had been decoded with the wrong layout? For the technician's self-test.

The keys that must have been pressed are decoded by every other layout. When what was read is odd for a card and another
layout makes a clean swipe or a clean scan of the same keys, that is more than chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from posd.cards.iso7813 import Swipe, is_swipe, parse_swipe
from posd.cards.keymap import KeyState, Stroke, strokes
from posd.cards.layouts import LAYOUTS, SPACE

_CLEAN_SCAN = re.compile(r"(\][A-Za-z][0-9])?[0-9A-Za-z \x1d%;?=+/&.:#_*$@-]+")
"""Characters of card numbers, Code 39, GS1 and web addresses."""


def layout_suspicion(text: str, layout: str) -> str | None:
    """One line that says why ``text``, read with ``layout``, should have been read with another; None when nothing
    speaks for that. Carries nothing of the card."""
    if not text or _is_clean_swipe(text):
        return None
    readings = _readings(text, layout)
    better, what = [name for name, other in readings if _is_clean_swipe(other)], "swipe"
    if not better and not _is_clean_scan(text):
        better, what = [name for name, other in readings if _is_clean_scan(other)], "scan"
    if not better:
        return None
    return f"no clean {what} in layout {layout}, but one in {', '.join(better[:3])}; run: posd readers calibrate"


def _readings(text: str, layout: str) -> list[tuple[str, str]]:
    """The same keys by all other layouts. A dead key gave its sign without Space: where none was meant, none came."""
    try:
        keys = [key for sign in text for key in strokes(sign, layout) if sign == " " or key[0] != SPACE]
    except ValueError:  # some came as Alt codes: no layout is to blame
        return []
    return [(name, _decoded(keys, name)) for name in LAYOUTS if name != layout]


def _decoded(keys: Iterable[Stroke], layout: str) -> str:
    state = KeyState(LAYOUTS[layout])
    return "".join(state.feed(code, value) for code, value in keys)


def _is_clean_swipe(text: str) -> bool:
    return is_swipe(text) and isinstance(parse_swipe(text), Swipe)


def _is_clean_scan(text: str) -> bool:
    return _CLEAN_SCAN.fullmatch(text) is not None
