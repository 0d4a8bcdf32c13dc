"""The table of layouts against libxkbcommon, which types the same keys on xkb-data itself."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest

from posd.cards import layout_tables
from posd.cards.keymap import KEY_ALTGR, KEY_CAPSLOCK, KEY_LEFTCTRL, KEY_LEFTSHIFT, KeyState
from posd.cards.keypad import KEYPAD, PRESS, RELEASE
from posd.cards.layouts import LAYOUTS, SPACE
from scripts import make_layouts
from scripts.xkbcommon import LEVEL3, NUMLOCK, XkbKeyboard

HELD = ((), (KEY_LEFTSHIFT,), (KEY_ALTGR,), (KEY_ALTGR, KEY_LEFTSHIFT))
ALL = pytest.mark.parametrize("layout", LAYOUTS)


@cache
def xkb(layout: str) -> XkbKeyboard:
    """One per layout for the whole run: compiling a keymap takes 10 ms. Whoever holds a key lets it go."""
    return XkbKeyboard(layout)


def ours(layout: str, *codes: int) -> str:
    """All keys go down and stay down; what the last types."""
    keys = KeyState(LAYOUTS[layout])
    return [keys.feed(code, PRESS) for code in codes][-1]


def theirs(layout: str, *codes: int) -> str:
    *held, code = (LEVEL3 if code == KEY_ALTGR else code for code in codes)
    keyboard = xkb(layout)
    keyboard.press(*held)
    typed = keyboard.character(code)
    keyboard.release(*held)
    return typed


def test_the_reference_has_a_layout_for_every_shop() -> None:
    assert len(LAYOUTS) == 31
    assert list(LAYOUTS) == list(make_layouts.LAYOUTS)
    with pytest.raises(KeyError):
        LAYOUTS["xx"]


@ALL
def test_every_key_and_level_is_what_libxkbcommon_types(layout: str) -> None:
    for held in HELD:
        for code in layout_tables.KEYS:
            wanted = theirs(layout, *held, code)
            assert ours(layout, *held, code) == (wanted if len(wanted) == 1 else ""), (held, code)


@ALL
def test_dead_keys_are_the_same_ones(layout: str) -> None:
    """And give the accent alone when Space follows, as pressing them twice does on the desktop."""
    for level, held in enumerate(HELD):
        dead = {code for code, at in LAYOUTS[layout].dead if at == level}
        keyboard = xkb(layout)
        modifiers = tuple(LEVEL3 if code == KEY_ALTGR else code for code in held)
        keyboard.press(*modifiers)
        assert dead == {c for c in layout_tables.KEYS if keyboard.is_dead(c) and len(keyboard.character(c)) == 1}
        keyboard.release(*modifiers)
        for code in dead:
            keys = KeyState(LAYOUTS[layout])
            events = [*((c, PRESS) for c in held), (code, PRESS), *((c, RELEASE) for c in held), (SPACE, PRESS)]
            assert "".join(keys.feed(*event) for event in events) == theirs(layout, *held, code)


@ALL
def test_ctrl_gives_the_same_control_characters(layout: str) -> None:
    """Where the plain sign of the key has one. Elsewhere desktops and scanners differ, and scanners count."""
    for code in layout_tables.KEYS:
        plain = ours(layout, code)
        if ("A" <= plain <= "_" or "a" <= plain <= "z") and not xkb(layout).is_dead(code):
            assert ours(layout, KEY_LEFTCTRL, code) == theirs(layout, KEY_LEFTCTRL, code), code


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"jp"}))  # there the key is Eisū and needs Shift
def test_caps_lock_turns_the_same_letters(layout: str) -> None:
    keyboard = xkb(layout)
    keyboard.tap(KEY_CAPSLOCK)
    for code in layout_tables.KEYS:
        plain, shifted = ours(layout, code), ours(layout, KEY_LEFTSHIFT, code)
        if plain.islower() and (plain, shifted) == (shifted.lower(), plain.upper()):
            assert ours(layout, KEY_CAPSLOCK, code) == theirs(layout, code), code
    keyboard.tap(KEY_CAPSLOCK)


@pytest.mark.complaint(15)
def test_the_pad_is_that_of_the_desktop_with_num_lock() -> None:
    with XkbKeyboard("us") as keyboard:
        keyboard.tap(NUMLOCK)
        assert {code: keyboard.character(code) for code in KEYPAD if code != 121} == {
            code: sign for code, sign in KEYPAD.items() if code != 121
        }


def test_the_committed_table_is_what_the_script_makes() -> None:
    """Byte for byte, but for the version in it; a newer xkb-data that differs is looked at and taken over."""
    installed = make_layouts.installed_version()
    assert make_layouts.module(layout_tables.XKB_DATA) == make_layouts.FILE.read_text("utf-8"), (
        f"made from xkb-data {layout_tables.XKB_DATA}, installed is {installed}; run `make tables` and look at the diff"
    )


def test_one_layout_is_built_without_the_others() -> None:
    code = "from posd.cards import layouts; layouts.LAYOUTS['us']; print(layouts._built.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"
