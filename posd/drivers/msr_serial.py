"""MSR605 and MSR606 encoders on a serial line, MSR605X over hidraw: used as readers, and as nothing else.

======================  =====  ==========================================================
UnifiedPOS              here   remark
======================  =====  ==========================================================
MSR Track1..3Data       yes    sentinels kept, CR between tracks, track 3 begins with ``+``
MSR WriteTracks         no     posd has no command that changes a card (`posd.cards.msr_encoder`)
Claim                   line   exclusive open; hidraw knows no claim
CheckHealth             yes    EXTERNAL: model, firmware, RAM; INTERACTIVE: a swipe
======================  =====  ==========================================================

The encoder is told to read one card, answers when a card was swiped, and is told again. It is reset before it is given
back: an encoder that goes on waiting would take the next swipe for itself.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from posd.cards.msr_encoder import (
    COMM_OK,
    FIRMWARE_IS,
    MODEL_IS,
    RAM_IS,
    AnswerParser,
    Command,
    EncoderRead,
    packet_payload,
    to_packets,
)
from posd.clock import Clock
from posd.drivers.addresses import stable_address
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.checks import failed, node_checks
from posd.drivers.hidraw import HidrawNode, hid_devices
from posd.drivers.serial_port import LineSettings, SerialPort
from posd.drivers.waker import Waker
from posd.errors import DeviceError, ProtocolFault
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock

PATIENCE_NS = 500_000_000
"""How long an encoder may think about a question."""
GAP_NS = 200_000_000
"""A pause inside of an answer that is longer means that its end is lost."""

_MSR605X = (0x0801, 0x0003)
_REPORTS_OF_64 = b"\x95\x40"
"""Report Count (64) in a report descriptor (HID 1.11 §6.2.2.7): MagTek's insert reader has the same id."""


class EncoderLine(Protocol):
    """What carries the bytes; `posd.drivers.serial_port.SerialPort` is one."""

    @property
    def fd(self) -> int: ...
    def read(self) -> bytes: ...
    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class PacketLine:
    """An MSR605X."""

    def __init__(self, address: str) -> None:
        self._node = HidrawNode(address, writable=True)

    @property
    def fd(self) -> int:
        return self._node.fd

    def read(self) -> bytes:
        return packet_payload(self._node.read_report())

    def write(self, data: bytes) -> None:
        for packet in to_packets(data):
            self._node.write_report(b"\0" + packet)  # its reports have no numbers

    def close(self) -> None:
        self._node.close()


@dataclass(frozen=True, slots=True)
class MsrSerialConfig:
    """``[[reader]]`` with ``driver = "msr_serial"``. ``address``: a serial line, or the hidraw node of an MSR605X.
    ``baud``: of the line; over hidraw it does not matter."""

    address: str
    baud: int = 9600

    def __post_init__(self) -> None:
        if self.baud < 1:
            raise ValueError("baud is at least 1; these encoders leave the factory with 9600")


class MsrSerial:
    """An encoder that waits for cards."""

    def __init__(self, device: str, config: MsrSerialConfig, clock: Clock) -> None:
        self._device, self._config, self._clock = device, config, clock
        self._reads: deque[RawRead] = deque()
        self._parser, self._waits_for_card = AnswerParser(), False
        self._line = _open_line(config)
        self._waker = Waker()
        try:
            self._tell(Command.RESET)
            if self.ask(Command.COMM_TEST, COMM_OK) is None:
                raise ProtocolFault(f"no encoder answers at {config.address}; check the address, and its power supply")
            self._tell(Command.RESET)  # the manual's order
        except DeviceError:
            self.close()
            raise

    def read(self) -> RawRead:
        while not self._reads:
            self._receive()
        return self._reads.popleft()

    def cancel(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        with contextlib.suppress(DeviceError):  # it may be gone, or closed before
            self._tell(Command.RESET)
        self._line.close()
        self._waker.close()

    def ask(self, command: Command, answer: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """What the encoder answers to ``command``; None when nothing fitting comes in time."""
        self._tell(command)
        heard, end_ns = b"", self._clock.now().mono_ns + PATIENCE_NS
        while (match := answer.search(heard)) is None:
            if not self._waker.wait([self._line.fd], end_ns - self._clock.now().mono_ns):
                return None
            heard += self._line.read()
        return match

    def self_test(self) -> list[Health]:
        """Model, firmware and memory; the green lamp shows which one is meant."""
        self._tell(Command.RESET)
        self._tell(Command.GREEN_LED)
        model, firmware = self.ask(Command.MODEL, MODEL_IS), self.ask(Command.FIRMWARE, FIRMWARE_IS)
        memory = self.ask(Command.RAM_TEST, RAM_IS)
        self._tell(Command.LEDS_OFF)
        return [
            Health(True, "model", f"model {model[1].decode()}" if model else "the encoder does not tell its model"),
            Health(True, "firmware", firmware[1].decode() if firmware else "the encoder does not tell its version"),
            _memory(memory),
        ]

    def _tell(self, command: Command) -> None:
        self._line.write(command.value)

    def _receive(self) -> None:
        if not self._waits_for_card:
            self._tell(Command.READ_ISO)
            self._waits_for_card = True
        ready = self._waker.wait([self._line.fd], GAP_NS if self._parser.is_inside else None)
        reads = self._parser.feed(self._line.read()) if ready else self._parser.give_up()
        if not ready:
            self._tell(Command.RESET)
        self._waits_for_card = bool(ready) and not reads
        self._reads += [self._raw_read(read) for read in reads]

    def _raw_read(self, read: EncoderRead) -> RawRead:
        return RawRead(self._device, DeviceClass.MSR, read.payload, self._clock.now(), read.flaw)


def _open_line(config: MsrSerialConfig) -> EncoderLine:
    if Path(config.address).resolve().name.startswith("hidraw"):
        return PacketLine(config.address)
    return SerialPort(config.address, LineSettings(baud=config.baud))


def _memory(answer: re.Match[bytes] | None) -> Health:
    if answer is None:
        return Health(True, "memory", "the encoder has no memory test")  # MSR605X
    if answer[1] == b"0":
        return Health(True, "memory", "well")
    return Health(
        False, "memory", "the encoder's memory test failed", "switch it off and on; if it stays so, replace it"
    )


def _probe() -> list[Candidate]:
    """MSR605X only: behind a USB bridge an encoder looks like any serial line, and asking would disturb a scanner."""
    return [
        Candidate(
            driver="msr_serial",
            address=stable_address(device.node),
            identity=f"{device.phys}#{device.serial}",
            name=device.name,
            device_class=DeviceClass.MSR,
        )
        for device in hid_devices()
        if (device.vendor, device.product) == _MSR605X and _REPORTS_OF_64 in device.descriptor
    ]


def _check_health(device: str, config: MsrSerialConfig, level: HealthLevel) -> list[Health]:
    internal = node_checks(config.address)
    if level is HealthLevel.INTERNAL or not all(check.ok for check in internal):
        return internal
    try:
        encoder = MsrSerial(device, config, SystemClock())
        try:
            return [*internal, Health(True, "answers", "the encoder answers"), *encoder.self_test()]
        finally:
            encoder.close()
    except DeviceError as error:
        return [*internal, failed("answers", error)]


SPEC = DriverSpec(
    name="msr_serial",
    device_class=DeviceClass.MSR,
    config_type=MsrSerialConfig,
    probe=_probe,
    open=MsrSerial,
    check_health=_check_health,
    present=lambda config: Path(config.address).exists(),
    hotplug=("tty", "hidraw"),
)
