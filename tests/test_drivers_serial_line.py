"""Serial lines: real pyserial on a pty."""

from __future__ import annotations

import errno
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.drivers.base import Driver, HealthLevel
from posd.drivers.framing import LONGEST_READ, NO_SUFFIX, TOO_LONG, Framer, Suffix
from posd.drivers.refusal import from_os
from posd.drivers.serial_line import SPEC, WRONG_CHARACTERS, SerialLine, SerialLineConfig
from posd.errors import DeviceBusy, DeviceDenied, DeviceLost
from posd.events import DeviceClass
from posd.machine import SystemClock
from tests.contract_driver import Rig, Session, StreamContract
from tests.fakes.serial_port import SerialPort

SILENCE_NS = 100_000_000
MEMBER = b"6331940000012345"


class LineRig(Rig):
    reads = (b"]E04006381333931", b"]C1018012345678901\x1d10AB", MEMBER)

    def __init__(self, port: SerialPort, **options: Any) -> None:
        self.port = port
        self.config = SerialLineConfig(address=str(port.path), **options)

    def open(self) -> Driver:
        return SerialLine("desk", self.config, SystemClock())

    def pieces(self, n: int) -> Sequence[bytes]:
        return [bytes([byte]) for byte in self.reads[n] + b"\r\n"]

    def send(self, pieces: Sequence[bytes]) -> None:
        self.port.send(b"".join(pieces))

    def settle(self) -> None:
        self.port.settle()

    def noise(self) -> None:
        self.port.send(b"\x00\xff\x00\r")
        self.port.settle()

    def lose(self) -> None:
        self.port.unplug()

    def restore(self) -> None:
        self.port.plug()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[SerialPort]:
    port = SerialPort(tmp_path / "scanner")
    yield port
    port.close()


class TestSerialLine(StreamContract):
    @pytest.fixture
    def rig(self, port: SerialPort) -> Rig:
        return LineRig(port)


class TestLostAtEveryByte(StreamContract):
    """The same contract with the plug pulled behind each byte of a read."""

    @pytest.fixture
    def rig(self, port: SerialPort) -> Rig:
        rig = LineRig(port)
        rig.losses = 1000
        return rig


@pytest.mark.parametrize(
    ("suffix", "sent"),
    [
        (Suffix.CR_OR_LF, b"%s\r"),
        (Suffix.CR_OR_LF, b"%s\n"),
        (Suffix.CR_OR_LF, b"%s\r\n"),
        (Suffix.CR_OR_LF, b"\x02%s\x03\r"),
        (Suffix.CRLF, b"%s\r\n"),
        (Suffix.TAB, b"%s\t"),
        (Suffix.STX_ETX, b"\x02%s\x03"),
        (Suffix.STX_ETX, b"noise\x02%s\x03\r\n"),
        (Suffix.NONE, b"%s"),
    ],
)
def test_each_framing_gives_the_same_read(port: SerialPort, suffix: Suffix, sent: bytes) -> None:
    rig = LineRig(port, suffix=suffix)
    with Session(rig) as session:
        for _ in range(2):
            port.send(sent % MEMBER)
            assert session.next().payload == MEMBER


def test_tracks_on_lines_of_their_own_are_one_swipe(port: SerialPort) -> None:
    rig = LineRig(port, suffix=Suffix.NONE, device_class=DeviceClass.MSR)
    with Session(rig) as session:
        port.send(b"%B6331940000012345^A/B^2512?\r\n;6331940000012345=2512?\r\n")
        read = session.next()
    assert read.device_class is DeviceClass.MSR
    assert read.payload == b"%B6331940000012345^A/B^2512?\r;6331940000012345=2512?"


def test_half_a_read_is_a_flaw_and_never_a_shorter_number(port: SerialPort) -> None:
    with Session(LineRig(port)) as session:
        port.send(MEMBER[:9])
        read = session.next()
        assert (read.payload, read.flaw) == (b"", NO_SUFFIX)
        port.send(MEMBER + b"\r")
        assert session.next().payload == MEMBER


def test_text_of_another_encoding(port: SerialPort) -> None:
    with Session(LineRig(port, encoding="cp1256")) as session:
        port.send("کارت".encode("cp1256", "replace") + b"\r")
        assert session.next().payload.decode() == "کارت".encode("cp1256", "replace").decode("cp1256")
    with Session(LineRig(port)) as session:
        port.send(b"caf\xe9\r")
        read = session.next()
        assert (read.payload, read.flaw) == (b"", WRONG_CHARACTERS)


def test_two_scanners_at_once_do_not_mix(tmp_path: Path) -> None:
    ports = [SerialPort(tmp_path / name) for name in ("left", "right")]
    rigs = [LineRig(port) for port in ports]
    with Session(rigs[0]) as left, Session(rigs[1]) as right:
        for n in range(50):
            for one, two in zip(f"L{n:012}\r".encode(), f"R{n:012}\r".encode(), strict=True):
                ports[0].send(bytes([one]))
                ports[1].send(bytes([two]))
        assert [left.next().payload for _ in range(50)] == [f"L{n:012}".encode() for n in range(50)]
        assert [right.next().payload for _ in range(50)] == [f"R{n:012}".encode() for n in range(50)]
    for port in ports:
        port.close()


def test_a_line_in_use_is_busy_and_the_message_says_how_to_find_the_holder(port: SerialPort) -> None:
    rig = LineRig(port)
    with Session(rig):
        with pytest.raises(DeviceBusy, match="fuser"):
            rig.open()
        (held,) = [check for check in SPEC.check_health("desk", rig.config, HealthLevel.EXTERNAL) if not check.ok]
        assert "fuser" in held.fix
    Session(rig).__exit__()  # free again: the control


def test_health_of_a_line(port: SerialPort) -> None:
    config = LineRig(port).config
    assert all(check.ok for check in SPEC.check_health("desk", config, HealthLevel.EXTERNAL))
    port.unplug()
    (missing,) = SPEC.check_health("desk", config, HealthLevel.EXTERNAL)
    assert not missing.ok
    assert "plug" in missing.fix


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (OSError(errno.EBUSY, ""), DeviceBusy),
        (OSError(errno.EACCES, ""), DeviceDenied),
        (OSError(errno.ENOENT, ""), DeviceLost),
        (OSError(errno.EIO, ""), DeviceLost),
        (termios.error(errno.EIO, ""), DeviceLost),
        (OSError("device reports readiness to read but returned no data"), DeviceLost),
    ],
)
def test_what_the_system_answers_becomes_ours(error: OSError, meaning: type[Exception]) -> None:
    translated = from_os(error, "/dev/ttyACM0")
    assert type(translated) is meaning
    assert "; " in str(translated), "what is wrong, and what to do"


@given(
    texts=st.lists(st.text(alphabet="0123456789ABC]^%;?=\x1d", min_size=1, max_size=40), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_reads_do_not_depend_on_how_the_line_cuts_them(texts: list[str], cuts: list[int]) -> None:
    stream = "".join(text + "\r\n" for text in texts).encode()
    framer, frames, at = Framer(Suffix.CR_OR_LF, SILENCE_NS), [], 0
    for n in range(len(stream)):
        size = cuts[n % len(cuts)]
        frames += framer.feed(stream[at : at + size], now_ns=n) if stream[at : at + size] else []
        at += size
    readable = [text.encode() for text in texts if text.strip("\x1d")]
    assert [frame.data for frame in frames if frame.flaw is None] == readable
    assert framer.deadline_ns is None


def test_a_line_that_never_ends_is_dropped_and_the_next_read_is_whole() -> None:
    framer = Framer(Suffix.CR_OR_LF, SILENCE_NS)
    for n in range(LONGEST_READ * 3):
        assert framer.feed(b"x", now_ns=n) == []
    assert [frame.flaw for frame in framer.feed(b"y\rGOOD\r", now_ns=LONGEST_READ * 3)] == [TOO_LONG, None]
