"""A reader that plays a transcript: a shop's bug report as a device, a demonstration, a test.

From a file it plays every read once, in order, and then keeps still; after a recorded loss it goes on behind it when it
is opened again. From a pipe it plays what comes, as it comes, until the other end closes.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from posd.clock import Clock
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.refusal import from_os
from posd.drivers.transcript import Exchange, parse_line
from posd.drivers.waker import Waker
from posd.errors import ConfigError, DeviceLost
from posd.events import DeviceClass, RawRead

GULP = 65536


@dataclass(frozen=True, slots=True)
class ReplayConfig:
    """``[[reader]]`` with ``driver = "replay"``. ``address``: the transcript. ``reader``: play only what this one read.
    ``paced``: with the pauses of the recording."""

    address: str
    reader: str = ""
    paced: bool = False


_played: dict[tuple[str, str], int] = {}
"""Device and file → lines played before a recorded loss. Only the device's own thread touches its entry."""


class Replay:
    """An open transcript."""

    def __init__(self, device: str, config: ReplayConfig, clock: Clock) -> None:
        self._device, self._config, self._clock = device, config, clock
        try:
            self._fd = os.open(config.address, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise from_os(error, config.address) from error
        self._is_file = stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._key = (device, config.address)
        self._skip = _played.pop(self._key, 0) if self._is_file else 0
        self._line_number = 0
        self._rest = b""
        self._at_end = False
        self._exchanges: deque[tuple[int, Exchange]] = deque()
        self._at_ms: int | None = None
        self._waker = Waker()

    def read(self) -> RawRead:
        while True:
            self._waker.wait([], 0)
            while not self._exchanges:
                self._receive()
            line_number, exchange = self._exchanges.popleft()
            self._pause_until(exchange.at_ms)
            if exchange.kind == "lost":
                _played[self._key] = line_number
                raise DeviceLost(f"the recorded reader went away in line {line_number}; it comes back by itself")
            return exchange.as_read(self._device, self._clock.now())

    def cancel(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        self._waker.close()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _receive(self) -> None:
        if self._at_end:
            self._waker.wait([])  # until cancelled
        self._waker.wait([self._fd])
        try:
            data = os.read(self._fd, GULP)
        except BlockingIOError:
            return
        except OSError as error:
            raise from_os(error, self._config.address) from error
        if not data and not self._is_file:
            raise DeviceLost(f"{self._config.address} was closed at the other end; start the recording again")
        self._at_end = not data
        *lines, self._rest = (self._rest + (data or b"\n")).split(b"\n")
        for line in lines:
            self._keep(line)

    def _keep(self, line: bytes) -> None:
        self._line_number += 1
        try:
            exchange = parse_line(line.decode("utf-8", "replace"))
        except ConfigError as error:
            raise ConfigError(f"{self._config.address} line {self._line_number}: {error}") from error
        if exchange is None or self._line_number <= self._skip:
            return
        if self._config.reader in ("", exchange.reader):
            self._exchanges.append((self._line_number, exchange))

    def _pause_until(self, at_ms: int) -> None:
        if self._config.paced and self._at_ms is not None:
            self._waker.wait([], max(0, at_ms - self._at_ms) * 1_000_000)
        self._at_ms = at_ms


def _probe() -> list[Candidate]:
    """Nothing: transcripts are named, not found."""
    return []


def _check_health(device: str, config: ReplayConfig, level: HealthLevel) -> list[Health]:
    del device, level  # reading it is all that can be checked
    try:
        text = Path(config.address).read_text("utf-8", "replace")
        reads = sum(parse_line(line) is not None for line in text.splitlines())
    except OSError as error:
        return [Health(False, "present", f"{config.address}: {error.strerror}", "give the path of a transcript")]
    except ConfigError as error:
        return [Health(False, "present", f"{config.address}: {error}", "posd record READER > FILE")]
    return [Health(True, "present", f"{reads} recorded reads")]


SPEC = DriverSpec(
    name="replay",
    device_class=DeviceClass.SCANNER,
    config_type=ReplayConfig,
    probe=_probe,
    open=Replay,
    check_health=_check_health,
    present=lambda config: Path(config.address).exists(),
    repeat_ms=0,  # a recording played without pauses is one presentation to any window
)
