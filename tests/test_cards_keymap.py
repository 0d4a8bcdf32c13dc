"""Key codes to text and back, for every layout that a reader can be set to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.keymap import FUNCTION_KEYS, REPEAT, KeyState, Stroke, strokes
from posd.cards.keypad import KEYPAD, PRESS, RELEASE, UNTOLD
from posd.cards.layouts import LAYOUTS, NOTHING

LEFTSHIFT, RIGHTSHIFT, LEFTCTRL, LEFTALT, ALTGR, CAPSLOCK, NUMLOCK = 42, 54, 29, 56, 100, 58, 69
PAD = {sign: code for code, sign in KEYPAD.items()}
TYPABLE = {
    name: "".join(sorted({c for given in layout.levels.values() for c in given} - {NOTHING})) + "\r\t\x1d0123456789"
    for name, layout in LAYOUTS.items()
}


def typed(events: list[Stroke], layout: str = "us", *, caps_lock: bool = False) -> str:
    keys = KeyState(LAYOUTS[layout], caps_lock=caps_lock)
    return "".join(keys.feed(code, value) for code, value in events)


@given(layout=st.sampled_from(sorted(LAYOUTS)), data=st.data())
def test_what_a_layout_can_type_is_read_back(layout: str, data: st.DataObject) -> None:
    text = data.draw(st.text(alphabet=TYPABLE[layout], max_size=60))
    assert typed(strokes(text, layout), layout) == text


LATIN = sorted(set(LAYOUTS) - {"ru", "gr", "il", "ir", "ara", "af", "in", "th"})


@pytest.mark.complaint(1)
@pytest.mark.complaint(3)
@pytest.mark.parametrize("layout", LATIN)
def test_every_character_of_a_card_can_be_typed(layout: str) -> None:
    ascii_signs = "".join(map(chr, range(0x20, 0x7F)))
    assert typed(strokes(ascii_signs, layout), layout) == ascii_signs


def test_a_persian_keyboard_types_ascii_digits_only_with_both_modifiers_or_on_the_pad() -> None:
    assert typed(strokes("0123456789", "ir"), "ir") == "0123456789"
    assert typed(strokes("123", "us"), "ir") == "۱۲۳"


@pytest.mark.complaint(1)
@pytest.mark.complaint(3)
@pytest.mark.parametrize(
    ("layout", "text", "as_us_session_sees_it"),
    [("de", "zy;=", "yz<)"), ("fr", "1a", "!q"), ("tr", "=-", ")="), ("gb", '"@', '@"')],
)
def test_layouts_differ_where_they_should(layout: str, text: str, as_us_session_sees_it: str) -> None:
    assert typed(strokes(text, layout), "us") == as_us_session_sees_it
    assert typed(strokes(text, layout), layout) == text


@pytest.mark.complaint(16)
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
    has_one = any(given[0] == "]" for given in LAYOUTS[layout].levels.values())
    bracket = next(code for code, given in LAYOUTS[layout if has_one else "us"].levels.items() if given[0] == "]")
    assert typed([(LEFTCTRL, PRESS), (bracket, PRESS), (bracket, RELEASE), (LEFTCTRL, RELEASE)], layout) == "\x1d"


def test_control_letters_and_keys_without_a_control_character() -> None:
    ctrl = [(LEFTCTRL, PRESS), (50, PRESS), (36, PRESS), (2, PRESS), (59, PRESS)]  # m, j, 1, F1
    assert typed(ctrl) == "\r\n"
    rs_and_us = [(LEFTCTRL, PRESS), (7, PRESS), (12, PRESS)]
    assert typed(rs_and_us, "de") == "\x1e\x1f"


def test_gs_may_be_a_function_key_for_a_reader_that_is_set_so() -> None:
    f8 = FUNCTION_KEYS["F8"]
    keys = KeyState(LAYOUTS["us"], gs_key=f8)
    assert [keys.feed(f8, PRESS), keys.feed(f8, RELEASE), keys.feed(66 + 1, PRESS)] == ["\x1d", "", ""]
    assert typed([(f8, PRESS)]) == "", "not where nobody said so"


def test_a_dead_key_gives_its_own_sign_and_swallows_the_space_that_asked_for_it() -> None:
    assert typed(strokes("A^B", "de"), "de") == "A^B"
    assert len(strokes("^", "de")) == 4, "dead key, then space"
    assert typed([(41, PRESS), (30, PRESS), (57, PRESS)], "de") == "^a "
    assert typed([(41, PRESS), (28, PRESS), (57, PRESS)], "de") == "^\r "


def test_the_pad_types_digits_whatever_num_lock_says() -> None:
    assert typed([(69, PRESS), *((code, PRESS) for code in KEYPAD)]) == "".join(KEYPAD.values())


def test_altgr_is_a_level_and_so_is_ctrl_with_alt() -> None:
    assert typed([(ALTGR, PRESS), (16, PRESS), (ALTGR, RELEASE), (16, PRESS)], "de") == "@q"
    assert typed([(LEFTCTRL, PRESS), (LEFTALT, PRESS), (16, PRESS)], "de") == "@"


def alt_code(digits: str, alt: int = LEFTALT) -> list[Stroke]:
    """Each digit goes up before the next goes down."""
    return [
        (alt, PRESS),
        *(key for digit in digits for key in ((PAD[digit], PRESS), (PAD[digit], RELEASE))),
        (alt, RELEASE),
    ]


def packed(digits: str) -> list[Stroke]:
    """All digits in one USB report, as the kernel passes it on: it reports changes, so a repeated key comes once."""
    pad = [PAD[digit] for digit in dict.fromkeys(digits)]
    down = [(LEFTALT, PRESS), *((code, PRESS) for code in pad)]
    return [*down, (LEFTALT, RELEASE), *((code, RELEASE) for code in pad)]


@pytest.mark.complaint(15)
@pytest.mark.parametrize("alt", [LEFTALT, ALTGR])
@pytest.mark.parametrize("digits", ["{:03}", "{:04}"])
@pytest.mark.parametrize("layout", ["us", "fr", "ir"])
def test_alt_codes_spell_all_of_ascii_on_any_layout(layout: str, digits: str, alt: int) -> None:
    wanted = "".join(map(chr, range(1, 128)))
    events = [(NUMLOCK, PRESS), (NUMLOCK, RELEASE), *(k for c in wanted for k in alt_code(digits.format(ord(c)), alt))]
    assert typed(events, layout) == wanted


@pytest.mark.complaint(15)
@pytest.mark.parametrize("width", [3, 4])
def test_an_alt_code_that_came_in_one_report_is_never_guessed(width: int) -> None:
    for number in range(1, 128):
        digits = f"{number:0{width}}"
        assert typed([*packed(digits), *strokes("a")]) == UNTOLD + "a"
        assert typed(alt_code(digits)) == chr(number), "control: digit after digit"


@pytest.mark.parametrize("digits", ["000", "128", "0233", "0999", "7", "65", "00065", "06+", "1.2"])
def test_alt_codes_that_mean_nothing_certain_are_not_told(digits: str) -> None:
    assert typed([*alt_code(digits), *strokes("a")]) == UNTOLD + "a"


def test_alt_alone_and_what_was_lost_leave_nothing_behind() -> None:
    assert typed([(LEFTALT, PRESS), (LEFTALT, RELEASE), *strokes("a")]) == "a"
    keys = KeyState(LAYOUTS["us"])
    assert [keys.feed(LEFTALT, PRESS), keys.feed(PAD["0"], PRESS)] == ["", ""]
    assert keys.spelling
    keys.release_all()
    assert not keys.spelling
    assert keys.feed(PAD["7"], PRESS) == "7"


def test_unknown_keys_type_nothing() -> None:
    assert typed([(1, PRESS), (183, PRESS), (0x2FF, PRESS)]) == ""


def test_what_no_key_types_is_an_error_that_names_layout_and_character() -> None:
    with pytest.raises(ValueError, match=r"layout 'us' has no key for '\\u0627'"):
        strokes("ا", "us")
