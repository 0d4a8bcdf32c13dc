"""The driver keeps posd's contract, with what a real scanner sent as its reads."""

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from posd_tcp_scanner import SPEC, TcpConfig

from posd.drivers.base import Driver
from posd.drivers.contract import Rig, StreamContract
from posd.drivers.transcript import parse_line
from posd.machine import SystemClock

TRANSCRIPT = Path(__file__).with_name("desk.transcript").read_text("utf-8")


class Scanner(Rig):
    """The device in the hand of the test."""

    reads = tuple(line.payload for line in map(parse_line, TRANSCRIPT.splitlines()) if line)

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.line: socket.socket | None = None

    def open(self) -> Driver:
        self.lose()
        driver: Driver = SPEC.open("desk", TcpConfig(*self.listener.getsockname()), SystemClock())
        self.line, _ = self.listener.accept()
        return driver

    def pieces(self, n: int) -> Sequence[bytes]:
        return [bytes([byte]) for byte in self.reads[n] + b"\r\n"]

    def send(self, pieces: Sequence[bytes]) -> None:
        assert self.line
        self.line.sendall(b"".join(pieces))

    def settle(self) -> None:
        """TCP keeps the order; nothing to wait for."""

    def noise(self) -> None:
        """A network cable has none."""

    def lose(self) -> None:
        if self.line:
            self.line.close()

    def restore(self) -> None:
        """The scanner still listens."""


class TestTcpScanner(StreamContract):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        rig = Scanner()
        yield rig
        rig.lose()
        rig.listener.close()
