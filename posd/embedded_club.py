"""A single shop's own club: a child process beside the till, ended by the end of a pipe, started again if it falls."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from posd.errors import ConfigError

log = logging.getLogger(__name__)

RESTART_S, LONGEST_REST_S = 2.0, 60.0
"""Rest before the club is started again; longer each time that it does not even come up."""
STOP_S = 5.0
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Address:
    """``url`` is for tills, ``page`` for the owner's browser (with the key that opens it)."""

    url: str
    page: str


class EmbeddedClub:
    """Runs ``posd club serve`` as a child, which holds the reading end of a pipe: when this process is gone, however it
    went, the pipe ends and the club stops."""

    def __init__(self, state_dir: Path, port: int) -> None:
        self._state_dir = state_dir
        self._port = port
        self._stopping = threading.Event()
        self._settled = threading.Event()
        """The first start came to an end: it listens, or it failed."""
        self._child: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep_running, name="embedded-club")
        self.address: Address | None = None
        self.on_listening: Callable[[Address], None] = lambda _address: None

    def start(self) -> None:
        """Returns at once; `wait_until_listening` when the address is needed."""
        self._thread.start()

    def wait_until_listening(self) -> Address:
        """Raises `ConfigError` when the club did not come up."""
        self._settled.wait(START_S)
        if self.address is None:
            self.stop()
            raise ConfigError("the club did not start; its message stands above. Is its port taken? [club] port")
        return self.address

    def stop(self) -> None:
        self._stopping.set()
        child = self._child
        if child is not None and child.stdin is not None:
            child.stdin.close()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    def _keep_running(self) -> None:
        rest_s = RESTART_S
        while not self._stopping.is_set():
            self.address = None
            code = self._run_once()
            self._settled.set()
            if self.address is not None:
                rest_s = RESTART_S
            if not self._stopping.is_set():
                log.warning("the club ended with code %s; it is started again in %.0f s", code, rest_s)
                self._stopping.wait(rest_s)
            rest_s = min(2 * rest_s, LONGEST_REST_S)

    def _run_once(self) -> int:
        arguments = ["club", "serve", "--embedded", "--port", str(self._port)]
        command = [*posd_command(self._state_dir), *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603  # our own program
            self._child = child
            assert child.stdin is not None
            assert child.stdout is not None
            if self._stopping.is_set():  # `stop` saw the child before this one
                child.stdin.close()
            for line in child.stdout:
                self._heard(line)
            return child.wait()

    def _heard(self, line: str) -> None:
        document = json.loads(line)
        self.address = Address(document["url"], document["page"])
        self._settled.set()
        self.on_listening(self.address)


def found_club(state_dir: Path, *, name: str, language: str, money: str) -> None:
    """``posd club init`` and wait for it: the till itself never loads the club's libraries."""
    run_posd(state_dir, ["club", "init", "--name", name, "--language", language, "--money", money])


def invitation(state_dir: Path) -> str:
    """A code by which this till may join the club beside it."""
    code: str = json.loads(run_posd(state_dir, ["club", "invite", "--json"]))["invitation"]
    return code


def run_posd(state_dir: Path, arguments: Sequence[str]) -> str:
    """Run a posd command; its standard output. Raises `ConfigError` with what it said."""
    done = subprocess.run(  # noqa: S603  # our own program
        [*posd_command(state_dir), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().removeprefix("posd: ")
        raise ConfigError(said or f"posd {arguments[0]} ended with code {done.returncode}; see posd doctor")
    return done.stdout


def posd_command(state_dir: Path) -> list[str]:
    return [sys.executable, "-m", "posd", "--state-dir", str(state_dir)]
