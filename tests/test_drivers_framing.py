"""Framing of serial lines: bytes and times in, reads out, and never a shorter number."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.cards.reads import RejectReason, parse_flaw
from posd.drivers.framing import (
    DAMAGED,
    LONGEST_READ,
    NO_START,
    NO_SUFFIX,
    REST_NS,
    SSI_PACKET,
    STRAY_BYTES,
    TOO_LONG,
    Frame,
    Framer,
    Suffix,
)

SILENCE_NS = 100_000_000
NUMBER = b"6331940000012345"
ON_THE_LINE = {
    Suffix.CR_OR_LF: b"%s\r\n",
    Suffix.CR: b"%s\r",
    Suffix.LF: b"%s\n",
    Suffix.CRLF: b"%s\r\n",
    Suffix.TAB: b"%s\t",
    Suffix.STX_ETX: b"\x02%s\x03",
    Suffix.LENGTH_1: b"\x10%s",
    Suffix.LENGTH_2: b"\x00\x10%s",
    Suffix.FIXED: b"%s",
}
"""`NUMBER` as a reader of each kind sends it; without `Suffix.NONE`, where only time divides."""

each_suffix = pytest.mark.parametrize("suffix", ON_THE_LINE)


def framer_of(suffix: Suffix, deaf_until_ns: int = 0) -> Framer:
    return Framer(suffix, SILENCE_NS, len(NUMBER) if suffix is Suffix.FIXED else 0, deaf_until_ns)


def hear(framer: Framer, *heard: tuple[int, bytes]) -> list[bytes | str | None]:
    """Data or flaw of each frame. ``heard``: milliseconds and bytes; then the line is silent."""
    frames: list[Frame] = []
    for at_ms, data in heard:
        frames += framer.feed(data, at_ms * 1_000_000)
    if framer.deadline_ns is not None:
        frames += framer.expire(framer.deadline_ns)
    assert framer.deadline_ns is None
    return [frame.flaw or frame.data for frame in frames]


@each_suffix
def test_what_follows_a_read_belongs_to_the_next(suffix: Suffix) -> None:
    one = ON_THE_LINE[suffix] % NUMBER
    assert hear(framer_of(suffix), (0, 3 * one)) == 3 * [NUMBER]
    assert hear(framer_of(suffix), (0, one + one[:5]), (1, one[5:])) == 2 * [NUMBER]
    assert hear(framer_of(suffix), *enumerate(bytes([byte]) for byte in 2 * one)) == 2 * [NUMBER]


@each_suffix
@pytest.mark.complaint(9)
def test_neither_part_of_a_read_that_pauses_too_long_becomes_a_number(suffix: Suffix) -> None:
    one = ON_THE_LINE[suffix] % NUMBER
    cuts = range(1, len(one) - (2 if one.endswith(b"\r\n") else 1))
    for cut in cuts:
        late_ms = SILENCE_NS // 1_000_000 + 1
        heard = hear(framer_of(suffix), (0, one[:cut]), (late_ms, one[cut:]), (2_000, one))
        assert heard[-1] == NUMBER, "and the next read is whole"
        assert all(flaw in (NO_SUFFIX, NO_START, STRAY_BYTES) for flaw in heard[:-1]), heard
        assert heard[:-1], "it is told"


@pytest.mark.parametrize("pauses", [2, 3, 5])
def test_a_read_that_pauses_again_and_again_is_no_number_either(pauses: int) -> None:
    parts = [(150 * n, b"%04d" % n) for n in range(pauses)]
    assert hear(framer_of(Suffix.CR), *parts, (150 * pauses, b"99\r"), (5_000, b"1234\r")) == [NO_SUFFIX, b"1234"]


def test_a_scan_long_after_half_a_read_is_whole() -> None:
    rest_ms = REST_NS // 1_000_000
    assert hear(framer_of(Suffix.CR), (0, b"12"), (200 + rest_ms, b"1234\r")) == [NO_SUFFIX, b"1234"]
    assert hear(framer_of(Suffix.CR), (0, b"12"), (rest_ms, b"34\r5678\r")) == [NO_SUFFIX, b"5678"]


@each_suffix
def test_what_began_before_the_line_was_opened_is_skipped_to_its_end(suffix: Suffix) -> None:
    one = ON_THE_LINE[suffix] % NUMBER
    framer = framer_of(suffix, deaf_until_ns=20_000_000)
    assert hear(framer, (10, one[7:]), (1_000, one)) == [NUMBER]


def test_silence_closes_only_where_nothing_else_does() -> None:
    assert hear(framer_of(Suffix.NONE), (0, b"12"), (50, b"34"), (300, b"56")) == [b"1234", b"56"]


@each_suffix
def test_a_line_that_never_ends_is_told_once_and_the_next_read_is_whole(suffix: Suffix) -> None:
    endless = {Suffix.LENGTH_2: b"\xff\xff", Suffix.STX_ETX: b"\x02"}.get(suffix, b"") + b"x" * 3 * LONGEST_READ
    if suffix in (Suffix.FIXED, Suffix.LENGTH_1):
        return  # their reads always end
    chunks = [(n, endless[at : at + 512]) for n, at in enumerate(range(0, len(endless), 512))]
    heard = hear(framer_of(suffix), *chunks, (2_000, ON_THE_LINE[suffix] % NUMBER))
    assert heard == [TOO_LONG, NUMBER]


def test_the_first_suffix_behind_too_much_ends_it() -> None:
    for framer, end in ((framer_of(Suffix.CR_OR_LF), b"\r"), (framer_of(Suffix.CRLF), b"\r\n")):
        heard = [(n, b"x" * 512) for n in range(12)]
        assert hear(framer, *heard, (13, b"y" + end[:1]), (14, end[1:] + b"GOOD" + end)) == [TOO_LONG, b"GOOD"]


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"\x02123\x03", [b"123"]),
        (b"noise\x02123\x03\r\n", [b"123"]),
        (b"\x02half\x02123\x03", [b"123"]),
        (b"half\x03\x02123\x03", [NO_START, b"123"]),
        (b"123\x03", [NO_START]),
        (b"\x02123", [NO_SUFFIX]),
        (b"\r\n\x02\x03", []),
    ],
)
def test_stx_and_etx(sent: bytes, heard: list[bytes | str]) -> None:
    assert hear(framer_of(Suffix.STX_ETX), (0, sent)) == heard


def test_one_frame_of_stx_and_etx_comes_off_whatever_the_suffix() -> None:
    assert hear(framer_of(Suffix.CR_OR_LF), (0, b"\x02123\x03\r\n")) == [b"123"]
    assert hear(framer_of(Suffix.NONE), (0, b"\x02123\r\x03")) == [b"123"]


@pytest.mark.parametrize("damage", [b"\x00", b"\x02", b"\x03", b"\x11", b"\x13"])
def test_a_damaged_byte_is_never_left_out(damage: bytes) -> None:
    """Stripped, a flipped bit in 1 (XON) or 3 (XOFF), or a parity error (NUL) would make a shorter number."""
    assert hear(framer_of(Suffix.CR), (0, b"12" + damage + b"34\r"), (1, b"1234\r")) == [DAMAGED, b"1234"]
    half = hear(framer_of(Suffix.CR), (0, b"12" + damage + b"34"), (300, b"56\r"), (2_000, b"1234\r"))
    assert half == [DAMAGED, b"1234"]


@pytest.mark.parametrize("noise", [b"\x00", b"\x00\x00\x7f", b"\x1b\x00"])
def test_bytes_without_a_character_are_noise_and_spoil_nothing(noise: bytes) -> None:
    assert hear(framer_of(Suffix.CR), (0, noise), (200, b"1234\r")) == [STRAY_BYTES, b"1234"]
    assert parse_flaw(STRAY_BYTES)[0] is RejectReason.NOISE


def test_separators_of_gs1_and_iso_15434_are_data() -> None:
    data = b"[)>\x1e06\x1d1P123\x1e\x04"
    assert hear(framer_of(Suffix.CR), (0, data + b"\r")) == [data]


def ssi_packet(data: bytes) -> bytes:
    """Decode data in Symbol's serial interface: length, opcode, source, status, type of code, data, checksum."""
    body = bytes([len(data) + 5, 0xF3, 0x00, 0x00, 0x0B]) + data
    return body + (-sum(body) & 0xFFFF).to_bytes(2, "big")


def test_a_symbol_packet_names_the_switch_that_is_wrong() -> None:
    for suffix in (Suffix.CR_OR_LF, Suffix.NONE, Suffix.TAB):
        assert hear(framer_of(suffix), (0, ssi_packet(b"4006381333931"))) == [SSI_PACKET]
    damaged = ssi_packet(b"4006381333931")[:-1] + b"\x01"
    assert SSI_PACKET not in hear(framer_of(Suffix.NONE), (0, damaged))


@pytest.mark.parametrize(("suffix", "length"), [(Suffix.FIXED, 0), (Suffix.FIXED, LONGEST_READ + 1), (Suffix.CR, 8)])
def test_a_length_and_fixed_belong_together(suffix: Suffix, length: int) -> None:
    with pytest.raises(ValueError, match="belong together"):
        Framer(suffix, SILENCE_NS, length)


def test_no_digit_is_in_a_repr() -> None:
    assert "12345" not in repr(Frame(b"12345"))


@pytest.mark.fuzz
@settings(deadline=None)
@given(
    texts=st.lists(st.text(alphabet="0123456789ABC]^%;?=\x1d", min_size=1, max_size=40), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_reads_do_not_depend_on_how_the_line_cuts_them(texts: list[str], cuts: list[int]) -> None:
    stream = "".join(text + "\r\n" for text in texts).encode()
    framer, frames, at, n = framer_of(Suffix.CR_OR_LF), list[Frame](), 0, 0
    while at < len(stream):
        size = cuts[n % len(cuts)]
        frames += framer.feed(stream[at : at + size], now_ns=n)
        at, n = at + size, n + 1
    readable = [text.encode() for text in texts if text.strip("\x1d")]
    assert [frame.data for frame in frames if frame.flaw is None] == readable
    assert framer.deadline_ns is None


@pytest.mark.fuzz
@settings(deadline=None)
@given(
    suffix=st.sampled_from(Suffix),
    heard=st.lists(
        st.tuples(st.integers(0, 700), st.binary(max_size=60) | st.sampled_from(sorted(ON_THE_LINE.values()))),
        max_size=20,
    ),
)
def test_whatever_comes_is_framed_or_a_flaw(suffix: Suffix, heard: list[tuple[int, bytes]]) -> None:
    framer, now_ms = framer_of(suffix), 0
    for after_ms, data in heard:
        now_ms += after_ms
        for frame in framer.feed(data, now_ms * 1_000_000) if data else framer.expire(now_ms * 1_000_000):
            assert bool(frame.data) != bool(frame.flaw)
            assert len(frame.data) <= LONGEST_READ
            assert not set(frame.data) & set(b"\x00\x02\x03\x11\x13")


@pytest.mark.fuzz
@settings(deadline=None)
@given(
    number=st.from_regex(r"[0-9]{4,20}", fullmatch=True),
    parts=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 8)), min_size=1, max_size=8),
    end=st.sampled_from(["\r", "\n", "\r\n"]),
)
def test_no_pause_anywhere_makes_a_shorter_number(number: str, parts: list[tuple[int, int]], end: str) -> None:
    """Pauses below `REST_NS`: a reader that pauses longer than that is not told from a new scan."""
    stream, now_ms, framer, frames = (number + end).encode(), 0, framer_of(Suffix.CR_OR_LF), list[Frame]()
    while stream:
        pause, size = parts[len(stream) % len(parts)]
        now_ms += pause
        frames += framer.feed(stream[:size], now_ms * 1_000_000)
        stream = stream[size:]
    if framer.deadline_ns is not None:
        frames += framer.expire(framer.deadline_ns)
    assert all(frame.data in (b"", number.encode()) for frame in frames)
