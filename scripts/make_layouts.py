"""Writes ``posd/cards/layout_tables.py``: what each key gives on the keyboards that readers can be programmed for.

Source: Debian's xkb-data (MIT/X11) through libxkbcommon. Both must be installed; a till needs neither.
"""

from __future__ import annotations

import subprocess
import unicodedata
from pathlib import Path

from scripts.xkbcommon import LEFTSHIFT, LEVEL3, NUMLOCK, XkbKeyboard

FILE = Path(__file__).parents[1] / "posd" / "cards" / "layout_tables.py"

LAYOUTS = (
    *("us", "gb", "de", "de_nodeadkeys", "fr", "be", "ch_de", "ch_fr", "es", "it", "pt", "br", "nl", "se", "no", "dk"),
    *("fi", "pl", "cz", "hu", "tr", "ru", "gr", "il", "ir", "ara", "af", "in", "th", "jp", "ca_fr"),
)
KEYS = (41, *range(2, 14), *range(16, 28), *range(30, 41), 43, 86, *range(44, 54), 57, 89, 124)
"""Grave and digits row, q row, a row with the key beside Enter, z row, space, and the two keys that only Brazilian and
Japanese keyboards have (KEY_RO, KEY_YEN)."""
LEVELS = ((), (LEFTSHIFT,), (LEVEL3,), (LEVEL3, LEFTSHIFT))
NOTHING = "\0"

_HEADER = '''\
"""Made by scripts/make_layouts.py from xkb-data {version}; do not edit, run `make tables`.

Of each layout what `KEYS` give plain, with Shift, with AltGr, with both; then which of them are dead keys: per key one
hex digit, its bits the four levels.
"""

from __future__ import annotations

from collections.abc import Mapping

XKB_DATA = "{version}"

# ruff: noqa: E501
# fmt: off
KEYS: tuple[int, ...] = (
{keys}
)

NOTHING = "\\x00"
"""Stands where a key gives no character."""

ROWS: Mapping[str, tuple[str, str, str, str, str]] = {{
'''


def main() -> None:
    """Write the file anew."""
    FILE.write_text(module(installed_version()), "utf-8")


def module(version: str) -> str:
    """The text of the generated module. ``version``: of the xkb-data that is installed."""
    keys = "\n".join(f"    {', '.join(map(str, KEYS[n : n + 16]))}," for n in range(0, len(KEYS), 16))
    parts = [_HEADER.format(version=version, keys=keys)]
    for layout in LAYOUTS:
        rows = "".join(f"        {_literal(row)},\n" for row in table(layout))
        parts.append(f'    "{layout}": (\n{rows}    ),\n')
    return "".join([*parts, "}\n"])


def table(layout: str) -> list[str]:
    """The four rows of characters and the row of dead keys."""
    with XkbKeyboard(layout) as keyboard:
        keyboard.tap(NUMLOCK)
        rows, dead = [], [0] * len(KEYS)
        for level, modifiers in enumerate(LEVELS):
            keyboard.press(*modifiers)
            row = [_one(keyboard.character(code)) for code in KEYS]
            for n, code in enumerate(KEYS):
                dead[n] |= (keyboard.is_dead(code) and row[n] != NOTHING) << level
            keyboard.release(*modifiers)
            rows.append("".join(row))
        return [*rows, "".join(f"{mask:x}" for mask in dead)]


def installed_version() -> str:
    """Of xkb-data, as Debian names it."""
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version}", "xkb-data"], capture_output=True, text=True, check=True
    )
    return shown.stdout


def _one(text: str) -> str:
    """Keys that type several characters, or control characters, type none of a card's."""
    return text if len(text) == 1 and unicodedata.category(text) != "Cc" else NOTHING


def _literal(row: str) -> str:
    """A Python string in double quotes: Latin letters and signs as they are, everything else by number."""
    return f'"{"".join(map(_escaped, row))}"'


def _escaped(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    if character == NOTHING:
        return "\\x00"
    shown = " " <= character <= "~" or "\u00ae" <= character < "\u0180" or character in "¡¢£¤¥¦§¨©ª«¬"
    return character if shown else f"\\u{ord(character):04x}"


if __name__ == "__main__":
    main()
