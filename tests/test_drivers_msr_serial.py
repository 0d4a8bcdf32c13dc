"""MSR605 encoders as readers: real pyserial on a pty, a fake encoder behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from posd.cards.decode import decode
from posd.cards.msr_encoder import CUT_OFF, EMPTY_STRIPE, Command, packet_payload, to_packets
from posd.cards.reads import MagstripeRead
from posd.cards.rules import CardRules
from posd.drivers.base import Driver, HealthLevel
from posd.drivers.contract import PATIENCE_S, Rig, Session, StreamContract, eventually
from posd.drivers.msr_serial import GAP_NS, SPEC, MsrSerial, MsrSerialConfig
from posd.errors import DeviceBusy, DeviceLost, ProtocolFault
from posd.events import DeviceClass
from posd.machine import SystemClock
from tests.fakes.hidraw_devices import MAGTEK_INSERT, MSR605X, HidBench, HidReader, node
from tests.fakes.msr_encoder import HARMFUL, READ_ISO, RESET, Attendant, FakeEncoder, answer
from tests.fakes.serial_port import SerialPort

NUMBER = 24
READS_ONLY = {command.value for command in Command}


@pytest.fixture(scope="module", autouse=True)
def nothing_harmful() -> Iterator[None]:
    """Watches every byte that an encoder hears in this file."""
    FakeEncoder.everything.clear()
    yield
    assert READ_ISO in FakeEncoder.everything, "the watch works"
    assert FakeEncoder.everything <= READS_ONLY
    assert not FakeEncoder.everything & HARMFUL


class Cable(Protocol):
    """What leads to an encoder; `SerialPort` is one."""

    path: Path
    fresh: bool

    def send(self, data: bytes) -> None: ...
    def receive(self, within_s: float) -> bytes: ...
    def settle(self) -> None: ...
    def plug(self) -> None: ...
    def unplug(self) -> None: ...


class PacketCable:
    """An MSR605X: the same bytes in packets, over hidraw."""

    path, fresh = Path(node(NUMBER)), False

    def __init__(self, bench: HidBench) -> None:
        self._bench = bench

    def send(self, data: bytes) -> None:
        self._bench.report(NUMBER, *to_packets(data))

    def receive(self, within_s: float) -> bytes:
        reports = self._bench.written(NUMBER)
        assert all(len(report) == 65 and report[0] == 0 for report in reports), "report id 0 and 64 bytes"
        return b"".join(packet_payload(report[1:]) for report in reports)

    def settle(self) -> None:
        self._bench.settle(NUMBER)

    def plug(self) -> None:
        self._bench.plug(NUMBER)

    def unplug(self) -> None:
        self._bench.unplug(NUMBER)


class EncoderRig(Rig):
    told = (
        answer(b"%M98100012^A/B^2512?", b";98100012=2512?", b""),
        answer(b"", b";98100012?"),
        answer(b"\x1b+", b"\x1b*", b";12345?"),
    )
    reads = (b"%M98100012^A/B^2512?\r;98100012=2512?", b";98100012?", b";E?\r+12345?")

    def __init__(self, cable: Cable, encoder: FakeEncoder) -> None:
        self.cable, self.encoder = cable, encoder
        self.config = MsrSerialConfig(str(cable.path))
        cable.fresh = False
        self._inside = False
        self.attendant = Attendant(encoder, lambda: cable.receive(0), cable.send)

    def open(self) -> Driver:
        return MsrSerial("stripe", self.config, SystemClock())

    def ready(self) -> None:
        assert self.encoder.armed.wait(PATIENCE_S), "the encoder was not told to read"

    def pieces(self, n: int) -> Sequence[bytes]:
        return [bytes([byte]) for byte in self.told[n]]

    def send(self, pieces: Sequence[bytes]) -> None:
        """A swipe, or a part of one: an encoder that was not told to read says nothing."""
        data = b"".join(pieces)
        if not self._inside:
            self.ready()
        self._inside = bool(data) and not data.endswith(b"?\x1c\x1b0")
        if not self._inside:
            self.encoder.armed.clear()
        with self.attendant.lock:
            self.cable.send(data)

    def settle(self) -> None:
        with self.attendant.lock:
            self.cable.settle()

    def noise(self) -> None:
        with self.attendant.lock:
            self.cable.send(b"\x00\xff12345\x1b")
        self.settle()

    def lose(self) -> None:
        with self.attendant.lock:
            self.cable.unplug()

    def restore(self) -> None:
        self._inside = False
        self.encoder.armed.clear()
        with self.attendant.lock:
            self.cable.plug()
        self.cable.fresh = False


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def rig(tmp_path: Path, encoder: FakeEncoder) -> Iterator[EncoderRig]:
    port = SerialPort(tmp_path / "encoder")
    rig = EncoderRig(port, encoder)
    yield rig
    rig.attendant.close()
    port.close()


class TestMsrSerial(StreamContract):
    """With the fixture above."""


@pytest.fixture
def packets(encoder: FakeEncoder) -> Iterator[EncoderRig]:
    with HidBench(HidReader(NUMBER, MSR605X, "MSR605X", product=0x0003)) as bench:
        bench.plug(NUMBER)
        rig = EncoderRig(PacketCable(bench), encoder)
        try:
            yield rig
        finally:
            rig.attendant.close()


@pytest.mark.slow
class TestMsr605x(StreamContract):
    @pytest.fixture
    def rig(self, packets: EncoderRig) -> Rig:
        return packets


def test_an_msr605x_is_found_asked_and_read(packets: EncoderRig) -> None:
    (found,) = SPEC.probe()
    assert (found.driver, found.name) == ("msr_serial", "MSR605X")
    assert Path(found.address).resolve() == Path(node(NUMBER))
    checks = SPEC.check_health("stripe", packets.config, HealthLevel.EXTERNAL)
    assert all(check.ok for check in checks)
    assert checks[-3].detail == "model 3"
    with Session(packets) as session:
        for n, payload in enumerate(packets.reads):
            packets.send([packets.told[n]])
            assert session.next().payload == payload


def test_an_insert_reader_with_the_same_id_is_no_encoder() -> None:
    with HidBench(HidReader(NUMBER, MAGTEK_INSERT, product=0x0003)) as bench:
        bench.plug(NUMBER)
        assert SPEC.probe() == []


@pytest.mark.slow
class TestLostAtEveryByte(StreamContract):
    @pytest.fixture
    def rig(self, rig: EncoderRig) -> Rig:
        rig.losses = 1000
        return rig


def test_it_asks_in_the_manuals_order_and_again_for_each_card(rig: EncoderRig) -> None:
    with Session(rig) as session:
        assert rig.encoder.heard == [RESET, Command.COMM_TEST.value, RESET, READ_ISO]
        for n in range(3):
            rig.send(rig.pieces(n))
            session.next()
        rig.ready()
        assert rig.encoder.heard[4:] == 3 * [READ_ISO]


@pytest.mark.complaint(26)
def test_a_swipe_is_tracks_of_a_card(rig: EncoderRig) -> None:
    with Session(rig) as session:
        rig.send(rig.pieces(0))
        read = session.next()
    assert read.device_class is DeviceClass.MSR
    swipe = decode(read, CardRules())
    assert isinstance(swipe, MagstripeRead)
    assert (swipe.track1, swipe.track2, swipe.track3) == ("M98100012^A/B^2512", "98100012=2512", None)


def test_an_encoder_that_is_given_back_waits_for_no_card(rig: EncoderRig) -> None:
    with Session(rig):
        assert rig.encoder.armed.is_set()
    eventually(lambda: rig.encoder.heard[-1] == RESET, "the reset")
    assert not rig.encoder.armed.is_set()


@pytest.mark.parametrize(
    "told", [answer(b"", b"", b"", status=b"1"), answer(b"", b"", b"", status=b"9"), answer(), b"\x1b1", b"\x1b4"]
)
def test_a_bad_swipe_is_a_flaw_and_the_next_one_is_read(rig: EncoderRig, told: bytes) -> None:
    with Session(rig) as session:
        rig.encoder.armed.clear()
        rig.cable.send(told)
        read = session.next()
        assert read.flaw
        assert read.payload == b""
        rig.send(rig.pieces(0))
        assert session.next().payload == rig.reads[0]


def test_a_swipe_is_not_lost_when_the_cable_goes_right_behind_it(rig: EncoderRig) -> None:
    driver = rig.open()
    try:
        rig.cable.send(rig.told[0])
        assert driver.read().payload == rig.reads[0]
        rig.lose()
        with pytest.raises(DeviceLost):
            driver.read()
    finally:
        driver.close()


def test_an_empty_stripe_says_so(rig: EncoderRig) -> None:
    with Session(rig) as session:
        rig.encoder.armed.clear()
        rig.cable.send(answer())
        assert session.next().flaw == EMPTY_STRIPE


@pytest.mark.complaint(9)
def test_an_answer_that_breaks_off_is_a_flaw_and_neither_half_a_card(rig: EncoderRig) -> None:
    told = rig.told[0]
    with Session(rig) as session:
        rig.encoder.armed.clear()
        rig.cable.send(told[:30])
        assert session.next(within_s=3 * GAP_NS / 1e9).flaw == CUT_OFF
        rig.cable.send(told[30:])
        rig.ready()
        assert rig.encoder.heard[-2:] == [RESET, READ_ISO]
        rig.send(rig.pieces(1))
        assert session.next_good().payload == rig.reads[1]


@pytest.mark.slow
@pytest.mark.complaint(12)
def test_an_encoder_without_power_is_told_from_one_that_answers(rig: EncoderRig) -> None:
    rig.encoder.on = False
    with pytest.raises(ProtocolFault, match="power"):
        rig.open()
    rig.encoder.on = True
    rig.open().close()


def test_a_line_in_use_is_busy(rig: EncoderRig) -> None:
    with Session(rig), pytest.raises(DeviceBusy, match="fuser"):
        rig.open()


def test_health_without_a_card(rig: EncoderRig) -> None:
    checks = SPEC.check_health("stripe", rig.config, HealthLevel.EXTERNAL)
    assert all(check.ok for check in checks)
    assert {check.name: check.detail for check in checks} == {
        "present": rig.config.address,
        "permitted": f"{rig.config.address} may be opened",
        "answers": "the encoder answers",
        "model": "model 3",
        "firmware": "REVT3.12",
        "memory": "well",
    }
    assert Command.GREEN_LED.value in rig.encoder.heard
    eventually(lambda: rig.encoder.heard[-2:] == [Command.LEDS_OFF.value, RESET], "switching the lamp off")


def test_looking_from_within_says_nothing_to_the_encoder(rig: EncoderRig) -> None:
    assert len(SPEC.check_health("stripe", rig.config, HealthLevel.INTERNAL)) == 2
    assert rig.encoder.heard == []


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "ok"), [(FakeEncoder(ram=b"A"), False), (FakeEncoder(ram=b""), True)])
def test_a_memory_test_that_fails_and_one_that_there_is_not(rig: EncoderRig, ok: bool) -> None:
    memory = SPEC.check_health("stripe", rig.config, HealthLevel.EXTERNAL)[-1]
    assert (memory.name, memory.ok) == ("memory", ok)


@pytest.mark.slow
def test_health_of_an_encoder_that_is_off_or_away(rig: EncoderRig) -> None:
    rig.encoder.on = False
    (wrong,) = [c for c in SPEC.check_health("stripe", rig.config, HealthLevel.EXTERNAL) if not c.ok]
    assert "power" in wrong.fix
    rig.lose()
    (missing,) = SPEC.check_health("stripe", rig.config, HealthLevel.EXTERNAL)
    assert "plug" in missing.fix


def test_the_fake_encoder_would_notice_a_write() -> None:
    """Control for the watch at the top; a watch of its own, so that this does not raise the alarm."""
    encoder = FakeEncoder()
    encoder.hear(b"\x1bw\x1bs\x1b\x01X?\x1c")
    assert set(encoder.heard) & HARMFUL
    FakeEncoder.everything.difference_update(set(encoder.heard) - READS_ONLY)


def test_baud_must_be_a_speed() -> None:
    with pytest.raises(ValueError, match="9600"):
        MsrSerialConfig("/dev/ttyUSB0", baud=0)


def test_stopping_while_waiting_for_a_swipe_takes_no_time(rig: EncoderRig) -> None:
    session = Session(rig)
    began = time.monotonic()
    session.__exit__()
    assert time.monotonic() - began < 0.2
