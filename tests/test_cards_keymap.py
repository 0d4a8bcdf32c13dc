"""Key codes to text and back, for every layout that a reader can be set to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.keymap import KEYPAD, PRESS, RELEASE, REPEAT, KeyState, Stroke, strokes
from posd.cards.layouts import LAYOUTS, NOTHING

LEFTSHIFT, RIGHTSHIFT, LEFTCTRL, LEFTALT, ALTGR, CAPSLOCK = 42, 54, 29, 56, 100, 58
TYPABLE = {
    name: "".join(sorted({c for given in layout.levels.values() for c in given} - {NOTHING})) + "\r\t\x1d0123456789"
    for name, layout in LAYOUTS.items()
}


def typed(events: list[Stroke], layout: str = "us", *, caps_lock: bool = False) -> str:
    keys = KeyState(LAYOUTS[layout], caps_lock=caps_lock)
    return "".join(keys.feed(code, value) for code, value in events)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@given(data=st.data())
def test_what_a_layout_can_type_is_read_back(layout: str, data: st.DataObject) -> None:
    text = data.draw(st.text(alphabet=TYPABLE[layout], max_size=60))
    assert typed(strokes(text, layout), layout) == text


@pytest.mark.parametrize("layout", ["us", "gb", "de", "fr", "tr"])
def test_every_character_of_a_card_can_be_typed(layout: str) -> None:
    track_1 = "".join(map(chr, range(0x20, 0x60)))
    assert typed(strokes(track_1, layout), layout) == track_1


def test_a_persian_keyboard_types_ascii_digits_only_with_both_modifiers_or_on_the_pad() -> None:
    assert typed(strokes("0123456789", "ir"), "ir") == "0123456789"
    assert typed(strokes("123", "us"), "ir") == "۱۲۳"


@pytest.mark.parametrize(
    ("layout", "text", "as_us_session_sees_it"),
    [("de", "zy;=", "yz<)"), ("fr", "1a", "!q"), ("tr", "=-", ")="), ("gb", '"@', '@"')],
)
def test_layouts_differ_where_they_should(layout: str, text: str, as_us_session_sees_it: str) -> None:
    assert typed(strokes(text, layout), "us") == as_us_session_sees_it
    assert typed(strokes(text, layout), layout) == text


@pytest.mark.parametrize("shift", [LEFTSHIFT, RIGHTSHIFT])
def test_both_shifts_count_until_the_last_is_released(shift: int) -> None:
    other = LEFTSHIFT if shift == RIGHTSHIFT else RIGHTSHIFT
    events = [(shift, PRESS), (30, PRESS), (other, PRESS), (shift, RELEASE), (30, PRESS), (other, RELEASE), (30, PRESS)]
    assert typed(events) == "AAa"


def test_key_repeat_and_releases_type_nothing() -> None:
    assert typed([(30, PRESS), (30, REPEAT), (30, REPEAT), (30, RELEASE)]) == "a"


def test_caps_lock_turns_letters_only() -> None:
    events = strokes("aB1;")
    assert typed(events, caps_lock=True) == "Ab1;"
    assert typed([(CAPSLOCK, PRESS), (CAPSLOCK, RELEASE), *events]) == "Ab1;"
    assert typed([(CAPSLOCK, PRESS), (CAPSLOCK, RELEASE), *events], caps_lock=True) == "aB1;"


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_gs_is_ctrl_and_the_right_bracket_key_on_every_layout(layout: str) -> None:
    assert typed([(LEFTCTRL, PRESS), (27, PRESS), (27, RELEASE), (LEFTCTRL, RELEASE)], layout) == "\x1d"


def test_control_letters_and_keys_without_a_control_character() -> None:
    ctrl = [(LEFTCTRL, PRESS), (50, PRESS), (36, PRESS), (2, PRESS), (59, PRESS)]  # m, j, 1, F1
    assert typed(ctrl) == "\r\n"


def test_a_dead_key_gives_its_own_sign_and_swallows_the_space_that_asked_for_it() -> None:
    assert typed(strokes("A^B", "de"), "de") == "A^B"
    assert len(strokes("^", "de")) == 4, "dead key, then space"
    assert typed([(41, PRESS), (30, PRESS), (57, PRESS)], "de") == "^a "


def test_the_pad_types_digits_whatever_num_lock_says() -> None:
    assert typed([(69, PRESS), *((code, PRESS) for code in KEYPAD)]) == "".join(KEYPAD.values())


def test_altgr_is_a_level_and_left_alt_is_not() -> None:
    assert typed([(ALTGR, PRESS), (16, PRESS), (ALTGR, RELEASE), (16, PRESS)], "de") == "@q"
    keys = KeyState(LAYOUTS["us"])
    keys.feed(LEFTALT, PRESS)
    assert keys.alt_held
    keys.release_all()
    assert not keys.alt_held


def test_unknown_keys_type_nothing() -> None:
    assert typed([(1, PRESS), (183, PRESS), (0x2FF, PRESS)]) == ""


def test_what_no_key_types_is_an_error_that_names_layout_and_character() -> None:
    with pytest.raises(ValueError, match=r"layout 'us' has no key for '\\u0627'"):
        strokes("ا", "us")
