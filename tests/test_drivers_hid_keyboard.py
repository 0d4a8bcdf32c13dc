"""Keyboard wedges: real python-evdev and pyudev on fake input devices."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

import evdev
import pytest

from posd.cards.keymap import strokes
from posd.cards.keypad import KEYPAD
from posd.cards.layouts import LAYOUTS
from posd.cards.wedge import KeyTiming, WedgeSettings
from posd.drivers.base import Driver, HealthLevel, ReaderConfig
from posd.drivers.contract import Rig, Session, StreamContract, eventually, open_files
from posd.drivers.discovery import discover
from posd.drivers.hid_keyboard import SPEC, HidKeyboard, HidKeyboardConfig
from posd.drivers.key_events import DEAF_NS
from posd.errors import DeviceBusy, DeviceLost
from posd.events import DeviceClass
from posd.machine import SystemClock
from tests.fakes.input_devices import EV_KEY, EV_SYN, SYN_REPORT, Group, InputBench, Wedge, groups, link, node, overflow

pytestmark = pytest.mark.slow

SWIPE = "%B6331940000012345^A/B^2512?\r;6331940000012345=2512?\r"
SCANNER, STRIPE, CASHIER, BUTTON, SECOND_NODE = 7, 8, 9, 10, 11


@pytest.fixture
def bench() -> Iterator[InputBench]:
    wedges = (
        Wedge(SCANNER),
        Wedge(STRIPE, name="ACME Stripe Reader", serial="M77"),
        Wedge(CASHIER, name="Keyboard of the cashier"),
        Wedge(BUTTON, name="Power Button", keys=[116]),
        Wedge(SECOND_NODE, name="ACME Barcode Scanner", phys="usb-0000:00:14.0-8/input1"),
    )
    with InputBench(*wedges) as bench:
        yield bench


class WedgeRig(Rig):
    """Groups of events are the pieces: the kernel hands over nothing smaller."""

    def __init__(self, bench: InputBench, number: int, reads: Sequence[bytes], typed: Sequence[str], **options: object):
        self.bench, self.number, self.reads, self.typed = bench, number, reads, typed
        self.config = HidKeyboardConfig(address=link(number), **options)  # type: ignore[arg-type]  # as in a TOML table
        bench.plug(number)

    def open(self) -> Driver:
        driver = HidKeyboard("desk", self.config, SystemClock())
        self.opened_ns = time.monotonic_ns()
        return driver

    def ready(self) -> None:
        eventually(lambda: time.monotonic_ns() > self.opened_ns + 2 * DEAF_NS, "the deaf time")

    def pieces(self, n: int) -> Sequence[Group]:
        return groups(self.typed[n], self.config.layout)

    def send(self, pieces: Sequence[Group]) -> None:
        self.bench.emit(self.number, pieces, gap_us=50)

    def settle(self) -> None:
        self.bench.settle(self.number)

    def noise(self) -> None:
        """A stray key, a lamp, then silence for as long as a read may pause that began with that key."""
        self.bench.emit(self.number, [*groups("a"), [(17, 1, 1), (EV_SYN, SYN_REPORT, 0)]])
        self.settle()
        quiet_ns = time.monotonic_ns() + (WedgeSettings().broken_ms + 50) * 1_000_000
        eventually(lambda: time.monotonic_ns() > quiet_ns, "silence")

    def lose(self) -> None:
        self.bench.unplug(self.number)

    def restore(self) -> None:
        self.bench.plug(self.number)


class TestScanner(StreamContract):
    @pytest.fixture
    def rig(self, bench: InputBench) -> Rig:
        reads = (b"4006381333931", b"]C1018012345678901\x1d10AB", b"*6331940000012345*")
        patient = {"key_gap_ms": 400}  # so that a busy machine makes no silence in the middle of a scan
        return WedgeRig(bench, SCANNER, reads, [read.decode() + "\r" for read in reads], **patient)


class TestStripeReader(StreamContract):
    @pytest.fixture
    def rig(self, bench: InputBench) -> Rig:
        rig = WedgeRig(bench, STRIPE, [SWIPE.rstrip("\r").encode()], [SWIPE], device_class=DeviceClass.MSR)
        rig.splits = 12  # each waits for the silence that ends a swipe
        return rig


def keys(text: str) -> list[Group]:
    """Bare groups, without scan codes: a third less to write where there is much of it."""
    return [[(EV_KEY, code, value), (EV_SYN, SYN_REPORT, 0)] for code, value in strokes(text)]


@pytest.fixture
def scanner(bench: InputBench) -> WedgeRig:
    return WedgeRig(bench, SCANNER, [b"4006381333931"], ["4006381333931\r"])


@pytest.mark.complaint(1)
@pytest.mark.complaint(3)
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_reader_is_read_in_its_own_layout(bench: InputBench, layout: str) -> None:
    text = "4006381333931"
    rig = WedgeRig(bench, SCANNER, [text.encode()], [text + "\r"], layout=layout)
    with Session(rig) as session:
        rig.send(rig.pieces(0))
        assert session.next().payload.decode() == text


@pytest.mark.complaint(26)
def test_a_swipe_of_two_lines_is_one_read(bench: InputBench) -> None:
    rig = WedgeRig(bench, STRIPE, [SWIPE.encode()], [SWIPE], device_class=DeviceClass.MSR)
    with Session(rig) as session:
        bench.type(STRIPE, SWIPE, pace_s=0.0005)  # really sent key by key
        read = session.next()
        assert (read.device_class, read.payload.decode()) == (DeviceClass.MSR, SWIPE.rstrip("\r"))


def test_a_swipe_that_breaks_off_is_a_flaw_and_never_a_shorter_number(bench: InputBench) -> None:
    rig = WedgeRig(bench, STRIPE, [SWIPE.encode()], [SWIPE], device_class=DeviceClass.MSR)
    with Session(rig) as session:
        bench.type(STRIPE, SWIPE[:14])
        read = session.next()
        assert read.payload == b""
        assert (read.flaw or "").startswith("partial")
        bench.type(STRIPE, SWIPE)
        assert session.next().payload.decode() == SWIPE.rstrip("\r")


@pytest.mark.complaint(9)
@pytest.mark.complaint(10)
def test_two_scanners_at_once_do_not_mix(bench: InputBench) -> None:
    """10,000 scans in all, dealt to the two in bursts that are read at the same time."""
    readers = {SCANNER: WedgeRig(bench, SCANNER, [b"x"], ["x"]), STRIPE: WedgeRig(bench, STRIPE, [b"x"], ["x"])}
    dice = random.Random(3)
    with Session(readers[SCANNER]) as one, Session(readers[STRIPE]) as other:
        at = {SCANNER: 0, STRIPE: 0}
        while min(at.values()) < 5_000:
            for number, begin in at.items():
                at[number] = min(5_000, begin + dice.randrange(1, 600))
                bench.emit(number, keys("".join(f"{number}{n:05}\r" for n in range(begin, at[number]))), gap_us=0)
            for number in at:
                bench.settle(number)
        for session, number in ((one, SCANNER), (other, STRIPE)):
            wanted = [f"{number}{n:05}" for n in range(5_000)]
            assert [session.next().payload.decode() for _ in wanted] == wanted
            assert session.silent(0.05)


@pytest.mark.complaint(14)
def test_a_burst_far_over_what_one_read_of_the_node_returns(bench: InputBench, scanner: WedgeRig) -> None:
    """64 events are handed over at a time; these are 36,000, as many as the fake holds."""
    with Session(scanner) as session:
        bench.emit(SCANNER, keys("".join(f"{n:08}\r" for n in range(1_000))), gap_us=5)
        assert [session.next().payload for _ in range(1_000)] == [f"{n:08}".encode() for n in range(1_000)]


@pytest.mark.complaint(14)
def test_what_the_kernel_dropped_spoils_its_read_and_no_other(bench: InputBench, scanner: WedgeRig) -> None:
    typed = groups("4006381333931\r")
    with Session(scanner) as session:
        remnant = [(EV_KEY, 5, 0), (EV_KEY, 6, 1)]
        bench.emit(SCANNER, [*typed[:9], overflow()[:1], remnant, overflow()[1:], *typed[12:]], gap_us=50)
        read = session.next()
        assert read.payload == b""
        assert "SYN_DROPPED" in (read.flaw or "")
        bench.emit(SCANNER, typed)
        assert session.next().payload == b"4006381333931"


@pytest.mark.complaint(16)
def test_held_keys_and_both_shifts(bench: InputBench, scanner: WedgeRig) -> None:
    def group(code: int, value: int) -> Group:
        return [(EV_KEY, code, value), (EV_SYN, SYN_REPORT, 0)]

    left, right, a, enter = 42, 54, 30, 28
    keys = [
        (left, 1),
        (right, 1),
        (a, 1),
        (a, 2),
        (a, 2),
        (a, 0),
        (left, 0),
        (a, 1),
        (a, 0),
        (right, 0),
        (a, 1),
        (a, 0),
    ]
    with Session(scanner) as session:
        bench.emit(SCANNER, [group(*key) for key in [*keys, (a, 1), (a, 0), (enter, 1), (enter, 0)]], gap_us=50)
        assert session.next().payload == b"AAaa"


def test_what_was_typed_before_the_reader_was_opened_is_ignored(bench: InputBench, scanner: WedgeRig) -> None:
    bench.type(SCANNER, "1111111111\r")
    with Session(scanner) as session:
        quiet_ns = time.monotonic_ns() + 200_000_000
        eventually(lambda: time.monotonic_ns() > quiet_ns, "silence")
        bench.type(SCANNER, "4006381333931\r")
        assert session.next().payload == b"4006381333931"


def test_a_scan_that_began_before_the_reader_listened_is_no_shorter_number(
    bench: InputBench, scanner: WedgeRig
) -> None:
    scanner.ready = lambda: None  # type: ignore[method-assign]  # at once
    with Session(scanner) as session:
        listens_ns = scanner.opened_ns + DEAF_NS
        middle = groups("4006381333931\r")
        while time.monotonic_ns() < listens_ns + 5_000_000:  # digits from before to after the moment it listens
            bench.emit(SCANNER, middle[:2])
        bench.emit(SCANNER, middle)
        assert session.silent(0.3)
        bench.emit(SCANNER, middle)
        assert session.next().payload == b"4006381333931"


@pytest.mark.complaint(5)
@pytest.mark.complaint(6)
def test_an_assigned_reader_is_grabbed_and_the_cashiers_keyboard_is_not(bench: InputBench, scanner: WedgeRig) -> None:
    bench.plug(CASHIER)
    with Session(scanner):
        assert bench.grabbed(SCANNER)
        assert not bench.grabbed(CASHIER)
    eventually(lambda: not bench.grabbed(SCANNER), "giving the reader back")


def test_a_reader_that_another_program_holds_is_busy(bench: InputBench, scanner: WedgeRig) -> None:
    holder = evdev.InputDevice(node(SCANNER))
    holder.grab()
    files = open_files()
    with pytest.raises(DeviceBusy, match="fuser"):
        scanner.open()
    assert open_files() == files
    (held,) = [check for check in SPEC.check_health("desk", scanner.config, HealthLevel.EXTERNAL) if not check.ok]
    assert "fuser" in held.fix
    holder.close()
    Session(scanner).__exit__()  # free again: the control


def test_a_reader_that_is_not_there(bench: InputBench, scanner: WedgeRig) -> None:
    bench.unplug(SCANNER)
    assert not SPEC.present(scanner.config)
    with pytest.raises(DeviceLost, match="plug"):
        scanner.open()
    (check,) = SPEC.check_health("desk", scanner.config, HealthLevel.INTERNAL)
    assert not check.ok
    bench.plug(SCANNER)
    assert SPEC.present(scanner.config)


def test_nodes_of_one_reader_are_read_together_when_asked(bench: InputBench, scanner: WedgeRig) -> None:
    assert scanner.config.addresses() == [link(SCANNER)]
    bench.plug(SECOND_NODE)  # at the port of SCANNER
    bench.plug(CASHIER)
    whole = HidKeyboardConfig(address=link(SCANNER), whole_device=True)
    assert whole.addresses() == [link(SCANNER), node(SECOND_NODE)]
    scanner.config = whole
    with Session(scanner) as session:
        assert bench.grabbed(SECOND_NODE)
        assert not bench.grabbed(CASHIER)
        bench.type(SECOND_NODE, "12345678\r")
        assert session.next().payload == b"12345678"
        bench.unplug(SECOND_NODE)
        with pytest.raises(DeviceLost):
            session.next()
    scanner.config = HidKeyboardConfig(address=link(SCANNER), also=(link(CASHIER),))
    with Session(scanner):
        assert bench.grabbed(CASHIER)


@pytest.fixture
def two_nodes(bench: InputBench, scanner: WedgeRig) -> WedgeRig:
    bench.plug(SECOND_NODE)
    scanner.config = HidKeyboardConfig(address=link(SCANNER), whole_device=True)
    return scanner


def test_nodes_of_one_reader_are_put_into_the_order_of_time(bench: InputBench, two_nodes: WedgeRig) -> None:
    driver = two_nodes.open()
    try:
        two_nodes.ready()
        for number, text in ((SCANNER, "4006" * 20), (SECOND_NODE, "381" * 40), (SCANNER, "3931\r")):
            bench.emit(number, keys(text), gap_us=0)
        assert driver.read().payload.decode() == "4006" * 20 + "381" * 40 + "3931", "nobody looked before all was there"
    finally:
        driver.close()


def test_what_one_node_does_to_its_keys_leaves_the_other_alone(bench: InputBench, two_nodes: WedgeRig) -> None:
    """Shift that is held, and events that were dropped."""
    with Session(two_nodes) as session:
        bench.emit(SCANNER, [[(EV_KEY, 42, 1), (EV_SYN, SYN_REPORT, 0)]])
        bench.emit(SECOND_NODE, keys("abcd\r"))
        assert session.next().payload == b"abcd"
        bench.emit(SCANNER, [*keys("x")[:1], overflow()[:1]])  # no SYN_REPORT: it is still dropping
        bench.settle(SCANNER)
        bench.emit(SECOND_NODE, keys("1234\r"))
        assert (session.next().flaw or "").startswith("partial")
        bench.emit(SECOND_NODE, keys("4006381333931\r"))
        assert session.next().payload == b"4006381333931"


@pytest.mark.complaint(15)
def test_alt_codes_digit_by_digit_are_read_and_those_in_one_report_are_a_flaw(
    bench: InputBench, scanner: WedgeRig
) -> None:
    """Digit by digit as a Datalogic scanner sends it: Num Lock first, a digit goes up in the report that brings the
    next down."""
    alt, num_lock, pad = 56, 69, {sign: code for code, sign in KEYPAD.items()}

    def report(*events: tuple[int, int]) -> Group:
        return [*((EV_KEY, code, value) for code, value in events), (EV_SYN, SYN_REPORT, 0)]

    def spelt(character: str) -> list[Group]:
        digits = [pad[digit] for digit in f"{ord(character):03}"]
        groups = [report((alt, 1)), report((digits[0], 1))]
        for before, code in pairwise(digits):
            groups += [report((before, 0)), report((code, 1))] if before == code else [report((before, 0), (code, 1))]
        return [*groups, report((digits[-1], 0)), report((alt, 0))]

    def packed(character: str) -> list[Group]:
        digits = [pad[digit] for digit in dict.fromkeys(f"{ord(character):03}")]
        return [report((alt, 1), *((code, 1) for code in digits)), report((alt, 0), *((code, 0) for code in digits))]

    tapped = [report((num_lock, 1)), report((num_lock, 0))]
    with Session(scanner) as session:
        for text in ("4878", "]C10109\x1d21AX", "SIP-4-1"):
            bench.emit(SCANNER, [*tapped, *(group for sign in text for group in spelt(sign)), *keys("\r")])
            assert session.next().payload.decode() == text
        bench.emit(SCANNER, [*tapped, *(group for sign in "SIP-4-1" for group in packed(sign)), *keys("\r")])
        assert "plain keyboard mode" in (session.next().flaw or "")
        assert session.silent(0.3)


def test_the_driver_tells_how_fast_the_last_read_was_typed(bench: InputBench, scanner: WedgeRig) -> None:
    driver = HidKeyboard("desk", scanner.config, SystemClock())
    try:
        assert driver.timing is None
        scanner.opened_ns = time.monotonic_ns()
        scanner.ready()
        bench.emit(SCANNER, keys("12345\r"), gap_us=2_000)
        driver.read()
        assert driver.timing == KeyTiming(characters=5, median_gap_ms=4, longest_gap_ms=4)
    finally:
        driver.close()


def test_everything_that_could_be_a_reader_is_listed_and_nothing_is_grabbed(bench: InputBench) -> None:
    for number in (SCANNER, STRIPE, CASHIER, BUTTON):
        bench.plug(number)
    assigned = ReaderConfig("desk", "hid_keyboard", "Desk", None, {"address": node(SCANNER)})
    found = [item for item in discover([assigned]).found if item.candidate.driver == "hid_keyboard"]
    assert {item.candidate.address: item.reader_id for item in found} == {
        link(SCANNER): "desk",
        link(STRIPE): None,
        link(CASHIER): None,
    }
    assert "usb-0000:00:14.0-9/input0#M77" in [item.candidate.identity for item in found]
    assert not any(bench.grabbed(number) for number in (SCANNER, STRIPE, CASHIER))


@pytest.mark.complaint(13)
def test_losing_and_finding_it_two_hundred_times_leaves_nothing_open(bench: InputBench, scanner: WedgeRig) -> None:
    typed = scanner.pieces(0)
    files = open_files()
    scanner.ready = lambda: None  # type: ignore[method-assign]  # deaf or not, it must notice
    for n in range(200):
        with Session(scanner) as session:
            bench.emit(SCANNER, typed[: n % len(typed)], gap_us=10)
            bench.unplug(SCANNER)
            session.good_until_lost()
        bench.plug(SCANNER)
    eventually(lambda: open_files() <= files, "closing every file")
