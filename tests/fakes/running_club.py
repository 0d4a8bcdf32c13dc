"""A real club for tests: real database, real HTTP on a free port of the loopback, in a thread of this process.

``stop`` and ``start`` again on the same database and port are a club that was restarted. For a club in a process of its
own (to be killed), see `ClubProcess`.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import requests

from posd.clock import Clock
from posd.club.owner import OpenClub, init_club, open_club
from posd.club.server import listening_socket
from posd.club.service import Service
from posd.club.serving import address, build
from posd.club.shop import Settings
from posd.club.tills import new_invitation
from posd.sync.wire import TillGrant, TillRequest

DEADLINE_S = 20


class RunningClub:
    """``with RunningClub(tmp_path / "club") as club: requests.get(club.url + "/health", timeout=5)``."""

    def __init__(
        self,
        state_dir: Path,
        *,
        name: str = "Narenj Club",
        database_url: str | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.state_dir = state_dir
        self.database_url = database_url
        self.clock = clock
        self.club = init_club(state_dir, name, settings=settings, database_url=database_url)
        self.port = 0
        self.opened: OpenClub | None = None
        self.service: Service | None = None
        self._parts: ExitStack | None = None

    @property
    def url(self) -> str:
        return address(("127.0.0.1", self.port))

    def start(self) -> RunningClub:
        """Serve; the first start takes a free port, later ones the same again."""
        with ExitStack() as parts:
            listener = parts.enter_context(listening_socket("127.0.0.1", self.port))
            self.port = listener.getsockname()[1]
            self.opened = parts.enter_context(open_club(self.state_dir, self.database_url, serves=True))
            self.service, server = build(self.state_dir, self.opened, clock=self.clock)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            parts.callback(thread.join, DEADLINE_S)
            parts.callback(server.stop)
            assert server.ready.wait(DEADLINE_S), "the club did not start"
            self._parts = parts.pop_all()
        return self

    def stop(self) -> None:
        """Stop serving; what is stored stays."""
        if self._parts is not None:
            self._parts.close()
            self._parts = self.opened = self.service = None

    def __enter__(self) -> RunningClub:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def invite(self) -> str:
        """A fresh invitation code."""
        assert self.opened is not None
        assert self.service is not None
        club_id, now = self.club.club_id, self.service.clock.now()
        return self.opened.database.write(lambda connection: new_invitation(connection, club_id, now))

    def enrol(self, name: str = "Till 1") -> TillGrant:
        """A till of this club, joined over HTTP."""
        request = TillRequest(self.invite(), name, "0.1.0")
        answer = requests.post(self.url + "/v1/tills", json=request.as_json(), timeout=DEADLINE_S)
        answer.raise_for_status()
        return TillGrant.from_json(answer.json())


_SERVE = """
import sys
from pathlib import Path
from posd.club.serving import serve
serve(Path(sys.argv[1]), sys.argv[2] or None, port=int(sys.argv[3]), exit_with_parent=True,
      on_listening=lambda url: print(url, flush=True))
"""


class ClubProcess:
    """The same club as a process of its own, which can be killed. ``url`` is known once it answers."""

    def __init__(self, state_dir: Path, database_url: str | None = None, port: int = 0) -> None:
        command = [sys.executable, "-c", _SERVE, str(state_dir), database_url or "", str(port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, "the club did not start"

    def kill(self) -> None:
        """SIGKILL: as a power cut for the process."""
        self.process.kill()
        self._reap()

    def terminate(self) -> int:
        """SIGTERM, as a service manager sends it; returns the exit status."""
        self.process.terminate()
        return self._reap()

    def close(self) -> int:
        """End its standard input, as the death of its parent would; returns the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self._reap()

    def _reap(self) -> int:
        status = self.process.wait(DEADLINE_S)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return status

    def __enter__(self) -> ClubProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()
