"""docs/writing-a-driver.md is true: its driver passes the contract; docs/readers.md names what there is."""

from __future__ import annotations

import importlib
import re
import socket
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from posd.drivers.base import Driver, DriverSpec, ReaderConfig
from posd.drivers.registry import build_options, load_driver
from posd.events import DeviceState
from posd.machine import SystemClock
from tests.contract_driver import Rig, StreamContract

DOCS = Path(__file__).parent.parent / "docs"


def block(page: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    assert found, f"no {language} in {page}"
    return found[1]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DriverSpec:
    (tmp_path / "tcp_scanner.py").write_text(block("writing-a-driver.md", "python"))
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("tcp_scanner").SPEC
    assert isinstance(made, DriverSpec)
    return made


class NetworkScanner(Rig):
    reads = (b"4006381333931", b"6331940000012345")

    def __init__(self, spec: DriverSpec) -> None:
        self.spec = spec
        self.listener = socket.create_server(("127.0.0.1", 0))
        host, port = self.listener.getsockname()
        self.options = build_options(spec, ReaderConfig("desk", "tcp", "Desk", None, {"host": host, "port": port}))
        self.line: socket.socket | None = None

    def open(self) -> Driver:
        driver: Driver = self.spec.open("desk", self.options, SystemClock())
        self.lose()
        self.line, _ = self.listener.accept()
        return driver

    def pieces(self, n: int) -> Sequence[bytes]:
        return [bytes([byte]) for byte in self.reads[n] + b"\r\n"]

    def send(self, pieces: Sequence[bytes]) -> None:
        assert self.line is not None
        self.line.sendall(b"".join(pieces))

    def settle(self) -> None:
        """TCP keeps the order; nothing to wait for."""

    def noise(self) -> None:
        """A network cable has none."""

    def lose(self) -> None:
        if self.line is not None:
            self.line.close()

    def restore(self) -> None:
        """The scanner still listens."""


class TestTheDriverOfTheDocs(StreamContract):
    @pytest.fixture
    def rig(self, spec: DriverSpec) -> Iterator[Rig]:
        rig = NetworkScanner(spec)
        yield rig
        rig.lose()
        rig.listener.close()


def test_it_is_as_short_as_promised() -> None:
    assert len([line for line in block("writing-a-driver.md", "python").splitlines() if line.strip()]) <= 45


def test_the_readers_page_names_every_state() -> None:
    page = (DOCS / "readers.md").read_text("utf-8")
    for state in DeviceState:
        assert f"| `{state}` |" in page


def test_the_example_configuration_is_valid() -> None:
    for table in tomllib.loads(block("readers.md", "toml"))["reader"]:
        known = {key: table.pop(key, None) for key in ("id", "driver", "name", "device_class")}
        spec = load_driver(known["driver"])
        assert isinstance(spec, DriverSpec)
        build_options(spec, ReaderConfig(known["id"], known["driver"], "", None, table))
