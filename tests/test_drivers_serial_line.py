"""Serial lines: real pyserial on a pty."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from posd.cards.decode import decode
from posd.cards.reads import BarcodeRead, MagstripeRead
from posd.cards.rules import CardRules
from posd.drivers.base import Driver, HealthLevel
from posd.drivers.contract import Rig, Session, StreamContract, eventually
from posd.drivers.framing import NO_SUFFIX, REST_NS, Suffix
from posd.drivers.refusal import from_os
from posd.drivers.serial_line import DEAF_NS, SPEC, SerialLine, SerialLineConfig
from posd.drivers.stream import WRONG_CHARACTERS
from posd.errors import DeviceBusy, DeviceDenied, DeviceLost
from posd.events import DeviceClass
from posd.machine import SystemClock
from tests.fakes.clock import FakeClock
from tests.fakes.serial_port import SerialPort

MEMBER = b"6331940000012345"


class LineRig(Rig):
    reads = (b"]E04006381333931", b"]C1018012345678901\x1d10AB", MEMBER)

    def __init__(self, port: SerialPort, **options: Any) -> None:
        self.port = port
        self.config = SerialLineConfig(address=str(port.path), **options)

    def open(self) -> Driver:
        driver = SerialLine("desk", self.config, SystemClock())
        self.opened_ns = time.monotonic_ns()
        return driver

    def ready(self) -> None:
        eventually(lambda: time.monotonic_ns() > self.opened_ns + DEAF_NS, "the deaf time")
        self.port.fresh = False

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
        return LineRig(port, silence_ms=1000)


@pytest.mark.slow
class TestLostAtEveryByte(StreamContract):
    """The same contract with the plug pulled behind each byte of a read."""

    @pytest.fixture
    def rig(self, port: SerialPort) -> Rig:
        rig = LineRig(port, silence_ms=1000)
        rig.losses = 1000
        return rig


@pytest.mark.complaint(17)
@pytest.mark.parametrize(
    ("suffix", "sent"),
    [
        (Suffix.CR_OR_LF, b"%s\r"),
        (Suffix.CR_OR_LF, b"%s\n"),
        (Suffix.CR_OR_LF, b"%s\r\n"),
        (Suffix.CR_OR_LF, b"\x02%s\x03\r"),
        (Suffix.CRLF, b"%s\r\n"),
        (Suffix.CR, b"%s\r"),
        (Suffix.LF, b"%s\n"),
        (Suffix.LF, b"%s\r\n"),
        (Suffix.TAB, b"%s\t"),
        (Suffix.LENGTH_1, b"\x10%s"),
        (Suffix.LENGTH_2, b"\x00\x10%s"),
        (Suffix.FIXED, b"%s"),
        (Suffix.STX_ETX, b"\x02%s\x03"),
        (Suffix.STX_ETX, b"noise\x02%s\x03\r\n"),
        (Suffix.NONE, b"%s"),
    ],
)
def test_each_framing_gives_the_same_read(port: SerialPort, suffix: Suffix, sent: bytes) -> None:
    rig = LineRig(port, suffix=suffix, fixed_length=len(MEMBER) if suffix is Suffix.FIXED else 0)
    with Session(rig) as session:
        for _ in range(2):
            port.send(sent % MEMBER)
            assert session.next().payload == MEMBER
        if suffix is not Suffix.NONE:
            port.send(2 * (sent % MEMBER))  # what follows a suffix belongs to the next scan
            assert [session.next().payload, session.next().payload] == [MEMBER, MEMBER]


@pytest.mark.complaint(26)
@pytest.mark.parametrize(
    ("sent", "payload", "tracks"),
    [
        (
            b"%M98100012^A/B^2512?\r\n;98100012=2512?\r\n",
            b"%M98100012^A/B^2512?\r;98100012=2512?",
            ("M98100012^A/B^2512", "98100012=2512", None),
        ),
        (b";98100012?\r", b";98100012?", (None, "98100012", None)),
        (b"\x02;12345?\r;98765=1?\r\x03", b";12345?\r;98765=1?", (None, "12345", "98765=1")),
        (b"%ABC?;12345?+98765=1?\n", b"%ABC?;12345?+98765=1?", ("ABC", "12345", "98765=1")),
    ],
)
def test_the_tracks_of_a_stripe_reader_are_one_swipe(
    port: SerialPort, sent: bytes, payload: bytes, tracks: tuple[str | None, ...]
) -> None:
    rig = LineRig(port, suffix=Suffix.NONE, device_class=DeviceClass.MSR)
    with Session(rig) as session:
        port.send(sent)
        read = session.next()
    assert read.device_class is DeviceClass.MSR
    assert read.payload == payload
    swipe = decode(read, CardRules())
    assert isinstance(swipe, MagstripeRead)
    assert (swipe.track1, swipe.track2, swipe.track3) == tracks


def test_the_prefixes_that_name_the_symbology_pass(port: SerialPort) -> None:
    rules = CardRules(code_ids={"desk": "symbol"})
    with Session(LineRig(port)) as session:
        port.send(b"]A012345\rB12345\r12345\r")
        scans = [decode(session.next(), rules) for _ in range(3)]
    assert [(scan.data, scan.symbology) for scan in scans if isinstance(scan, BarcodeRead)] == [
        ("12345", "]A0"),
        ("12345", "]A0"),
        ("12345", None),
    ]


@pytest.mark.slow
@pytest.mark.complaint(9)
def test_half_a_read_is_a_flaw_and_neither_half_becomes_a_number(port: SerialPort) -> None:
    with Session(LineRig(port)) as session:
        port.send(MEMBER[:9])
        read = session.next()
        assert (read.payload, read.flaw) == (b"", NO_SUFFIX)
        port.send(MEMBER[9:] + b"\r")
        assert session.silent(REST_NS / 1e9), "the second half is no number either"
        port.send(MEMBER + b"\r")
        assert session.next().payload == MEMBER


@pytest.mark.complaint(9)
def test_a_reader_that_pauses_longer_says_so_in_its_table(port: SerialPort) -> None:
    with Session(LineRig(port, silence_ms=1000)) as session:
        port.send(MEMBER[:9])
        assert session.silent(0.2)
        port.send(MEMBER[9:] + b"\r")
        assert session.next().payload == MEMBER


def test_a_read_that_began_before_the_line_was_opened_is_ignored_to_its_end(port: SerialPort) -> None:
    driver = SerialLine("desk", SerialLineConfig(str(port.path)), FakeClock())
    try:
        port.send(MEMBER[9:] + b"\r" + MEMBER + b"\r")
        assert driver.read().payload == MEMBER
    finally:
        driver.close()


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


OPEN = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)"


def opened_by_nobody(path: Path) -> str:
    """What a plain open says to a program of a user who is not root; empty when it is let in. Without umockdev's
    preload, which spoils errno."""
    node = path.resolve()
    node.chmod(0o666)
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    command = ["/usr/bin/python3", "-I", "-c", OPEN, str(node)]
    done = subprocess.run(command, env={}, cwd="/", stderr=subprocess.PIPE, check=False, **nobody)
    return str(done.stderr, "utf-8")


@pytest.mark.slow
@pytest.mark.complaint(12)
def test_no_other_program_can_open_a_line_that_is_read(port: SerialPort) -> None:
    rig = LineRig(port)
    assert opened_by_nobody(port.path) == ""
    with Session(rig):
        assert os.strerror(errno.EBUSY) in opened_by_nobody(port.path)
    assert opened_by_nobody(port.path) == "", "given back"


@pytest.mark.complaint(12)
def test_a_line_is_claimed_while_it_is_open(port: SerialPort) -> None:
    assert not port.exclusive()
    with Session(LineRig(port)):
        assert port.exclusive()
    assert not port.exclusive()


def test_a_line_that_another_program_holds_for_itself_is_busy_for_root_too(port: SerialPort) -> None:
    other = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(other, termios.TIOCEXCL)
    with pytest.raises(DeviceBusy):
        LineRig(port).open()
    assert port.exclusive(), "the other program's claim stands"
    fcntl.ioctl(other, termios.TIOCNXCL)
    os.close(other)
    LineRig(port).open().close()


def test_the_settings_reach_the_line(port: SerialPort) -> None:
    """Speed, hand-shake and input check are what a pty keeps; character size and parity it does not take."""
    with Session(LineRig(port, baud=19200, hardware_flow=True, parity="even", data_bits=7)) as session:
        iflag, _, cflag, _, speed, _, _ = port.settings()
        assert speed == termios.B19200
        assert cflag & termios.CRTSCTS
        assert iflag & termios.INPCK, "damaged bytes come as NUL"
        assert not iflag & (termios.IXON | termios.ICRNL | termios.ISTRIP), "nothing else is touched"
        port.send(MEMBER + b"\r")
        assert session.next().payload == MEMBER


@pytest.mark.parametrize(
    "wrong",
    [
        {"parity": "mark"},
        {"data_bits": 9},
        {"stop_bits": 3},
        {"baud": 0},
        {"silence_ms": 0},
        {"suffix": Suffix.FIXED},
        {"fixed_length": 8},
        {"encoding": "utf-9"},
        {"device_class": DeviceClass.SMARTCARD},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        SerialLineConfig(address="/dev/ttyACM0", **wrong)


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
