"""Running the club: in this process until told to stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from posd.clock import Clock
from posd.club.app import club_app
from posd.club.owner import OpenClub, open_club
from posd.club.server import QuietServer, listening_socket, with_date
from posd.club.service import Service
from posd.machine import SystemClock

STANDARD_INPUT = 0
HOST, PORT = "127.0.0.1", 2582


def serve(
    state_dir: Path,
    database_url: str | None = None,
    *,
    host: str = HOST,
    port: int = PORT,
    names: Sequence[str] = (),
    exit_with_parent: bool = False,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Serve the club of ``state_dir`` until SIGTERM, SIGINT, or, with ``exit_with_parent``, until standard input ends.

    ``port`` 0 takes a free one. ``names``: host names by which owners reach the page, beside addresses and localhost.
    ``on_listening`` is told the address, once requests are answered. Raises ConfigError.
    """
    with open_club(state_dir, database_url, serves=True) as opened, listening_socket(host, port) as listener:
        _service, server = build(state_dir, opened, names)
        if exit_with_parent:
            threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
        if on_listening is not None:
            threading.Thread(
                target=_tell, args=(server, address(listener.getsockname()), on_listening), daemon=True
            ).start()
        server.run(sockets=[listener])


def build(
    state_dir: Path, opened: OpenClub, names: Sequence[str] = (), clock: Clock | None = None
) -> tuple[Service, QuietServer]:
    """The parts of a running club, caught up and ready to run."""
    service = Service(state_dir, opened.database, opened.club, opened.keys, clock or SystemClock())
    service.catch_up()
    return service, QuietServer(with_date(club_app(service, names)), before_exit=service.end_waiting)


def address(name: tuple[str, int]) -> str:
    host, port = name[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _tell(server: QuietServer, url: str, on_listening: Callable[[str], None]) -> None:
    server.ready.wait()
    on_listening(url)


def _stop_at_end_of_input(server: QuietServer) -> None:
    """The daemon that started us holds the other end of a pipe and never writes to it. When it is gone, however it
    went, the pipe ends; a signal on the parent's death would depend on which of its threads started us."""
    while os.read(STANDARD_INPUT, 1024):  # not sys.stdin: its lock would be held when the interpreter wants to end
        pass
    server.stop()
