"""A barcode scanner on the network that sends each code with a line end."""

import socket
from dataclasses import dataclass

from posd.clock import Clock
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.checks import checks_by_opening
from posd.drivers.waker import Waker
from posd.errors import DeviceLost
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock


@dataclass(frozen=True)
class TcpConfig:
    host: str
    port: int = 4660


class TcpScanner:
    def __init__(self, device: str, config: TcpConfig, clock: Clock) -> None:
        self.device, self.clock, self.buffer = device, clock, b""
        try:
            self.socket = socket.create_connection((config.host, config.port), timeout=3)
        except OSError as error:
            raise DeviceLost(f"{config.host} does not answer; switch the scanner on") from error
        self.waker = Waker()

    def read(self) -> RawRead:
        while b"\n" not in self.buffer:
            self.waker.wait([self.socket.fileno()])
            try:
                data = self.socket.recv(4096)
            except OSError:
                data = b""
            if not data:
                raise DeviceLost("the scanner hung up; check its cable")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return RawRead(self.device, DeviceClass.SCANNER, line.strip(b"\r"), self.clock.now())

    def cancel(self) -> None:
        self.waker.wake()

    def close(self) -> None:
        self.socket.close()
        self.waker.close()


def probe() -> list[Candidate]:
    return []  # a network cannot be looked through for scanners


def check(device: str, config: TcpConfig, level: HealthLevel) -> list[Health]:
    address = [Health(True, "address", f"{config.host}:{config.port}")]
    return checks_by_opening(level, address, lambda: TcpScanner(device, config, SystemClock()))


SPEC = DriverSpec("tcp_scanner", DeviceClass.SCANNER, TcpConfig, probe, TcpScanner, check, lambda config: True)
