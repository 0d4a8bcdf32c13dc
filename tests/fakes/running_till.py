"""A real till for tests: ``posd run`` as a process of its own on free ports and a directory of its own, and its page as
a browser would use it. `kill` is the mains plug; `start` again is the next morning."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from posd.cli.till_client import TillClient, TillNotRunning

T = TypeVar("T")

START_S = 60.0
PATIENCE_S = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(probe: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """The first true answer of ``probe``; fails the test with ``what`` when none comes in time."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.1)  # ten looks a second is what the gate allows one page
    raise AssertionError(f"waited {patience_s} s for: {what}")


def clean_environment() -> dict[str, str]:
    """Without the device fakes' preload: a till that needs them asks for them."""
    return {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD", "UMOCKDEV_DIR")}


class RunningTill:
    """``with RunningTill(tmp_path) as till: till.simulate("scan", "9800…")``."""

    def __init__(
        self, directory: Path, *, arguments: tuple[str, ...] = ("--standalone",), config: str = "", port: int = 0
    ) -> None:
        self.directory = directory
        self.state_dir = directory / "state"
        self.port = port or free_port()
        self.club_port = free_port()
        self._arguments = arguments
        self._config = config
        self._process: subprocess.Popen[str] | None = None
        self._page: Page | None = None
        self.output: list[str] = []
        self.environment = clean_environment()

    @property
    def client(self) -> TillClient:
        return TillClient(self.state_dir / "posd.sock", timeout_s=PATIENCE_S)

    @property
    def page(self) -> Page:
        if self._page is None:
            self._page = Page(self.port, (self.state_dir / "page.key").read_text().strip())
        return self._page

    def write_config(self) -> Path:
        path = self.directory / "posd.toml"
        path.write_text(f"{self._config}\n[api]\nport = {self.port}\n[club]\nport = {self.club_port}\n", "utf-8")
        return path

    def command(self, *arguments: str) -> list[str]:
        config = self.write_config()
        return [sys.executable, "-m", "posd", "--state-dir", str(self.state_dir), "--config", str(config), *arguments]

    def start(self) -> RunningTill:
        """Returns when it answers and says where its page is."""
        self.output = []
        self._process = subprocess.Popen(
            self.command("run", *self._arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        self._ear = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._ear.start()
        try:
            wait_for(self._is_up, "the till to start", START_S)
        except AssertionError:
            self.kill()
            raise
        return self

    def posd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a posd command against this till."""
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, check=False, env=self.environment, timeout=60
        )

    def simulate(self, kind: str, data: str) -> None:
        self.client.post("/v1/simulated/reads", {"kind": kind, "data": data})

    def wait_online(self, patience_s: float = PATIENCE_S) -> None:
        wait_for(lambda: self.client.get("/v1/sync")["state"] == "online", "the club", patience_s)

    def wait_queue(self, length: int = 0) -> None:
        wait_for(lambda: self.client.get("/v1/sync")["queue"] == length, f"queue of {length}")

    def journal(self) -> list[dict[str, Any]]:
        """Everything booked, as `posd ledger show` tells it."""
        shown = self.posd("ledger", "show", "--last", "1000000", "--json")
        assert shown.returncode == 0, shown.stderr
        rows: list[dict[str, Any]] = json.loads(shown.stdout)
        return rows

    def stop(self) -> int:
        """As Ctrl-C; the exit status."""
        process = self._running()
        process.terminate()
        code = process.wait(PATIENCE_S)
        self._forget(process)
        return code

    def kill(self) -> None:
        """As the mains plug."""
        process = self._running()
        process.kill()
        process.wait(PATIENCE_S)
        self._forget(process)

    def pid(self) -> int:
        return self._running().pid

    def __enter__(self) -> RunningTill:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()
        if error is not None:
            print("".join(self.output))

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)

    def _is_up(self) -> bool:
        process = self._running()
        if process.poll() is not None:
            self._ear.join(PATIENCE_S)
            raise AssertionError("posd ended:\n" + "".join(self.output))
        try:
            readers = self.client.get("/v1/status")["readers"]
        except (TillNotRunning, OSError):  # its socket is there before anybody answers on it
            return False
        return all(reader["state"] == "ready" for reader in readers if reader["id"].startswith("simulated-"))

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the till is not running"
        return self._process

    def _forget(self, process: subprocess.Popen[str]) -> None:
        self._ear.join(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()
        self._process = self._page = None


class Page:
    """The cashier's page without a browser: the session cookie, actions, the view."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        _, headers, _ = self._ask("GET", f"/?key={key}", None, {})
        self._cookie = headers["Set-Cookie"].partition(";")[0]

    def view(self) -> dict[str, Any]:
        return self._json("GET", "/v1/till", None)

    def act(self, do: str, **fields: Any) -> dict[str, Any]:
        """Do it; the view after it."""
        return self._json("POST", "/v1/till/actions", {"do": do, **fields})

    def wait_for_screen(self, *screens: str) -> dict[str, Any]:
        def on_screen() -> dict[str, Any] | None:
            view = self.view()
            return view if view["screen"] in screens else None

        try:
            return wait_for(on_screen, f"screen {' or '.join(screens)}")
        except AssertionError as error:
            error.add_note(f"the view is {self.view()}")
            raise

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The event stream, until the caller has enough."""
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)) as connection:
            connection.request("GET", "/v1/events", headers={"Cookie": self._cookie, "Accept": "text/event-stream"})
            kind = ""
            for raw in connection.getresponse():
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    yield kind, json.loads(line[6:])

    def _json(self, method: str, path: str, document: dict[str, Any] | None) -> dict[str, Any]:
        headers = {"Cookie": self._cookie, "X-Posd-CSRF": "1", "Content-Type": "application/json"}
        body = None if document is None else json.dumps(document).encode()
        status, _, content = self._ask(method, path, body, headers)
        assert status == 200, (status, content)
        found: dict[str, Any] = json.loads(content)
        return found

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Message, bytes]:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
