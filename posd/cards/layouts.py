"""Keyboard layouts that readers can be programmed for: which character each key gives, as data.

A layout here is the one that the *reader* types for, never the one of the till's session: posd reads key codes. The
keys of a layout stand in the order of `KEYS`; facts after xkb-data (pc105).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

KEYS: tuple[int, ...] = (41, *range(2, 14), *range(16, 28), *range(30, 41), 43, 86, *range(44, 54))
"""evdev codes of the 48 character keys: grave and digits row, q row, a row with the key beside Enter, z row."""

SPACE = 57
NOTHING = "\0"
"""Stands in a row where a key gives no character."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``levels``: key code → what it gives plain, with Shift, with AltGr, with both. ``dead``: characters whose key
    waits for the next one; a reader types Space after it to get the character itself."""

    name: str
    levels: Mapping[int, str]
    dead: frozenset[tuple[int, int]] = field(default_factory=frozenset)


def _layout(
    name: str,
    plain: str,
    shifted: str,
    altgr: Mapping[str, str] | str = "",
    shifted_altgr: str = "",
    dead: str = "",
) -> Layout:
    """``altgr``: either a whole row, or plain character → what its key gives with AltGr. ``dead``: the characters that
    are dead keys on the first two levels."""
    third = altgr if isinstance(altgr, str) else "".join(altgr.get(character, NOTHING) for character in plain)
    rows = [row.ljust(len(KEYS), NOTHING) for row in (plain, shifted, third, shifted_altgr)]
    levels = {code: "".join(row[n] for row in rows) for n, code in enumerate(KEYS)}
    levels[SPACE] = "    " if name != "ir" else " \u200c\u00a0\u202f"
    waiting = {
        (code, level)
        for code, given in levels.items()
        for level, character in enumerate(given[:2])
        if character in dead
    }
    return Layout(name, MappingProxyType(levels), frozenset(waiting))


_US = _layout(
    "us",
    "`1234567890-=" + "qwertyuiop[]" + "asdfghjkl;'\\" + "<zxcvbnm,./",
    '~!@#$%^&*()_+' + "QWERTYUIOP{}" + 'ASDFGHJKL:"|' + ">ZXCVBNM<>?",
)  # fmt: skip
_GB = _layout(
    "gb",
    "`1234567890-=" + "qwertyuiop[]" + "asdfghjkl;'#" + "\\zxcvbnm,./",
    '¬!"£$%^&*()_+' + "QWERTYUIOP{}" + "ASDFGHJKL:@~" + "|ZXCVBNM<>?",
    altgr={"`": "|", "4": "€"},
)  # fmt: skip
_DE = _layout(
    "de",
    "^1234567890ß´" + "qwertzuiopü+" + "asdfghjklöä#" + "<yxcvbnm,.-",
    '°!"§$%&/()=?`' + "QWERTZUIOPÜ*" + "ASDFGHJKLÖÄ'" + ">YXCVBNM;:_",
    altgr={"7": "{", "8": "[", "9": "]", "0": "}", "ß": "\\", "q": "@", "e": "€", "+": "~", "<": "|", "m": "µ"},
    dead="^´`",
)  # fmt: skip
_FR = _layout(
    "fr",
    "²&é\"'(-è_çà)=" + "azertyuiop^$" + "qsdfghjklmù*" + "<wxcvbn,;:!",
    "~1234567890°+" + "AZERTYUIOP¨£" + "QSDFGHJKLM%µ" + ">WXCVBN?./§",
    altgr={'é': "~", '"': "#", "'": "{", "(": "[", "-": "|", "è": "`", "_": "\\", "ç": "^", "à": "@", ")": "]",
           "=": "}", "e": "€", "$": "¤"},
    dead="^¨",
)  # fmt: skip
_TR = _layout(
    "tr",
    '"1234567890*-' + "qwertyuıopğü" + "asdfghjklşi," + "<zxcvbnmöç.",
    "é!'^+%&/()=?_" + "QWERTYUIOPĞÜ" + "ASDFGHJKLŞİ;" + ">ZXCVBNMÖÇ:",
    altgr={'"': "<", "1": ">", "2": "£", "3": "#", "4": "$", "7": "{", "8": "[", "9": "]", "0": "}", "*": "\\",
           "-": "|", "q": "@", "e": "€", "ü": "~", ",": "`", "<": "|"},
)  # fmt: skip
_IR = _layout(
    "ir",
    "\u200d۱۲۳۴۵۶۷۸۹۰-=" + "ضصثقفغعهخحجچ" + "شسیبلاتنمکگ\\" + "<ظطزرذدپو./",
    "÷!٬٫﷼٪×،*)(ـ+" + "\u0652\u064c\u064d\u064b\u064f\u0650\u064e\u0651][}{" + "ؤئيإأآة»«:؛|" + ">كٓژٰ\u200c\u0654ء><؟",
    altgr="~`@#$%^&•\u200e\u200f_−" + "°" + NOTHING * 6 + "\u202d\u202e\u202c\u202a\u202b"
    + NOTHING * 2 + "ى" + NOTHING * 2 + "ٱ" + NOTHING + "﴾﴿;\"‐" + "|" + NOTHING * 3 + "ٖ\u200d\u0655…,'?",
    shifted_altgr=NOTHING + "1234567890",
)  # fmt: skip

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {layout.name: layout for layout in (_US, _GB, _DE, _FR, _TR, _IR)},
)
"""By the names that xkb uses."""
