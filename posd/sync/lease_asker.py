"""Asks the club for leases when a member was read. Nobody waits for it: what does not come is asked for anew."""

from __future__ import annotations

import logging
import threading

from posd.errors import PosdError
from posd.sync.client import ClubClient
from posd.sync.port import SyncPort
from posd.sync.wire import LeaseAsk

log = logging.getLogger("posd.sync")


class LeaseAsker:
    """``thread`` is for its owner to start and join; `wake` and `stop` are for any thread.

    A question that got no answer is not repeated, because the member may be gone; but the club may have granted it, so
    the next time something is asked for in any case, and the club names again what was not taken up.
    """

    def __init__(self, port: SyncPort, client: ClubClient) -> None:
        self._port = port
        self._client = client
        self._work = threading.Event()
        self._stopping = False
        self._doubtful = True
        self.thread = threading.Thread(target=self._run, name="sync-leases")

    def wake(self) -> None:
        """There is somebody to ask for, or the club is back."""
        self._work.set()

    def stop(self) -> None:
        self._stopping = True
        self._work.set()
        self._client.close()

    def ask(self) -> None:
        """All that is to be asked now. Raises PosdError when the till's side fails."""
        for ask in self._port.lease_asks(afresh=self._doubtful):
            self._ask(ask)

    def _ask(self, ask: LeaseAsk) -> None:
        self._doubtful = True
        reply = self._client.lease(ask).value
        if reply is not None and self._port.epoch() == ask.epoch:  # what was granted to the epoch before is void
            self._port.take_leases(reply)
            self._doubtful = False

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            if self._stopping:
                return
            try:
                self.ask()
            except PosdError as error:
                log.warning("leases: the till's side failed: %s", error)
