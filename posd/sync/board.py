"""Where both lanes note how they fare; the till is told when the whole of it changes."""

from __future__ import annotations

import logging
import threading

from posd.clock import Clock, Instant
from posd.errors import PosdError
from posd.sync.link import LaneName, Link, LinkState, combined
from posd.sync.outcomes import Delivered, Outcome
from posd.sync.port import SyncPort

log = logging.getLogger("posd.sync")


class LinkBoard:
    """Thread-safe; the lock is held while the till is told, so that it hears changes in their order."""

    def __init__(self, port: SyncPort, clock: Clock) -> None:
        self._port = port
        self._clock = clock
        self._lock = threading.Lock()
        self._outcomes: dict[LaneName, Outcome] = {}
        self._last_contact: Instant | None = None
        self._stuck: int | None = None
        self._told: Link | None = None

    @property
    def link(self) -> Link:
        """The last that was told."""
        return self._told or Link()

    def repeat(self) -> None:
        """Tell the till once more how the link stands: one that was started anew has not heard it. Raises PosdError."""
        with self._lock:
            self._port.report_link(self._told or Link(queue=self._port.queue()))

    def note(self, lane: LaneName, outcome: Outcome, stuck_seq: int | None = None) -> None:
        """``stuck_seq`` belongs to the push lane and is forgotten with its next note."""
        with self._lock:
            self._outcomes[lane] = outcome
            if isinstance(outcome, Delivered):
                self._last_contact = self._clock.now()
            if lane is LaneName.PUSH:
                self._stuck = stuck_seq
            self._tell()

    def _tell(self) -> None:
        push, pull = self._outcomes.get(LaneName.PUSH), self._outcomes.get(LaneName.PULL)
        state, reason = combined(push, pull)
        # Only while the club is otherwise well does a failing entry mean anything about that entry.
        stuck = self._stuck if isinstance(pull, Delivered) else None
        try:
            link = Link(state, reason, self._port.queue(), self._last_contact, stuck)
            if self._told is None or link.differs(self._told):
                self._port.report_link(link)
        except PosdError as error:
            log.debug("the till could not be told about the link: %s", error)
            return
        if self._told is None or (self._told.state, self._told.reason) != (state, reason):
            level = logging.INFO if state is LinkState.ONLINE else logging.WARNING
            log.log(level, "link to the club is %s%s", state.value, f": {link.advice}" if link.advice else "")
        self._told = link
