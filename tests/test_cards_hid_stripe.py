"""Stripe readers' reports: MagTek, insertion readers, ID TECH. Each read goes on as a keyboard wedge would type it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.hid_descriptor import parse_descriptor
from posd.cards.hid_idtech import is_native, read_native
from posd.cards.hid_reads import STRANGE_REPORT, ReportRead
from posd.cards.hid_stripe import (
    EMPTY,
    ENCRYPTED,
    NO_SENTINELS,
    TOGETHER_NS,
    InsertionParser,
    StripeLayout,
    is_encrypting,
    read_tracks,
    stripe_layout,
)
from posd.cards.iso7813 import MAX_DATA, Swipe, parse_swipe
from tests.fakes.hidraw_devices import (
    ID_TECH_NATIVE,
    MAGTEK,
    MAGTEK_ENCRYPTED,
    MAGTEK_INSERT,
    SYMBOL_COM,
    id_tech_report,
    magtek_report,
)

TRACK_1, TRACK_2, TRACK_3 = "%B6331940000012345^A/B^2512?", ";6331940000012345=2512?", "+016331940000012345=1?"
ID_TECH_LENGTH = 509


def layout_of(descriptor: bytes) -> StripeLayout:
    layout = stripe_layout(parse_descriptor(descriptor).inputs[0])
    assert layout is not None
    return layout


SWIPE, INSERT = layout_of(MAGTEK), layout_of(MAGTEK_INSERT)


def swiped(report: bytes) -> ReportRead:
    return read_tracks(report, SWIPE)


def test_three_tracks_are_three_lines() -> None:
    assert swiped(magtek_report(TRACK_1, TRACK_2, TRACK_3)).data.decode() == f"{TRACK_1}\r{TRACK_2}\r{TRACK_3}"
    assert swiped(magtek_report("", TRACK_2)).data.decode() == TRACK_2
    assert swiped(magtek_report("", "", TRACK_3)).data.decode() == TRACK_3


def test_all_110_bytes_of_a_track_are_read() -> None:
    """Byte 116 is the last of track 1; scripts that slice [7:116] lose it."""
    longest = "+" + "1" * 108 + "?"
    for track in range(3):
        report = magtek_report(*[""] * track, longest)
        assert len(report) == 337
        assert swiped(report).data[1:].decode() == longest[1:]
    assert magtek_report(longest)[116] == ord("?")


def test_start_sentinels_of_other_formats_become_the_usual_ones() -> None:
    """AAMVA and CADL cards begin track 3 otherwise; one swipe must not look like two."""
    for start in ";!#&%":
        assert swiped(magtek_report("", "", f"{start}12?")).data == b"+12?"
    assert swiped(magtek_report("", "@12?")).data == b";12?"


def test_a_track_that_could_not_be_decoded_is_named() -> None:
    read = swiped(magtek_report("", TRACK_2, failed=[1, 3]))
    assert read.data.decode() == f"%E?\r{TRACK_2}\r+E?"
    parsed = parse_swipe(read.data.decode())
    assert isinstance(parsed, Swipe)
    assert (parsed.tracks, parsed.failed) == ({2: TRACK_2[1:-1]}, (1, 3))


def test_the_data_of_a_failed_track_is_never_taken() -> None:
    assert swiped(magtek_report(TRACK_1, TRACK_2, failed=[2])).data.decode() == f"{TRACK_1}\r;E?"


@pytest.mark.parametrize(
    ("report", "flaw"),
    [
        (magtek_report(), EMPTY),
        (magtek_report(encode_type=3), EMPTY),
        (magtek_report("", TRACK_2)[:-1], STRANGE_REPORT),
        (magtek_report("", TRACK_2) + b"\0", STRANGE_REPORT),
        (b"", STRANGE_REPORT),
        (b"\x02" + magtek_report("", TRACK_2)[1:], STRANGE_REPORT),
        (bytes([0, 0, 0, 0, 111]) + magtek_report("", TRACK_2)[5:], STRANGE_REPORT),
        (magtek_report("", "6331940000012345"), NO_SENTINELS),
        (magtek_report("", ";633194"), NO_SENTINELS),
        (magtek_report("", ";\x86\x11\xff\x90?"), NO_SENTINELS),
        (magtek_report("", "\x86\x11\xff\x90", encode_type=4), ENCRYPTED),
    ],
)
def test_what_cannot_be_used_is_a_flaw_without_data(report: bytes, flaw: str) -> None:
    assert swiped(report) == ReportRead(flaw=flaw)


def test_the_text_of_a_card_of_another_format_is_read() -> None:
    """MagTek's encode type 4 is "other", not encrypted."""
    assert swiped(magtek_report("", TRACK_2, encode_type=4)).data.decode() == TRACK_2


def test_layouts_are_told_apart() -> None:
    """Control: what is no plain stripe report has no layout."""
    encrypted, native, symbol = (
        parse_descriptor(data).inputs[0] for data in (MAGTEK_ENCRYPTED, ID_TECH_NATIVE, SYMBOL_COM)
    )
    plain, insert = (parse_descriptor(data).inputs[0] for data in (MAGTEK, MAGTEK_INSERT))
    assert [stripe_layout(report) for report in (encrypted, native, symbol)] == [None] * 3
    assert [is_encrypting(report) for report in (encrypted, native, symbol, plain, insert)] == [True] + [False] * 4
    assert [is_native(report) for report in (encrypted, native, symbol, plain, insert)] == [False, True] + [False] * 3
    assert (SWIPE.card_status, INSERT.card_status) == (None, 337)


def goes_in(*tracks: str, failed: tuple[int, ...] = ()) -> bytes:
    return magtek_report(*tracks, failed=failed, status=1)


def comes_out(*tracks: str, failed: tuple[int, ...] = ()) -> bytes:
    return magtek_report(*tracks, failed=failed, status=0)


def inserted(*reports: bytes) -> list[str | None]:
    """What an insertion reader's reports become, one second apart: text, or the flaw."""
    parser = InsertionParser(INSERT)
    reads = [read for n, report in enumerate(reports) for read in parser.feed(report, n * 1_000_000_000)]
    return [read.flaw or read.data.decode() for read in reads]


def test_a_card_that_goes_in_and_out_is_one_read() -> None:
    assert inserted(goes_in("", TRACK_2), comes_out("", TRACK_2)) == [TRACK_2]
    assert inserted(goes_in("", TRACK_2), comes_out("", TRACK_2), goes_in("", TRACK_2)) == [TRACK_2, TRACK_2]


def test_readers_set_to_one_direction() -> None:
    assert inserted(goes_in("", TRACK_2), goes_in("", ";77?")) == [TRACK_2, ";77?"]
    assert inserted(comes_out("", TRACK_2), comes_out("", TRACK_2)) == [TRACK_2, TRACK_2]


def test_the_better_of_both_directions_is_told() -> None:
    half = f"%E?\r{TRACK_2}"
    assert inserted(goes_in("", TRACK_2, failed=(1,)), comes_out(TRACK_1, TRACK_2)) == [f"{TRACK_1}\r{TRACK_2}"]
    assert inserted(goes_in("", TRACK_2, failed=(1,)), comes_out(failed=(1, 2))) == [half]
    assert inserted(goes_in(failed=(1, 2)), comes_out("", TRACK_2, failed=(1,))) == [half]
    assert inserted(goes_in("", TRACK_2), comes_out(failed=(2,))) == [TRACK_2]
    assert inserted(goes_in(), comes_out("", TRACK_2)) == [TRACK_2]


def test_only_bit_0_of_the_card_status_counts() -> None:
    out = magtek_report("", TRACK_2, status=0xFE)
    assert inserted(goes_in("", TRACK_2), out, out) == [TRACK_2, TRACK_2]


def test_another_card_is_another_read() -> None:
    assert inserted(goes_in("", TRACK_2), comes_out("", ";77?")) == [TRACK_2, ";77?"]
    assert inserted(goes_in("", ";8?", failed=(1,)), goes_in("", ";77?")) == ["%E?\r;8?", ";77?"]


def test_a_card_that_stays_in_is_told_in_the_end() -> None:
    parser = InsertionParser(INSERT)
    assert parser.feed(goes_in(failed=(2,)), 0) == []
    assert parser.deadline_ns == TOGETHER_NS
    assert parser.expire(TOGETHER_NS - 1) == []
    assert parser.expire(TOGETHER_NS) == [ReportRead(b";E?")]
    assert parser.deadline_ns is None
    assert parser.feed(comes_out("", TRACK_2), TOGETHER_NS + 1) == [ReportRead(TRACK_2.encode())]


def native(report: bytes) -> ReportRead:
    return read_native(report, ID_TECH_LENGTH)


@pytest.mark.parametrize("order", ["big", "little"])
def test_id_tech_native_reports(order: str) -> None:
    for tracks in ((TRACK_1, TRACK_2, TRACK_3), ("", TRACK_2), ("", "", TRACK_3)):
        read = native(id_tech_report(*tracks, order=order))
        assert read.data.decode() == "\r".join(track for track in tracks if track)


def test_id_tech_lengths_that_could_be_read_both_ways() -> None:
    """256 characters: 01 00, which is 1 the other way round and has no room for the track."""
    for order in ("big", "little"):
        report = id_tech_report("", TRACK_2, text=TRACK_2.ljust(256, "x"), order=order)
        assert native(report).data.decode() == TRACK_2


def test_id_tech_third_tracks_that_look_like_second_ones() -> None:
    assert native(id_tech_report("", TRACK_2, ";77?")).data.decode() == f"{TRACK_2}\r+77?"
    assert native(id_tech_report("", "", ";77?")).data == b"+77?"


def test_id_tech_text_around_the_tracks_is_left_out() -> None:
    read = native(id_tech_report("", TRACK_2, failed=[1], text=f"PRE%E?{TRACK_2}POST\r"))
    assert read.data.decode() == f"%E?\r{TRACK_2}"


@pytest.mark.parametrize(
    ("report", "flaw"),
    [
        (id_tech_report(), EMPTY),
        (id_tech_report("", TRACK_2)[:-1], STRANGE_REPORT),
        (b"", STRANGE_REPORT),
        (id_tech_report("", TRACK_2, text=f"{TRACK_2};77?"), STRANGE_REPORT),
        (id_tech_report("", TRACK_2, text="6331940000012345"), STRANGE_REPORT),
        (id_tech_report("", TRACK_2, text="\x86\x11\xff\x90" * 9, encode_type=4), ENCRYPTED),
        (b"\x02" + id_tech_report("", TRACK_2)[1:], STRANGE_REPORT),
    ],
)
def test_id_tech_reports_that_cannot_be_used(report: bytes, flaw: str) -> None:
    assert native(report) == ReportRead(flaw=flaw)


def data_of(track: int) -> st.SearchStrategy[str]:
    return st.text("0123456789=", max_size=MAX_DATA[track])


@given(data_of(1), data_of(2), data_of(3))
def test_every_swipe_comes_through_both_formats(track1: str, track2: str, track3: str) -> None:
    tracks = {number: data for number, data in enumerate((track1, track2, track3), 1) if data}
    sent = [start + data + "?" if data else "" for start, data in zip("%;+", (track1, track2, track3), strict=True)]
    for read in (swiped(magtek_report(*sent)), native(id_tech_report(*sent))):
        parsed = parse_swipe(read.data.decode())
        assert (read.flaw, parsed.tracks if isinstance(parsed, Swipe) else None) == (
            (None, tracks) if tracks else (EMPTY, None)
        )


@pytest.mark.fuzz
@given(st.binary(max_size=600) | st.binary(min_size=337, max_size=337) | st.binary(min_size=509, max_size=509))
def test_any_report_is_a_read_or_a_flaw(report: bytes) -> None:
    for read in (swiped(report), native(report), *InsertionParser(INSERT).feed(report, 0)):
        assert (read.flaw is None) != (read.data == b"")
        assert read.data.isascii()


LIKELY = st.builds(
    lambda head, body: bytes(head) + body.encode("latin-1").ljust(330, b"\0")[:331],
    st.tuples(*[st.integers(0, 1)] * 3, *[st.integers(0, 115)] * 3, st.integers(0, 6)),
    st.text("%;+?E0123456789=^\r\x86", max_size=330),
)


@pytest.mark.fuzz
@given(st.lists(LIKELY, max_size=6), st.lists(st.integers(0, 4_000_000_000), min_size=6, max_size=6))
def test_an_insertion_reader_never_tells_more_than_it_was_sent(reports: list[bytes], gaps_ns: list[int]) -> None:
    parser, now_ns, reads = InsertionParser(INSERT), 0, []
    for report, gap_ns in zip(reports, gaps_ns, strict=False):
        now_ns += gap_ns
        reads += [*parser.expire(now_ns), *parser.feed(report[:338].ljust(338, b"\1"), now_ns)]
    assert len(reads) <= len(reports)
    assert all((read.flaw is None) != (read.data == b"") for read in reads)
