"""``posd sync run``: synchronisation as a process of its own, the only one with a network (posd-sync.service)."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from posd.errors import ConfigError
from posd.machine import SystemClock, notify_systemd
from posd.sync.client import ClubClient
from posd.sync.grant import FILE, Linked, load_grant
from posd.sync.socket_port import SocketPort
from posd.sync.worker import SyncWorker

log = logging.getLogger("posd.sync")

STOPPED, THREAD_DIED, DID_NOT_STOP = 0, 70, 75
_STOP_S = 2.0
_END = frozenset({signal.SIGTERM, signal.SIGINT})


def run_sync(socket_path: Path, state_dir: Path, token: str = "") -> int:
    """Serve until SIGTERM or SIGINT; must be called on the main thread. Returns the exit status: 0, 70 when a thread
    died of a fault in posd (systemd starts it anew), 75 when one did not stop in time. Raises ConfigError when this
    till has no club."""
    linked = load_grant(state_dir)
    if linked is None:
        raise ConfigError(f"this till has no club ({state_dir / FILE} is missing): link it with 'posd enrol URL CODE'")
    with _signals_held(), _dead_threads() as died:
        worker = SyncWorker(SocketPort(socket_path, token), connector(linked), SystemClock())
        worker.start()
        notify_systemd("READY=1", f"STATUS=in step with {linked.grant.club_name} at {linked.url}")
        signal.sigwait(_END)
        notify_systemd("STOPPING=1")
        late = worker.stop(_STOP_S)
    if late:
        log.error("did not stop within %.0f s: %s", _STOP_S, ", ".join(late))
        return DID_NOT_STOP
    return THREAD_DIED if died else STOPPED


def connector(linked: Linked) -> Callable[[], ClubClient]:
    """Makes a client of the club for each lane."""
    return lambda: ClubClient(linked.address)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Held back from here and from every thread that is started inside, so that `sigwait` gets them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _END)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _dead_threads() -> Iterator[list[str]]:
    """A lane that dies of a fault in posd must not leave a process that looks alive: it ends the process."""
    died: list[str] = []
    before = threading.excepthook

    def end(args: threading.ExceptHookArgs) -> None:
        before(args)
        died.append(args.thread.name if args.thread else "a thread")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.excepthook = end
    try:
        yield died
    finally:
        threading.excepthook = before
