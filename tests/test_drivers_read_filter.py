"""The options that every reader has: the duplicate window, and characters that the scanner adds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.reads import RejectReason, parse_flaw
from posd.clock import Instant
from posd.config import parse_config
from posd.drivers.base import ReaderConfig
from posd.drivers.pcsc import SPEC as PCSC
from posd.drivers.read_filter import SAME_AGAIN, ReadFilter, ReadOptions
from posd.drivers.registry import build_options
from posd.drivers.serial_line import SPEC as SERIAL
from posd.drivers.simulated import SPEC as SIMULATED
from posd.drivers.simulated import Kind, SimulatedConfig
from posd.errors import ConfigError
from posd.events import DeviceClass, RawRead

CODE, OTHER = b"9800000000012345", b"9800000000054321"


def read(payload: bytes, at_ms: int, kind: DeviceClass = DeviceClass.SCANNER, flaw: str | None = None) -> RawRead:
    return RawRead("desk", kind, payload, Instant(0, "boot", at_ms * 1_000_000), flaw)


def passed(read_filter: ReadFilter, *reads: RawRead) -> list[bytes | None]:
    """Payloads; None for what became a flaw."""
    return [None if shown.flaw else shown.payload for shown in map(read_filter, reads)]


@pytest.mark.complaint(19)
def test_a_bouncing_trigger_is_one_read_and_another_code_is_never_dropped() -> None:
    scans = ReadFilter(ReadOptions(), usual_ms=1000)
    bounced = [read(CODE, 0), read(CODE, 40), read(OTHER, 60), read(CODE, 100), read(OTHER, 110)]
    assert passed(scans, *bounced) == [CODE, None, OTHER, None, None]
    assert passed(scans, read(CODE, 1100)) == [CODE], "the window is over"


@pytest.mark.complaint(20)
def test_the_window_slides_while_the_card_stays_there() -> None:
    taps = ReadFilter(ReadOptions(), usual_ms=1000)
    fluttering = [read(CODE, at_ms, DeviceClass.SMARTCARD) for at_ms in range(0, 5000, 500)]
    assert passed(taps, *fluttering) == [CODE] + [None] * 9
    assert passed(taps, read(CODE, 5501, DeviceClass.SMARTCARD)) == [CODE]


@pytest.mark.complaint(19)
def test_a_repeat_is_noise_with_a_reason_and_carries_nothing() -> None:
    scans = ReadFilter(ReadOptions(repeat_ms=50), usual_ms=0)
    scans(read(CODE, 0))
    again = scans(read(CODE, 49))
    assert (again.payload, again.flaw) == (b"", SAME_AGAIN)
    assert parse_flaw(SAME_AGAIN)[0] is RejectReason.NOISE


def test_one_reader_never_hides_what_another_reads() -> None:
    left, right = (ReadFilter(ReadOptions(), usual_ms=1000) for _ in range(2))
    assert passed(left, read(CODE, 0)) == passed(right, read(CODE, 1)) == [CODE]


def test_off_is_off_and_each_class_has_its_own_window() -> None:
    assert passed(ReadFilter(ReadOptions(repeat_ms=0), 1000), read(CODE, 0), read(CODE, 0)) == [CODE, CODE]
    msr = build_options(SERIAL, ReaderConfig("desk", "serial_line", "Desk", DeviceClass.MSR, {"address": "/dev/x"}))
    swipes = SERIAL.new_filter(msr, ReadOptions())
    assert passed(swipes, read(CODE, 0), read(CODE, 200), read(CODE, 600)) == [CODE, None, CODE]
    meant = SIMULATED.new_filter(SimulatedConfig(Kind.SCAN), ReadOptions())
    assert passed(meant, read(CODE, 0), read(CODE, 0)) == [CODE, CODE]


def test_flaws_pass_and_do_not_hide_the_good_read_behind_them() -> None:
    scans = ReadFilter(ReadOptions(strip_prefix="*"), usual_ms=1000)
    assert scans(read(b"", 0, flaw="partial")).flaw == "partial"
    assert passed(scans, read(b"*1234", 1)) == [b"1234"]


@pytest.mark.complaint(17)
def test_the_scanners_own_characters_never_reach_a_number() -> None:
    scans = ReadFilter(ReadOptions(strip_prefix="*", strip_suffix="\x03"), usual_ms=0)
    assert passed(scans, read(b"*12345678\x03", 0)) == [b"12345678"]
    for broken in (b"12345678\x03", b"*12345678", b"12345678", b"*", b""):
        shown = scans(read(broken, 0))
        assert (shown.payload, parse_flaw(shown.flaw or "")[0]) == (b"", RejectReason.PARTIAL)


def test_prefix_and_suffix_do_not_share_a_character() -> None:
    scans = ReadFilter(ReadOptions(strip_prefix="**", strip_suffix="**"), usual_ms=0)
    assert passed(scans, read(b"***", 0), read(b"****", 0)) == [None, b""]


@pytest.mark.fuzz
@given(payload=st.binary(), prefix=st.text(max_size=3), suffix=st.text(max_size=3))
def test_stripping_takes_off_what_was_put_on_and_nothing_else(payload: bytes, prefix: str, suffix: str) -> None:
    scans = ReadFilter(ReadOptions(strip_prefix=prefix, strip_suffix=suffix), usual_ms=0)
    shown = scans(read(prefix.encode() + payload + suffix.encode(), 0))
    assert (shown.payload, shown.flaw) == (payload, None)
    bare = scans(read(payload, 0))
    assert bare.payload == b"" or prefix.encode() + bare.payload + suffix.encode() == payload


def test_the_options_stand_in_every_reader_s_table() -> None:
    text = '[[reader]]\nid = "desk"\ndriver = "pcsc"\nrepeat_ms = 0\nstrip_prefix = "\\u0002"\naddress = "A*"\n'
    (desk,) = parse_config([("posd.toml", text)]).readers
    assert (desk.reading, desk.options) == (ReadOptions(0, "\x02"), {"address": "A*"})
    with pytest.raises(ConfigError, match="leave out strip_prefix"):
        build_options(PCSC, desk)


@pytest.mark.parametrize(
    ("line", "told"),
    [("repeat_ms = -1", "0 \\(off\\)"), ('repeat_ms = "1"', "a whole number"), ("strip_suffix = 3", "must be text")],
)
def test_wrong_values_are_refused_before_anything_is_opened(line: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_config([("posd.toml", f'[[reader]]\nid = "a"\ndriver = "pcsc"\n{line}\n')])


def test_a_misspelt_option_is_told_the_right_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'repeat_ms'"):
        build_options(PCSC, ReaderConfig("a", "pcsc", "A", None, {"repeat_m": 0}))
