"""The numeric pad of a keyboard, and the characters that are spelt on it: Left Alt held, digits, Left Alt released.

Scanners set to "ALT mode" type everything so, because it works under any layout of the PC. Linux delivers it faithfully
only when each digit is released before the next: a firmware that packs all digits of a character into one USB report
loses the repeated ones on its way through the kernel, and ``Alt+080`` arrives as ``08``. That is seen, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping

RELEASE, PRESS = 0, 1

KEYPAD: Mapping[int, str] = {
    **dict(zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789", strict=True)),
    83: ".",
    98: "/",
    55: "*",
    74: "-",
    78: "+",
    117: "=",
    121: ",",
}
"""evdev codes. Num Lock does not matter: no reader sends cursor keys."""

UNTOLD = "\ufffd"
"""Stands for a character that was typed and cannot be told."""

_DIGITS_OF_A_CODE = (3, 4)
"""Scanners send ``Alt+ddd`` or ``Alt+0ddd``. Fewer means that digits were lost: 111 in one report arrives as 1."""


class AltCode:
    """One character that is being spelt."""

    def __init__(self) -> None:
        self._digits = ""
        self._held: set[int] = set()
        self._broken = False

    def feed(self, code: int, value: int) -> None:
        """A key of the pad goes down or up."""
        if value == RELEASE:
            self._held.discard(code)
        elif value == PRESS:
            # Two at once are one report with several digits, in which equal ones are swallowed.
            self._broken |= bool(self._held) or not KEYPAD[code].isdecimal()
            self._held.add(code)
            self._digits += KEYPAD[code]

    def character(self) -> str:
        """What it spells, now that Alt is up: ASCII, or `UNTOLD`. Beyond ASCII the meaning hangs on the code page of
        the PC that the scanner was set up for, and nobody here knows which."""
        if self._broken or len(self._digits) not in _DIGITS_OF_A_CODE:
            return UNTOLD
        number = int(self._digits)
        return chr(number) if 0 < number < 0x80 else UNTOLD
