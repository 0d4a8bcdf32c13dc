"""What synchronisation asks of the till: the same methods for the thread within posd and for the separate process.

`posd.sync.local_port` answers them from the ledger; `posd.sync.socket_port` asks a running till over its Unix socket.
`tests/test_sync_port.py` holds the contract that both must keep. Every method may raise a `PosdError` (the ledger has
stopped, the till is not running); the lanes then rest and ask again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from posd.clock import Instant
from posd.ledger.entries import Entry, Head
from posd.ledger.members import DeltaPage
from posd.sync.link import Link
from posd.sync.outcomes import Reason
from posd.sync.policy import Attempts
from posd.sync.wire import Disposition, TillStatus


@dataclass(frozen=True, slots=True)
class Work:
    """What can wake synchronisation, as counters that only rise: the newest entry, how often a person pressed *sync
    now*, how often the till reported its status."""

    head_seq: int = 0
    hurries: int = 0
    reports: int = 0


class SyncPort(Protocol):
    """Called by several threads at once; nothing here waits for a network, and only `wait_for_work` waits at all."""

    def acked_head(self) -> Head:
        """Up to where the club has this till's entries, as far as the till knows."""
        ...

    def pending(self, after_seq: int, limit: int, max_bytes: int) -> Sequence[Entry]:
        """The entries after ``after_seq`` in order without a gap, at most ``limit`` and about ``max_bytes`` of payload,
        but at least one when there is one."""
        ...

    def acknowledge(self, head: Head, dispositions: Sequence[Disposition]) -> None:
        """The club has everything up to ``head``; returns when that is on disk. May be told again."""
        ...

    def queue(self) -> int:
        """How many entries wait."""
        ...

    def cursor(self) -> str | None:
        """Where the club's feed of changes was last applied; None = never."""
        ...

    def apply_deltas(self, page: DeltaPage) -> None:
        """Page and cursor in one transaction; returns when they are on disk. May be told again."""
        ...

    def begin_anew(self) -> None:
        """Forget the cursor (the club has: 410). Members stay in use until the feed was read to its end again."""
        ...

    def attempts(self) -> Attempts:
        """Failed attempts to send the oldest entry that waits; they survive a restart and a power cut, and end with
        the entry's acknowledgement."""
        ...

    def record_attempt(self, through_seq: int, reason: Reason, next_at: Instant) -> None:
        """One more attempt to send everything up to ``through_seq`` failed; none is due before ``next_at``."""
        ...

    def till_status(self) -> TillStatus | None:
        """What the club shall see of this till; None while nothing was reported."""
        ...

    def report_link(self, link: Link) -> None:
        """How the connection stands; told on each change, and again before each `wait_for_work`."""
        ...

    def wait_for_work(self, seen: Work, timeout_s: float) -> Work:
        """Return as soon as anything differs from ``seen``, after ``timeout_s``, or when cancelled. Who waits no more,
        and does not wait again soon, is gone: the till then shows the club as away."""
        ...

    def cancel(self) -> None:
        """End a blocked `wait_for_work` and every later one at once; the only method for another thread's stop."""
        ...
