"""Swipes as text: tracks out of them, and never half a number."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from posd.cards.iso7813 import Swipe, is_swipe, parse_swipe, primary_number, swipe_text
from posd.cards.reads import Refusal, RejectReason

TRACK_1 = st.text(alphabet=[chr(c) for c in range(0x20, 0x60) if chr(c) not in "%;+?"], min_size=2, max_size=76)
TRACK_2 = st.text(alphabet="0123456789=:<>", min_size=1, max_size=37)
TRACK_3 = st.text(alphabet="0123456789=", min_size=1, max_size=104)


def tracks(text: str) -> dict[int, str]:
    swipe = parse_swipe(text)
    assert isinstance(swipe, Swipe), swipe
    return swipe.tracks


def why(text: str) -> RejectReason:
    swipe = parse_swipe(text)
    assert isinstance(swipe, Refusal), swipe
    assert not any(character.isdigit() and character not in "123" for character in swipe.detail)
    return swipe.reason


@pytest.mark.complaint(26)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%B654321^DOE/JOHN?", {1: "B654321^DOE/JOHN"}),
        (";0090073029910=?", {2: "0090073029910="}),
        ("%A?;1?+2?", {1: "A", 2: "1", 3: "2"}),
        ("%A?;1?;2?", {1: "A", 2: "1", 3: "2"}),
        (";1?;2?", {2: "1", 3: "2"}),
        (";1?+2?", {2: "1", 3: "2"}),
        ("+345=345?", {3: "345=345"}),
        ("%A?\r;1?\r+2?\r", {1: "A", 2: "1", 3: "2"}),
        ("\r\n%A?\t;1?\r\n", {1: "A", 2: "1"}),
        ("%abc/d?", {1: "ABC/D"}),
        ("%?;1?", {2: "1"}),
        ("%01?;23?;45?", {1: "01", 2: "23", 3: "45"}),
        ("%  AA 00  RN^ABC?", {1: "  AA 00  RN^ABC"}),
        ("%A?@1?+2?", {1: "A", 2: "1", 3: "2"}),
        ("%A?;1?!2?", {1: "A", 2: "1", 3: "2"}),
        ("%A?;1?#2?", {1: "A", 2: "1", 3: "2"}),
        ("%A?;1?\r&2?", {1: "A", 2: "1", 3: "2"}),
        ("%A#B!C&D@E?;1?", {1: "A#B!C&D@E", 2: "1"}),
        ("%AB?9;23?5#45?", {1: "AB", 2: "23", 3: "45"}),
    ],
)
def test_tracks_of_a_swipe(text: str, expected: dict[int, str]) -> None:
    assert tracks(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("%B1234", RejectReason.PARTIAL),
        ("%B1234?;567", RejectReason.PARTIAL),
        ("%B12;34?", RejectReason.PARTIAL),
        ("%B12%34?", RejectReason.PARTIAL),
        (";12;34?", RejectReason.PARTIAL),
        ("%" + "A" * 77 + "?", RejectReason.PARTIAL),
        (";" + "1" * 38 + "?", RejectReason.PARTIAL),
        ("%A?;1?%A?;1?", RejectReason.PARTIAL),
        ("%A?;1?;2?;3?", RejectReason.PARTIAL),
        ("%E?%E?", RejectReason.PARTIAL),
        (";12A4?", RejectReason.UNREADABLE),
        (";1۲34?", RejectReason.UNREADABLE),
        ("%A\x1dB?", RejectReason.UNREADABLE),
        ("%A?xyz;1?", RejectReason.UNREADABLE),
        ("%A?;1?zzz", RejectReason.UNREADABLE),
        ("B1234?", RejectReason.UNREADABLE),
        ("%E?;E?+E?", RejectReason.UNREADABLE),
        ("\x7f0123456789\x7f", RejectReason.UNREADABLE),
        ("%A?\x7f01\x7f", RejectReason.UNREADABLE),
        ("%?;?", RejectReason.UNREADABLE),
        ("", RejectReason.UNREADABLE),
        (";23?6", RejectReason.BAD_CHECK),
        ("%AB?x;23?", RejectReason.BAD_CHECK),
    ],
)
def test_what_is_no_swipe_says_why(text: str, reason: RejectReason) -> None:
    assert why(text) is reason


def test_a_track_that_did_not_decode_is_told_apart_from_one_that_is_not_there() -> None:
    assert parse_swipe("%E?;123?") == Swipe({2: "123"}, (1,))
    assert parse_swipe("%E?x;123?") == Swipe({2: "123"}, (1,)), "nobody can check the LRC of nothing"
    assert parse_swipe("%E1?") == Swipe({1: "E1"})


def test_a_swipe_shows_no_digit() -> None:
    assert repr(parse_swipe("%B9876^A?;9876?")) == "Swipe(tracks=(1, 2), failed=())"


@given(
    st.none() | TRACK_1, st.none() | TRACK_2, st.none() | TRACK_3, st.booleans(), st.sampled_from(["", "\r", "\r\n"])
)
def test_round_trip(track1: str | None, track2: str | None, track3: str | None, lrcs: bool, enter: str) -> None:
    expected = {n: data for n, data in ((1, track1), (2, track2), (3, track3)) if data is not None}
    assume(expected and "E" not in expected.values())
    text = swipe_text(track1, track2, track3, lrcs=lrcs)
    if enter and not lrcs:
        text = text.replace("?", "?" + enter)
    assert tracks(text) == expected


@given(TRACK_1, TRACK_2, st.data())
def test_a_swipe_cut_anywhere_is_never_a_shorter_number(track1: str, track2: str, data: st.DataObject) -> None:
    assume(track1 != "E")
    whole = swipe_text(track1, track2)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    swipe = parse_swipe(cut)
    assert isinstance(swipe, Refusal) or swipe.tracks == {1: track1}


@given(TRACK_2, st.data())
def test_one_wrong_character_is_found_by_the_lrc(track2: str, data: st.DataObject) -> None:
    text = swipe_text(track2=track2, lrcs=True)
    place = data.draw(st.integers(1, len(track2)))
    wrong = data.draw(st.sampled_from("0123456789").filter(lambda c: c != text[place]))
    assume(text[-1] not in "%;+" and wrong != text[place])
    assert why(text[:place] + wrong + text[place + 1 :]) is RejectReason.BAD_CHECK


PIECES = st.sampled_from(["%", ";", "+", "?", "E", "\r", "@", "#", "\x7f", "^", "=", "4111111111111111", "5"])


@pytest.mark.fuzz
@settings(deadline=None)
@given(st.text(max_size=60) | st.lists(PIECES, max_size=20).map("".join))
def test_any_text_is_a_swipe_or_a_reason(text: str) -> None:
    for candidate in (text, "%" + text, ";" + text + "?"):
        assert isinstance(parse_swipe(candidate), Swipe | Refusal)


@pytest.mark.parametrize(
    ("text", "swipe"),
    [
        ("%A?", True),
        (";1", True),
        ("+1?", True),
        ("\x7f01\x7f", True),
        ("@1?", False),
        ("#1?", False),
        ("\r%A?", True),
        ("+989120001234", False),
        ("400638", False),
        ("", False),
    ],
)
def test_the_sentinel_decides(text: str, swipe: bool) -> None:
    assert is_swipe(text) is swipe


@pytest.mark.parametrize(
    ("track", "data", "number"),
    [
        (1, "B4111^A", "4111"),
        (1, "4111^A", "4111"),
        (2, "4111=25", "4111"),
        (3, "014111=25", "4111"),
        (2, "=", ""),
        (1, "", ""),
    ],
)
def test_primary_number(track: int, data: str, number: str) -> None:
    assert primary_number(track, data) == number
