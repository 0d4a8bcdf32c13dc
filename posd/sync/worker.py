"""Synchronisation as a whole: two lanes and an ear for what the till wants of them."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from posd.clock import Clock
from posd.errors import PosdError
from posd.sync.board import LinkBoard
from posd.sync.client import ClubClient
from posd.sync.lane import Lane
from posd.sync.link import Link
from posd.sync.port import SyncPort, Work
from posd.sync.pull import POLL_S, Pull
from posd.sync.push import Push

log = logging.getLogger("posd.sync")

_EAR_S = 25.0
_PORT_REST_S = 1.0


class SyncWorker:
    """Keeps a till and its club in step until `stop`. ``connect`` makes a client; each lane has one of its own.

    The till speaks to it through the port alone (`LocalPort.sync_now`, `LocalPort.report_status`), so it is the same
    whether it runs as threads of posd or as a process of its own.
    """

    def __init__(
        self,
        port: SyncPort,
        connect: Callable[[], ClubClient],
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
        poll_s: int = POLL_S,
    ) -> None:
        self._port = port
        self._clock = clock
        self._board = LinkBoard(port, clock)
        self._push = Lane(Push(port, connect()), self._board, clock, jitter)
        self._pull = Lane(Pull(port, connect(), clock, poll_s), self._board, clock, jitter)
        self._push.on_contact = self._pull.hurry_if_hopeless
        self._pull.on_contact = self._push.hurry_if_hopeless
        self._stopping = threading.Event()
        self._ear = threading.Thread(target=self._listen, name="sync-ear")
        self._lanes = (self._push, self._pull)
        self._threads = (self._push.thread, self._pull.thread, self._ear)

    @property
    def link(self) -> Link:
        """How the connection stands."""
        return self._board.link

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 2.0) -> list[str]:
        """End all threads, whatever they wait for. The names of those that did not end in time; empty when all did."""
        self._stopping.set()
        self._port.cancel()
        for lane in self._lanes:
            lane.stop()
        due_ns = self._clock.now().mono_ns + round(timeout_s * 1e9)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, (due_ns - self._clock.now().mono_ns) / 1e9))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _listen(self) -> None:
        # The first look only tells where the counters stand: what was asked before it is no reason to hurry.
        seen: Work | None = None
        while not self._stopping.is_set():
            try:
                self._board.repeat()
                now = self._port.wait_for_work(seen or Work(), _EAR_S if seen else 0.0)
            except PosdError as error:
                log.debug("the till does not answer: %s", error)
                self._stopping.wait(_PORT_REST_S)
                continue
            self._pass_on(seen or now, now)
            if seen is None:
                # What came between a lane's first look and this one.
                self._push.wake()
            seen = now

    def _pass_on(self, seen: Work, now: Work) -> None:
        if (now.head_seq, now.reports) != (seen.head_seq, seen.reports):
            self._push.wake()
        if now.hurries != seen.hurries:
            for lane in self._lanes:
                lane.hurry()
