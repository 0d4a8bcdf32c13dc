"""Barcode scanners and stripe readers on a serial line: RS-232, USB CDC, Bluetooth SPP.

======================  =====  ==========================================================
UnifiedPOS              here   remark
======================  =====  ==========================================================
Scanner ScanData        yes    as sent; an AIM prefix stays, GS (1D) is data
MSR track data          yes    ``suffix = "none"``; tracks divided by CR
Claim                   yes    exclusive open
CheckHealth             yes    INTERNAL, EXTERNAL, INTERACTIVE
======================  =====  ==========================================================

Line settings go into the constructor and are never changed: some lines take them only once.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from posd.clock import Clock
from posd.drivers.addresses import stable_address
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.checks import checks_by_opening, node_checks
from posd.drivers.framing import Framer, Suffix
from posd.drivers.serial_port import PARITIES, LineSettings, SerialPort
from posd.drivers.stream import StreamDriver
from posd.events import DeviceClass
from posd.machine import SystemClock

DEAF_NS = 20_000_000
"""What comes so soon after opening began before; USB bridges hand over what they hold every 16 ms."""


@dataclass(frozen=True, slots=True)
class SerialLineConfig:
    """``[[reader]]`` with ``driver = "serial_line"``.

    ``address``: a link under /dev/posd or /dev/serial/by-path, or a line. ``baud``, ``data_bits``, ``stop_bits``: as
    the reader is set up; over USB CDC they do not matter. ``parity``: ``none``, ``even`` or ``odd``.
    ``hardware_flow``: the reader waits for RTS and CTS. ``suffix``: what ends a read. ``fixed_length``: bytes of every
    read, with ``suffix = "fixed"``. ``silence_ms``: a longer pause ends what was being sent. ``encoding``: of the
    reader, by Python's name (``cp1256``, ``latin-1``).
    """

    address: str
    device_class: DeviceClass = DeviceClass.SCANNER
    baud: int = 9600
    data_bits: int = 8
    parity: str = "none"
    stop_bits: int = 1
    hardware_flow: bool = False
    suffix: Suffix = Suffix.CR_OR_LF
    fixed_length: int = 0
    silence_ms: int = 100
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if self.parity not in PARITIES:
            raise ValueError(f"parity {self.parity!r} is not one of {', '.join(PARITIES)}")
        if self.data_bits not in (7, 8) or self.stop_bits not in (1, 2):
            raise ValueError("data_bits is 7 or 8, stop_bits 1 or 2")
        if self.baud < 1 or self.silence_ms < 1:
            raise ValueError("baud and silence_ms are at least 1")
        self.framer(opened_ns=0)
        if self.device_class is DeviceClass.SMARTCARD:
            raise ValueError("a serial line reads msr or scanner; for smart cards take driver = 'pcsc'")
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"encoding {self.encoding!r} is not known; leave it out for UTF-8") from error

    def line_settings(self) -> LineSettings:
        return LineSettings(self.baud, self.data_bits, self.parity, self.stop_bits, self.hardware_flow)

    def framer(self, opened_ns: int) -> Framer:
        return Framer(self.suffix, self.silence_ms * 1_000_000, self.fixed_length, opened_ns + DEAF_NS)


class SerialLine(StreamDriver):
    """An open line."""

    def __init__(self, device: str, config: SerialLineConfig, clock: Clock) -> None:
        port = SerialPort(config.address, config.line_settings())
        framer = config.framer(clock.now().mono_ns)
        super().__init__(
            device, config.device_class, clock, port, port.read, framer,
            lambda data: _lines_as_cr(data.decode(config.encoding)),
        )  # fmt: skip


def _lines_as_cr(text: str) -> str:
    """Readers end a track with CR, LF or both. (str.splitlines would take GS and RS for line ends too.)"""
    return text.replace("\r\n", "\r").replace("\n", "\r")


def _probe() -> list[Candidate]:
    return [
        Candidate(
            driver="serial_line",
            address=stable_address(Path(port.device)),
            identity=f"{port.location or port.device}#{port.serial_number or ''}",
            name=port.name if port.description == "n/a" else port.description,  # "n/a": pyserial knows nothing of it
            device_class=DeviceClass.SCANNER,
        )
        for port in list_ports.comports()
    ]


def _check_health(device: str, config: SerialLineConfig, level: HealthLevel) -> list[Health]:
    return checks_by_opening(level, node_checks(config.address), lambda: SerialLine(device, config, SystemClock()))


SPEC = DriverSpec(
    name="serial_line",
    device_class=DeviceClass.SCANNER,
    config_type=SerialLineConfig,
    probe=_probe,
    open=SerialLine,
    check_health=_check_health,
    present=lambda config: Path(config.address).exists(),
    hotplug=("tty",),
)
