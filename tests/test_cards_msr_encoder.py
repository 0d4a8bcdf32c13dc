"""The protocol of MSR605 encoders: swipes out of their answers, and no command that changes a card."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.cards import msr_encoder
from posd.cards.iso7813 import Swipe, parse_swipe
from posd.cards.msr_encoder import (
    CUT_OFF,
    EMPTY_STRIPE,
    LONGEST_ANSWER,
    MALFORMED,
    AnswerParser,
    Command,
    EncoderRead,
    packet_payload,
    to_packets,
)
from posd.cards.reads import RejectReason, parse_flaw
from tests.fakes.msr_encoder import HARMFUL, answer

TRACK_1 = b"%M98100012^A/B^2512?"
TRACK_2 = b";98100012=2512?"
TRACK_3 = b";0012345?"


def parse(*data: bytes) -> list[bytes | str | None]:
    parser = AnswerParser()
    reads: list[EncoderRead] = []
    for part in data:
        reads += parser.feed(part)
    reads += parser.give_up()
    assert not parser.is_inside
    return [read.flaw or read.payload for read in reads]


def test_posd_has_no_command_that_changes_a_card_or_a_setting() -> None:
    commands = {command.value for command in Command}
    assert not commands & HARMFUL
    assert commands == {b"\x1b" + bytes([code]) for code in b"aertv\x81\x83\x87"}
    assert not [name for name in dir(msr_encoder) if "write" in name.lower() or "erase" in name.lower()]


def test_the_manuals_own_example() -> None:
    """§8, Read Data: tracks 01, 23 and 45."""
    told = bytes.fromhex("1b731b012530313f1b023b32333f1b033b34353f3f1c1b30")
    assert told == answer(b"%01?", b";23?", b";45?")
    assert parse(told) == [b"%01?\r;23?\r+45?"]


@pytest.mark.complaint(26)
@pytest.mark.parametrize(
    ("told", "payload"),
    [
        (answer(TRACK_1, TRACK_2, TRACK_3), TRACK_1 + b"\r" + TRACK_2 + b"\r+0012345?"),
        (answer(b"", TRACK_2, b""), TRACK_2),
        (answer(b"", TRACK_2), TRACK_2),
        (answer(b"\x1b+", TRACK_2, b"\x1b+"), TRACK_2),
        (answer(TRACK_1), TRACK_1),
        (answer(b"", b"", TRACK_3), b"+0012345?"),
        (answer(b"\x1b*", TRACK_2, b"\x1b+"), b"%E?\r" + TRACK_2),
        (answer(TRACK_1, b"\x1b*", b"\x1b*"), TRACK_1 + b"\r;E?\r+E?"),
        (answer(b"%?", TRACK_2, b""), b"%?\r" + TRACK_2),
        (b"noise\x00\x1b" + answer(b"", TRACK_2, b""), TRACK_2),
        (b"\x1b0\x1by" + answer(b"", TRACK_2, b""), TRACK_2),
    ],
)
def test_a_swipe(told: bytes, payload: bytes) -> None:
    assert parse(told) == [payload]
    assert isinstance(parse_swipe(payload.decode()), Swipe)


def test_track_3_alone_is_not_taken_for_track_2() -> None:
    (payload,) = parse(answer(b"", b"", TRACK_3))
    assert isinstance(payload, bytes)
    swipe = parse_swipe(payload.decode())
    assert isinstance(swipe, Swipe)
    assert swipe.tracks == {3: "0012345"}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (answer(TRACK_1, TRACK_2, TRACK_3, status=b"1"), RejectReason.UNREADABLE),
        (answer(b"", b"", b"", status=b"2"), RejectReason.UNREADABLE),
        (answer(b"", b"", b"", status=b"9"), RejectReason.PARTIAL),
        (answer(b"", TRACK_2, b"", status=b"\xff"), RejectReason.UNREADABLE),
        (b"\x1b1", RejectReason.UNREADABLE),
        (b"\x1b2", RejectReason.UNREADABLE),
        (b"\x1b4", RejectReason.UNREADABLE),
        (b"\x1b9", RejectReason.PARTIAL),
        (b"\x1bA", RejectReason.UNREADABLE),
    ],
)
def test_a_status_is_a_flaw_with_a_reason(told: bytes, reason: RejectReason) -> None:
    (flaw,) = parse(told)
    assert isinstance(flaw, str)
    assert parse_flaw(flaw)[0] is reason
    assert "98100012" not in flaw
    assert parse(told + answer(b"", TRACK_2, b""))[-1] == TRACK_2, "and the next swipe is whole"


@pytest.mark.parametrize(
    ("told", "flaw"),
    [
        (answer(b"", b"", b""), EMPTY_STRIPE),
        (answer(b"\x1b+", b"\x1b+", b"\x1b+"), EMPTY_STRIPE),
        (answer(), EMPTY_STRIPE),
        (answer(b"", b"98100012", b""), MALFORMED),
        (answer(b"", b";98100012", b""), MALFORMED),
        (answer(b"", b"%98100012?", b""), MALFORMED),
        (answer(b"", b";9810\x000012?", b""), MALFORMED),
        (answer(TRACK_1, TRACK_2)[:-8], CUT_OFF),
    ],
)
def test_what_is_no_swipe_is_a_flaw(told: bytes, flaw: str) -> None:
    assert parse(told) == [flaw]


def test_an_answer_may_come_byte_by_byte() -> None:
    told = answer(TRACK_1, TRACK_2, TRACK_3)
    assert parse(*(bytes([byte]) for byte in 2 * told)) == 2 * parse(told)


def test_a_second_answer_inside_the_first_ends_it() -> None:
    for cut in range(2, len(answer(TRACK_1, TRACK_2)) - 2):
        assert parse(answer(TRACK_1, TRACK_2)[:cut], answer(b"", TRACK_2, b"")) == [CUT_OFF, TRACK_2]


def test_the_rest_of_an_answer_is_no_swipe() -> None:
    told = answer(TRACK_1, TRACK_2, TRACK_3)
    for cut in range(1, len(told)):
        assert parse(told[cut:]) in ([], [CUT_OFF]), cut


def test_an_answer_that_never_ends_is_dropped() -> None:
    assert parse(b"\x1bs\x1b\x01%" + b"A" * LONGEST_ANSWER, b"A" * 99 + answer(b"", TRACK_2)) == [MALFORMED, TRACK_2]


def test_no_digit_is_in_a_repr() -> None:
    assert "98100012" not in repr(EncoderRead(TRACK_2))


@pytest.mark.parametrize("length", [0, 1, 2, 62, 63, 64, 126, 127, 240])
def test_packets_of_the_msr605x(length: int) -> None:
    message = bytes(range(length))
    packets = to_packets(message)
    assert all(len(packet) == 64 for packet in packets)
    assert [bool(packet[0] & 0x80) for packet in packets] == [n == 0 for n in range(len(packets))]
    assert [bool(packet[0] & 0x40) for packet in packets] == [n == len(packets) - 1 for n in range(len(packets))]
    assert b"".join(map(packet_payload, packets)) == message


def test_a_command_is_one_packet() -> None:
    assert to_packets(Command.READ_ISO.value) == [b"\xc2\x1br" + bytes(61)]


@pytest.mark.parametrize("report", [b"", bytes(63), bytes(65), b"\xc2\x1by"])
def test_a_report_of_another_length_is_no_packet(report: bytes) -> None:
    assert packet_payload(report) == b""


PARTS = st.binary(max_size=40) | st.sampled_from(
    [answer(TRACK_1, TRACK_2, TRACK_3), TRACK_2, b"\x1bs", b"?\x1c\x1b0", b"\x1b\x02", b"\x1b1", b"\x1b+", b"\x1b*"]
)


@pytest.mark.fuzz
@settings(deadline=None)
@given(st.lists(PARTS, max_size=12))
def test_whatever_comes_is_a_swipe_or_a_flaw(parts: list[bytes]) -> None:
    parser = AnswerParser()
    reads = [read for part in parts for read in parser.feed(part)]
    assert len(parser.give_up()) <= 1
    for read in reads:
        assert bool(read.payload) != bool(read.flaw)
        assert read.flaw or read.payload[:1] in b"%;+"


@pytest.mark.fuzz
@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"", b"\x1b+", TRACK_1]) | st.just(TRACK_2), max_size=3),
    st.lists(st.integers(1, 20), min_size=1, max_size=9),
)
def test_how_an_answer_is_cut_does_not_matter(tracks: list[bytes], sizes: list[int]) -> None:
    told, parts, at = answer(*tracks), list[bytes](), 0
    while at < len(told):
        size = sizes[len(parts) % len(sizes)]
        parts.append(told[at : at + size])
        at += size
    assert parse(*parts) == parse(told)


@pytest.mark.fuzz
@settings(deadline=None)
@given(st.binary(max_size=70))
def test_any_report_is_a_packet_or_nothing(report: bytes) -> None:
    assert packet_payload(report) in report
