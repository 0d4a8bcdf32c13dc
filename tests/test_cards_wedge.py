"""Keyboard wedges: which keys belong together, and which never become a card."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.keymap import FUNCTION_KEYS, REPEAT, Stroke, strokes
from posd.cards.keypad import KEYPAD, PRESS, RELEASE, UNTOLD
from posd.cards.layouts import LAYOUTS
from posd.cards.wedge import (
    ALT_CODES,
    BROKEN_SWIPE,
    LOST_KEYS,
    NO_SUFFIX,
    PAUSED_EARLY,
    REST_OF_BROKEN_READ,
    TOO_LONG,
    TYPED_BY_HAND,
    KeyTiming,
    WedgeAssembler,
    WedgeRead,
    WedgeSettings,
    WedgeSuffix,
)

MS = 1_000_000
SWIPE = "%B9876543210^A/B?;9876543210=1?"
ENTER = 28
SCANNABLE = st.text(alphabet=[*map(chr, range(0x21, 0x7F))], min_size=4, max_size=40).filter(lambda t: t[0] not in "%;")


class Typist:
    """A device: types into an assembler on a clock of its own."""

    def __init__(self, settings: WedgeSettings | None = None, *, step_ms: float = 1) -> None:
        self.assembler = WedgeAssembler(settings)
        self.step_ms = step_ms
        self.now_ns = 7_000 * MS
        self.reads: list[WedgeRead] = []

    def press(self, events: Iterable[Stroke]) -> Typist:
        for code, value in events:
            self.now_ns += int(self.step_ms * MS)
            self.reads += self.assembler.feed(code, value, self.now_ns)
        return self

    def type(self, text: str) -> Typist:
        return self.press(strokes(text))

    def pause(self, ms: float) -> Typist:
        self.now_ns += int(ms * MS)
        self.reads += self.assembler.expire(self.now_ns)
        return self

    def lose(self) -> Typist:
        self.reads += self.assembler.lost(self.now_ns)
        return self

    @property
    def texts(self) -> list[str]:
        assert all(read.flaw is None for read in self.reads), self.reads
        return [read.text for read in self.reads]

    @property
    def flaws(self) -> list[str | None]:
        assert all(read.text == "" for read in self.reads)
        return [read.flaw for read in self.reads]


@pytest.mark.parametrize("terminator", [(28,), (96,), (15,)])
def test_a_scan_closes_at_once_on_its_terminator(terminator: tuple[int]) -> None:
    typist = Typist().type("4006381333931").press([(terminator[0], PRESS)])
    assert typist.texts == ["4006381333931"]
    assert typist.assembler.deadline_ns is None


@pytest.mark.complaint(9)
def test_a_scan_that_falls_silent_before_its_enter_is_half_a_scan_and_so_is_its_rest() -> None:
    typist = Typist().type("40063").pause(120).type("81333931\r")
    assert typist.flaws == [NO_SUFFIX, REST_OF_BROKEN_READ]
    assert typist.type("4006381333931\r").reads[2:] == [WedgeRead("4006381333931")]
    assert Typist().type("40063").pause(95).type("81333931\r").texts == ["4006381333931"], "control: no such pause"


@pytest.mark.complaint(26)
@pytest.mark.parametrize("begun", range(1, len(";9876543210=1")))
def test_the_rest_of_a_swipe_is_no_scan_however_early_it_paused(begun: int) -> None:
    """Also after one key: the rest of a bank card would be a number that its own check no longer knows."""
    swipe = ";9876543210=1?"
    typist = Typist().type(swipe[:begun]).pause(160).type(swipe[begun:] + "\r").pause(160)
    assert typist.flaws[-1] == (PAUSED_EARLY if begun < 4 else REST_OF_BROKEN_READ)
    assert typist.pause(600).type("4006381333931\r").reads[-1] == WedgeRead("4006381333931"), "control: later scans are"


@pytest.mark.complaint(9)
def test_what_comes_right_after_stray_keys_may_be_the_rest_of_a_scan() -> None:
    typist = Typist().type("40").pause(120).type("06381333931\r")
    assert typist.flaws == [TYPED_BY_HAND, PAUSED_EARLY]
    assert typist.type("4006381333931\r").reads[2:] == [WedgeRead("4006381333931")]
    assert Typist().type("40").pause(700).type("4006381333931\r").reads[1:] == [WedgeRead("4006381333931")]
    assert Typist().type("4").pause(120).type(SWIPE).pause(150).reads[1:] == [WedgeRead(SWIPE)], "a swipe has its start"


@pytest.mark.complaint(9)
def test_a_scanner_without_suffix_is_closed_by_silence() -> None:
    typist = Typist(WedgeSettings(suffix=WedgeSuffix.NONE)).type("MEMBER-1")
    deadline_ns = typist.assembler.deadline_ns
    assert deadline_ns is not None
    assert not typist.assembler.expire(deadline_ns - 1)
    assert typist.assembler.expire(deadline_ns) == [WedgeRead("MEMBER-1")]
    assert typist.assembler.deadline_ns is None


@pytest.mark.complaint(9)
def test_silence_is_seen_even_when_the_next_key_comes_before_anybody_looked() -> None:
    typist = Typist(WedgeSettings(suffix=WedgeSuffix.NONE)).type("MEMBER-1")
    typist.now_ns += 500 * MS
    assert typist.type("MEMBER-2\r").texts == ["MEMBER-1", "MEMBER-2"]


def test_track_3_alone_needs_no_enter() -> None:
    assert Typist().type("+9876543210?").pause(100).texts == ["+9876543210?"]


@given(st.lists(SCANNABLE, min_size=1, max_size=8), st.sampled_from([0.0, 0.5, 8.0]))
def test_a_burst_of_scans_never_mixes(scans: list[str], step_ms: float) -> None:
    assert Typist(step_ms=step_ms).type("".join(scan + "\r" for scan in scans)).texts == scans


@pytest.mark.complaint(26)
@pytest.mark.parametrize(
    "typed",
    [
        SWIPE,
        SWIPE + "\r",
        SWIPE.replace("?;", "?\r;") + "\r",
        SWIPE.replace("?;", "?\r\r;") + "\r\r",
        SWIPE.replace("?;", "?\t;") + "\t",
    ],
)
def test_several_enters_inside_one_swipe_are_one_read(typed: str) -> None:
    typist = Typist().type(typed)
    assert typist.reads == [], "a swipe does not close on Enter"
    typist.pause(150)
    assert [text.replace("\r", "") for text in typist.texts] == [SWIPE]


def test_a_pause_between_tracks_may_be_longer_than_one_inside_a_track() -> None:
    typist = Typist().type("%B9876543210^A/B?\r").pause(140).type(";9876543210=1?\r").pause(150)
    assert typist.texts == ["%B9876543210^A/B?\r;9876543210=1?"]


def test_the_rest_of_a_swipe_that_paused_inside_a_track_is_not_a_number() -> None:
    typist = Typist().type("%B98765").pause(140).type("43210?;9876543210?\r").pause(150)
    assert typist.flaws == [BROKEN_SWIPE, REST_OF_BROKEN_READ]
    assert typist.type("4006381333931\r").reads[2:] == [WedgeRead("4006381333931")]
    assert Typist().type("%B98765").pause(140).type(SWIPE).pause(150).reads[1:] == [WedgeRead(SWIPE)]


@pytest.mark.complaint(10)
def test_what_follows_the_enter_of_a_swipe_is_the_next_read() -> None:
    typist = Typist().type(SWIPE + "\r4006381333931\r" + SWIPE + "\r" + SWIPE + "\r").pause(150)
    assert typist.texts == [SWIPE, "4006381333931", SWIPE, SWIPE]


@pytest.mark.parametrize("half", ["%B98765432", ";98765", "%B9876543210^A/B?;98765", ";9876543210?12", "%B98\r"])
def test_a_half_swipe_is_a_flaw_and_never_a_shorter_number(half: str) -> None:
    assert Typist().type(half).pause(200).flaws == [BROKEN_SWIPE]


def test_an_lrc_may_stand_behind_the_end_sentinel() -> None:
    assert Typist().type(";23?5").pause(150).texts == [";23?5"]


@pytest.mark.parametrize("pace_ms", [30, 45, 60, 110])
def test_a_person_at_the_keys_never_makes_a_swipe(pace_ms: float) -> None:
    """Two to four events per character, so 60 to 440 ms per character: slower than any reader."""
    typist = Typist(step_ms=pace_ms).type("%B9876543210^A?;9876543210?").pause(1000)
    assert set(typist.flaws) <= {TYPED_BY_HAND, BROKEN_SWIPE, REST_OF_BROKEN_READ}
    assert Typist(step_ms=10).type("%B9876543210^A?;9876543210?").pause(1000).texts, "a slow reader still may"


@pytest.mark.parametrize("typed", ["%", "%5", ";", "12"])
def test_a_few_stray_keys_are_noise(typed: str) -> None:
    assert Typist().type(typed).pause(200).flaws == [TYPED_BY_HAND]


def test_enter_alone_is_nothing() -> None:
    assert Typist().type("\r\r\t").pause(500).reads == []


@pytest.mark.complaint(16)
def test_key_repeat_is_ignored() -> None:
    events = [
        (code, REPEAT if n % 2 and value == RELEASE else value) for n, (code, value) in enumerate(strokes("7777"))
    ]
    assert Typist().press([*events, (3, PRESS), (3, REPEAT), (3, REPEAT), (3, RELEASE), *strokes("\r")]).texts == [
        "77772"
    ]


@pytest.mark.complaint(14)
@pytest.mark.parametrize("before", ["", "40063", "%B98765432", SWIPE])
def test_dropped_events_spoil_everything_before_the_next_silence(before: str) -> None:
    typist = Typist().type(before).lose().type("81333931\r").type("4006381333931\r").pause(100)
    assert typist.flaws == [LOST_KEYS]
    assert typist.type("4006381333931\r").reads[1:] == [WedgeRead("4006381333931")]


def test_dropped_events_leave_what_had_closed_and_forget_held_keys() -> None:
    typist = Typist().type("1234\r").press([(42, PRESS)]).lose().pause(100).type("abcd\r")
    assert typist.reads == [WedgeRead("1234"), WedgeRead("", LOST_KEYS), WedgeRead("abcd")]


def in_alt_mode(text: str, *, packed: bool = False) -> list[Stroke]:
    """Num Lock, then each character as Alt+ddd; ``packed``: in one report, as the kernel passes it on."""
    pad = {sign: code for code, sign in KEYPAD.items()}
    events: list[Stroke] = [(69, PRESS), (69, RELEASE)]
    for character in text:
        digits = f"{ord(character):03}"
        keys = [pad[digit] for digit in (dict.fromkeys(digits) if packed else digits)]
        values = [[(key, PRESS) for key in keys], [(key, RELEASE) for key in keys]]
        inside = [*values[0], *values[1]] if packed else [event for pair in zip(*values, strict=True) for event in pair]
        events += [(56, PRESS), *inside, (56, RELEASE)]
    return events


@pytest.mark.complaint(15)
@pytest.mark.parametrize("step_ms", [0.5, 1, 8])
def test_a_reader_in_alt_mode_is_read_like_any_other(step_ms: float) -> None:
    """At 8 ms, the pace of a low-speed device, a character takes as long as a person takes for a key."""
    typist = Typist(step_ms=step_ms).press(in_alt_mode("4878\r]C10109\x1d21AB\t")).press(in_alt_mode(SWIPE)).pause(150)
    assert typist.texts == ["4878", "]C10109\x1d21AB", SWIPE]


@pytest.mark.complaint(15)
def test_alt_codes_in_single_reports_are_a_configuration_flaw_once_per_read() -> None:
    typist = Typist().press([*in_alt_mode("SIP-4-1ooo", packed=True), (ENTER, PRESS)]).pause(100)
    assert typist.flaws == [ALT_CODES]
    assert Typist().press([(69, PRESS), (69, RELEASE), *strokes("4878\r")]).texts == ["4878"], "control: without Alt"


@pytest.mark.complaint(15)
@given(st.text(alphabet=[*map(chr, range(0x20, 0x7F))], min_size=1, max_size=20))
def test_no_part_of_a_read_in_single_reports_is_taken_for_a_number(text: str) -> None:
    typist = Typist().press([*in_alt_mode(text, packed=True), (ENTER, PRESS)]).pause(500)
    assert typist.flaws == [ALT_CODES]


def test_limits_of_length_and_time_end_in_one_flaw() -> None:
    assert Typist().type("7" * 301 + "\r").pause(100).flaws == [TOO_LONG]
    assert Typist().type("7" * 300 + "\r").texts == ["7" * 300]
    assert Typist(WedgeSettings(read_cap_ms=500), step_ms=5).type("7" * 100 + "\r").pause(100).flaws == [TOO_LONG]
    assert Typist(step_ms=8).type("7" * 300 + "\r").texts == ["7" * 300], "a low-speed reader at its slowest"


@pytest.mark.complaint(10)
def test_two_devices_never_mix() -> None:
    one, two = Typist(), Typist()
    for left, right in zip(strokes("1111111111\r"), strokes("2222222222\r"), strict=True):
        one.press([left])
        two.press([right])
    assert (one.texts, two.texts) == (["1111111111"], ["2222222222"])


@pytest.mark.slow
@pytest.mark.complaint(10)
def test_two_devices_dealt_key_by_key_never_mix_ten_thousand_scans() -> None:
    dice = random.Random(4)
    readers = (Typist(step_ms=0.1), Typist(step_ms=0.1))
    wanted = [[f"{n}{dice.randrange(10**12):012}" for _ in range(5_000)] for n in range(2)]
    typed = [strokes("".join(f"{scan}\r" for scan in scans)) for scans in wanted]
    at = [0, 0]
    while at != [len(keys) for keys in typed]:
        n = dice.randrange(2)
        size = dice.randrange(1, 4)
        readers[n].press(typed[n][at[n] : at[n] + size])
        at[n] = min(at[n] + size, len(typed[n]))
    assert [reader.texts for reader in readers] == wanted


def test_two_nodes_of_one_device_have_keys_of_their_own_and_make_one_read() -> None:
    """Shift held on one node is no Shift on the other."""
    assembler = WedgeAssembler()
    events = [(42, PRESS, 0), (30, PRESS, 1), (30, PRESS, 0), (42, RELEASE, 1), (48, PRESS, 0), (30, PRESS, 1)]
    for n, (code, value, node) in enumerate(events):
        assert not assembler.feed(code, value, n * MS, node)
    assert assembler.feed(ENTER, PRESS, 10 * MS, 1) == [WedgeRead("aABa")]


def test_what_one_node_lost_is_forgotten_there_only() -> None:
    assembler = WedgeAssembler()
    for node in (0, 1):
        assembler.feed(42, PRESS, 0, node)
    assembler.lost(MS, 0)
    assembler.expire(500 * MS)
    for node, code in ((0, 30), (1, 48)) * 2:
        assembler.feed(code, PRESS, 600 * MS, node)
    assert assembler.feed(ENTER, PRESS, 600 * MS) == [WedgeRead("aBaB")]


def test_a_read_knows_how_fast_it_was_typed() -> None:
    typist = Typist(step_ms=2).type("1234").pause(20).type("5\r")
    assert typist.reads[0].timing == KeyTiming(characters=5, median_gap_ms=4, longest_gap_ms=24)
    assert Typist().type("%").pause(500).reads[0].timing == KeyTiming(1, 0, 0)
    assert "1234" not in repr(typist.reads[0])


def test_gs_comes_as_a_function_key_where_the_settings_say_so() -> None:
    keys = [*strokes("0109"), (FUNCTION_KEYS["F8"], PRESS), *strokes("10A\r")]
    assert Typist(WedgeSettings(gs_key="F8")).press(keys).texts == ["0109\x1d10A"]
    assert Typist().press(keys).texts == ["010910A"], "control: a function key is nothing else"
    with pytest.raises(ValueError, match="F1 to F12"):
        WedgeSettings(gs_key="F13")


def test_any_keys_at_all_leave_the_assembler_ready_for_the_next_scan() -> None:
    rng = random.Random(11)
    for _ in range(300):
        typist = Typist()
        typist.press((rng.randrange(1, 130), rng.randrange(3)) for _ in range(rng.randrange(1, 80)))
        typist.press((code, RELEASE) for code in range(1, 130)).pause(1000)
        typist.reads.clear()
        if typist.assembler.feed(58, PRESS, typist.now_ns) or typist.type("7777\r").texts != ["7777"]:
            pytest.fail("an earlier read leaked into this one")


@pytest.mark.fuzz
@given(
    st.sampled_from(sorted(LAYOUTS)),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 2), st.integers(0, 200), st.integers(0, 1)), max_size=80),
)
def test_any_keys_at_any_time_make_reads_or_flaws(layout: str, events: list[tuple[int, int, int, int]]) -> None:
    assembler, now_ns = WedgeAssembler(WedgeSettings(layout=layout)), 0
    reads: list[WedgeRead] = []
    for code, value, after_ms, node in events:
        now_ns += after_ms * MS
        reads += assembler.feed(code, value, now_ns, node)
    reads += assembler.expire(now_ns + 1_000 * MS)
    assert assembler.deadline_ns is None
    assert all(bool(read.text) != bool(read.flaw) and UNTOLD not in read.text for read in reads)
    assert sum(read.timing.characters for read in reads) <= len(events)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="layout 'xx' is not known"):
        WedgeSettings(layout="xx")
    with pytest.raises(ValueError, match="above zero"):
        WedgeSettings(key_gap_ms=0)
