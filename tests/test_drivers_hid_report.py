"""Readers that send HID reports: real hidraw calls on fake devices."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from posd.cards.decode import decode
from posd.cards.hid_stripe import EMPTY
from posd.cards.reads import MagstripeRead, RejectedRead, RejectReason
from posd.cards.rules import CardRules
from posd.drivers.base import Driver, HealthLevel, ReaderConfig
from posd.drivers.contract import Rig, Session, StreamContract, eventually, open_files
from posd.drivers.discovery import discover
from posd.drivers.framing import Suffix
from posd.drivers.hid_report import DEAF_NS, SPEC, HidReport, HidReportConfig
from posd.drivers.hidraw import HidrawNode
from posd.drivers.stream import WRONG_CHARACTERS
from posd.errors import ConfigError, DeviceLost
from posd.events import DeviceClass
from posd.machine import SystemClock
from tests.fakes.hidraw_devices import (
    ID_TECH_NATIVE,
    KEYBOARD,
    MAGTEK_ENCRYPTED,
    MAGTEK_INSERT,
    MSR605X,
    POS_SCANNER,
    POS_SCANNER_ASLEEP,
    SYMBOL_COM,
    HidBench,
    HidReader,
    com_reports,
    id_tech_report,
    link,
    magtek_report,
    node,
    scan_reports,
)
from tests.fakes.input_devices import Wedge
from tests.fakes.input_devices import node as event_node

pytestmark = pytest.mark.slow

TRACK_1, TRACK_2 = "%B6331940000012345^A/B^2512?", ";6331940000012345=2512?"
SWIPE = f"{TRACK_1}\r{TRACK_2}".encode()
EAN, LONG = b"4006381333931", b"https://example.org/member/" + b"6331940000012345" * 7
STRIPE, TWIN, INSERT, ID_TECH, SCANNER, SYMBOL, ENCRYPTED, ENCODER, TYPING, ASLEEP = range(20, 30)
CASHIER = 7


@pytest.fixture
def bench() -> Iterator[HidBench]:
    devices = (
        HidReader(STRIPE, serial="M1"),
        HidReader(TWIN),
        HidReader(INSERT, MAGTEK_INSERT, "Insert Reader", product=0x0003),
        HidReader(ID_TECH, ID_TECH_NATIVE, "ID TECH", vendor=0x0ACD, product=0x2010),
        HidReader(SCANNER, POS_SCANNER, "Scanner", vendor=0x0C2E, product=0x0B61, role="scanner"),
        HidReader(SYMBOL, SYMBOL_COM, "Symbol", vendor=0x05E0, product=0x0600, role="scanner"),
        HidReader(ENCRYPTED, MAGTEK_ENCRYPTED, "Dynamag", product=0x0011),
        HidReader(ENCODER, MSR605X, "MSR605X", product=0x0003),
        HidReader(TYPING, KEYBOARD, "Mag-Tek USB Swipe Reader"),
        HidReader(ASLEEP, POS_SCANNER_ASLEEP, "Honeywell", vendor=0x0C2E, product=0x0B61, role="scanner"),
        Wedge(CASHIER),
    )
    with HidBench(*devices) as bench:
        yield bench


class HidRig(Rig):
    """Reports are the pieces: the kernel hands over nothing smaller."""

    def __init__(
        self, bench: HidBench, number: int, reads: Sequence[bytes], reports: Sequence[Sequence[bytes]], noise: bytes
    ) -> None:
        self.bench, self.number, self.reads, self._reports, self._noise = bench, number, reads, reports, noise
        scans = number in (SCANNER, SYMBOL)
        self.config = HidReportConfig(
            address=link(number, "scanner" if scans else "msr"),
            device_class=DeviceClass.SCANNER if scans else DeviceClass.MSR,
        )
        bench.plug(number)

    def open(self) -> Driver:
        driver = HidReport("desk", self.config, SystemClock())
        self.opened_ns = time.monotonic_ns()
        return driver

    def ready(self) -> None:
        """A stripe is one report, so its reader is never deaf."""
        if self.config.device_class is DeviceClass.SCANNER:
            eventually(lambda: time.monotonic_ns() > self.opened_ns + DEAF_NS, "the deaf time")

    def pieces(self, n: int) -> Sequence[bytes]:
        return self._reports[n]

    def send(self, pieces: Sequence[bytes]) -> None:
        self.bench.report(self.number, *pieces)

    def settle(self) -> None:
        self.bench.settle(self.number)

    def noise(self) -> None:
        self.bench.report(self.number, self._noise, b"\0")
        self.settle()

    def lose(self) -> None:
        self.bench.unplug(self.number)

    def restore(self) -> None:
        self.bench.plug(self.number)


@pytest.fixture
def stripe(bench: HidBench) -> HidRig:
    return HidRig(bench, STRIPE, [SWIPE], [[magtek_report(TRACK_1, TRACK_2)]], magtek_report())


@pytest.fixture
def scanner(bench: HidBench) -> HidRig:
    reads, reports = (b"]Q1" + LONG, b"]E0" + EAN), (scan_reports(LONG, b"]Q1"), scan_reports(EAN))
    return HidRig(bench, SCANNER, reads, reports, scan_reports(b"REVINF\x06.", b"]Z6")[0])


class TestSwipeReader(StreamContract):
    @pytest.fixture
    def rig(self, stripe: HidRig) -> Rig:
        return stripe


class TestInsertionReader(StreamContract):
    @pytest.fixture
    def rig(self, bench: HidBench) -> Rig:
        reports = [magtek_report(TRACK_1, TRACK_2, status=way) for way in (1, 0)]
        return HidRig(bench, INSERT, [SWIPE, SWIPE], [reports, reports], magtek_report(status=0))


class TestIdTechReader(StreamContract):
    @pytest.fixture
    def rig(self, bench: HidBench) -> Rig:
        reports = [id_tech_report(TRACK_1, TRACK_2)], [id_tech_report("", TRACK_2)]
        return HidRig(bench, ID_TECH, [SWIPE, TRACK_2.encode()], reports, id_tech_report())


class TestPosScanner(StreamContract):
    @pytest.fixture
    def rig(self, scanner: HidRig) -> Rig:
        return scanner


class TestSymbolScanner(StreamContract):
    @pytest.fixture
    def rig(self, bench: HidBench) -> Rig:
        reports = com_reports(LONG + b"\r"), com_reports(EAN + b"\r")
        return HidRig(bench, SYMBOL, (LONG, EAN), reports, com_reports(b"\x01\r")[0])


@pytest.mark.complaint(23)
def test_a_device_is_read_by_its_descriptor_and_refused_with_what_to_do(bench: HidBench) -> None:
    """The same maker, the same kind of name, even the same id: four interfaces, one of them is a stripe reader."""
    for number, why in (
        (ENCRYPTED, "encrypts.*; take a reader that sends plain tracks"),
        (ENCODER, "0801:0003, application ff00:0001, input 64 bytes.*; send us this line"),
        (TYPING, "types like a keyboard.*; take driver = 'hid_keyboard'"),
    ):
        bench.plug(number)
        files = open_files()
        with pytest.raises(ConfigError, match=why):
            HidReport("desk", HidReportConfig(link(number)), SystemClock())
        assert open_files() == files
        (check,) = [
            each
            for each in SPEC.check_health("desk", HidReportConfig(link(number)), HealthLevel.EXTERNAL)
            if not each.ok
        ]
        assert check.name == "format"
        assert check.fix
    bench.plug(INSERT)
    HidReport("desk", HidReportConfig(link(INSERT)), SystemClock()).close()  # the control


def test_a_scanner_is_no_stripe_reader(scanner: HidRig) -> None:
    config = HidReportConfig(scanner.config.address)
    with pytest.raises(ConfigError, match=r"HID POS scanner.*; write device_class = 'scanner'"):
        HidReport("desk", config, SystemClock())
    assert [check.ok for check in SPEC.check_health("desk", config, HealthLevel.INTERNAL)] == [True, True, False]


@pytest.mark.complaint(4)
@pytest.mark.complaint(11)
def test_what_could_be_a_reader_is_listed_by_its_port_and_nothing_is_opened(bench: HidBench) -> None:
    for number in (STRIPE, TWIN, SCANNER, ENCRYPTED, ENCODER, TYPING, CASHIER):
        bench.plug(number)
    assigned = ReaderConfig("desk", "hid_report", "Desk", None, {"address": node(TWIN)})
    files = open_files()
    found = [item for item in discover([assigned]).found if item.candidate.driver == "hid_report"]
    assert open_files() == files
    assert {
        item.candidate.identity: (item.candidate.address, item.candidate.device_class, item.reader_id) for item in found
    } == {
        "usb-0000:00:14.0-21/input0#M1": (link(STRIPE), DeviceClass.MSR, None),
        "usb-0000:00:14.0-22/input0#": (link(TWIN), DeviceClass.MSR, "desk"),
        "usb-0000:00:14.0-25/input0#": (link(SCANNER, "scanner"), DeviceClass.SCANNER, None),
        "usb-0000:00:14.0-27/input0#": (link(ENCRYPTED), DeviceClass.MSR, None),
    }
    assert [item.candidate.name for item in found if "cannot be read" in item.candidate.name] == [
        "Dynamag (encrypts, cannot be read)"
    ]


@pytest.mark.complaint(11)
def test_two_readers_of_one_make_are_told_apart_by_their_port(bench: HidBench, stripe: HidRig) -> None:
    twin = HidRig(bench, TWIN, [b";77?"], [[magtek_report("", ";77?")]], magtek_report())
    with Session(stripe) as one, Session(twin) as other:
        for n in range(50):
            bench.report(STRIPE, magtek_report("", f";1{n:03}?"))
            bench.report(TWIN, magtek_report("", f";2{n:03}?"))
        assert [one.next().payload for _ in range(50)] == [f";1{n:03}?".encode() for n in range(50)]
        assert [other.next().payload for _ in range(50)] == [f";2{n:03}?".encode() for n in range(50)]
        stripe.lose()
        assert one.good_until_lost() == set()
        twin.send(twin.pieces(0))
        assert other.next().payload == b";77?"


def test_what_is_read_means_what_the_wedge_of_the_same_maker_would_mean(stripe: HidRig) -> None:
    rules = CardRules(own_prefixes=("633194",))
    with Session(stripe) as session:
        stripe.send([magtek_report(TRACK_1, TRACK_2, failed=[3])])
        read = decode(session.next(), rules)
        assert isinstance(read, MagstripeRead)
        assert (read.track2, read.failed) == (TRACK_2[1:-1], (3,))
        stripe.send([magtek_report("%B4111111111111111^A/B^2512101?", ";4111111111111111=2512101?")])
        refused = decode(session.next(), rules)
        assert isinstance(refused, RejectedRead)
        assert refused.reason is RejectReason.PAYMENT_CARD
        stripe.send([magtek_report()])
        assert session.next().flaw == EMPTY


def test_a_scan_that_began_before_the_scanner_was_opened_is_no_shorter_number(scanner: HidRig) -> None:
    scanner.ready = lambda: None  # type: ignore[method-assign]  # at once
    first, second, third = scan_reports(LONG, b"]Q1")
    with Session(scanner) as session:
        scanner.send([second])
        scanner.settle()
        eventually(lambda: time.monotonic_ns() > scanner.opened_ns + DEAF_NS, "the deaf time")
        scanner.send([third])
        assert session.silent(0.1)
        scanner.send([first, second, third])
        assert session.next().payload == b"]Q1" + LONG


def test_a_scanner_that_waits_for_it_is_switched_on_and_no_other(bench: HidBench, scanner: HidRig) -> None:
    bench.plug(ASLEEP)
    asleep = HidReportConfig(link(ASLEEP, "scanner"), DeviceClass.SCANNER)
    for _ in range(2):
        HidReport("desk", asleep, SystemClock()).close()
    assert bench.features(ASLEEP) == [bytes((254, 1))] * 2
    scanner.open().close()
    assert bench.features(SCANNER) == []


def test_the_encoding_of_a_scanner(scanner: HidRig) -> None:
    with Session(scanner) as session:
        scanner.send(scan_reports("خوش".encode("cp1256")))
        assert session.next().flaw == WRONG_CHARACTERS
    scanner.config = HidReportConfig(scanner.config.address, DeviceClass.SCANNER, encoding="cp1256")
    with Session(scanner) as session:
        scanner.send(scan_reports("خوش".encode("cp1256")))
        assert session.next().payload.decode() == "]E0خوش"


def test_a_symbol_scanner_without_suffix_is_closed_by_silence(bench: HidBench) -> None:
    rig = HidRig(bench, SYMBOL, [EAN], [com_reports(EAN)], b"")
    with Session(rig) as session:
        rig.send(rig.pieces(0))
        assert (session.next().flaw or "").startswith("partial")
    rig.config = HidReportConfig(rig.config.address, DeviceClass.SCANNER, suffix=Suffix.NONE)
    with Session(rig) as session:
        rig.send(rig.pieces(0))
        assert session.next().payload == EAN


def test_the_health_of_a_reader_says_which_parser_was_chosen_and_why(stripe: HidRig) -> None:
    checks = SPEC.check_health("desk", stripe.config, HealthLevel.INTERNAL)
    assert [(check.name, check.ok) for check in checks] == [("present", True), ("permitted", True), ("format", True)]
    assert checks[-1].detail == (
        "MagTek tracks, by the descriptor: application ff00:0001, reports of 337 bytes: three tracks of 110 bytes"
    )
    checks = SPEC.check_health("desk", stripe.config, HealthLevel.EXTERNAL)
    assert (checks[-1].name, checks[-1].ok, checks[-1].detail) == ("answers", True, "opened")
    stripe.lose()
    assert not SPEC.present(stripe.config)
    assert [check.name for check in SPEC.check_health("desk", stripe.config, HealthLevel.INTERNAL)] == ["present"]
    with pytest.raises(DeviceLost, match="plug"):
        stripe.open()
    stripe.restore()
    assert SPEC.present(stripe.config)


def test_an_address_that_is_no_hidraw_node(bench: HidBench) -> None:
    bench.plug(CASHIER)
    config = HidReportConfig(event_node(CASHIER))
    (check,) = [each for each in SPEC.check_health("desk", config, HealthLevel.INTERNAL) if not each.ok]
    assert "no hidraw node" in check.detail
    files = open_files()
    with pytest.raises(DeviceLost):
        HidReport("desk", config, SystemClock())
    assert open_files() == files


def test_losing_and_finding_it_a_hundred_times_leaves_nothing_open(scanner: HidRig) -> None:
    scanner.ready = lambda: None  # type: ignore[method-assign]  # deaf or not, it must notice
    parts, files = scanner.pieces(0), open_files()
    for n in range(100):
        with Session(scanner) as session:
            scanner.send(parts[: n % len(parts)])
            scanner.lose()
            session.good_until_lost()
        scanner.restore()
    eventually(lambda: open_files() <= files, "closing every file")


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ({"suffix": Suffix.FIXED}, "for serial lines"),
        ({"silence_ms": 0}, "at least 1"),
        ({"encoding": "ebcdic-x"}, "leave it out"),
        ({"device_class": DeviceClass.SMARTCARD}, "pcsc"),
    ],
)
def test_settings_that_cannot_be(option: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        HidReportConfig("/dev/hidraw0", **option)  # type: ignore[arg-type]  # as in a TOML table


def test_a_node_says_what_the_kernel_knows_of_it(bench: HidBench) -> None:
    bench.plug(SCANNER)
    opened = HidrawNode(node(SCANNER))
    assert (opened.vendor, opened.product, opened.descriptor) == (0x0C2E, 0x0B61, POS_SCANNER)
    assert os.get_inheritable(opened.fd) is False
    opened.close()
    opened.close()
    assert not Path("/dev/hidraw99").exists()
    with pytest.raises(DeviceLost, match="not there"):
        HidrawNode("/dev/hidraw99")
