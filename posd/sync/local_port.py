"""The port on the till's own ledger, and the till's side of it: *sync now*, status reports, the state of the link."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from posd.clock import Clock, Instant
from posd.ledger.entries import Entry, Head
from posd.ledger.members import DeltaPage
from posd.ledger.store import Store
from posd.machine import SystemClock
from posd.sync.link import Link, LinkState
from posd.sync.outcomes import Reason
from posd.sync.policy import Attempts
from posd.sync.port import Work
from posd.sync.wire import Disposition, TillStatus

_JOIN_S = 0.05
ABSENT_AFTER_S = 5.0
"""Whoever synchronises waits for work again within milliseconds; one who stays away for so long is gone."""
_LOOK_S = 30.0
"""How often we look whether an absent one came back, was believed, and went away again."""


class LocalPort:
    """`posd.sync.port.SyncPort` of ``store``; one for the life of a till, whoever synchronises. Thread-safe.

    ``on_link`` hears each change of the link, on a thread of synchronisation: it should only pass the news on.
    """

    def __init__(
        self, store: Store, on_link: Callable[[Link], None] = lambda _link: None, clock: Clock | None = None
    ) -> None:
        self._store = store
        self._on_link = on_link
        self._clock = clock or SystemClock()
        self._telling = threading.Lock()
        self._absent_at_ns = 0
        self._changed = threading.Condition()
        self._work = Work(head_seq=store.reader().head().seq)
        self._status: TillStatus | None = None
        self._link = Link()
        self._cancelled = False
        self._watcher = threading.Thread(target=self._watch, name="sync-commits")

    # The till's side

    @property
    def link(self) -> Link:
        """How the connection stood when it last changed."""
        return self._link

    def sync_now(self) -> None:
        """A person does not want to wait for the next attempt. Never blocks."""
        with self._changed:
            self._work = Work(self._work.head_seq, self._work.hurries + 1, self._work.reports)
            self._changed.notify_all()

    def report_status(self, status: TillStatus) -> None:
        """What the club shall see of this till; sent when nothing more urgent waits. Never blocks."""
        with self._changed:
            if status == self._status:
                return
            self._status = status
            self._work = Work(self._work.head_seq, self._work.hurries, self._work.reports + 1)
            self._changed.notify_all()

    # SyncPort

    def acked_head(self) -> Head:
        return self._store.reader().acked_head()

    def pending(self, after_seq: int, limit: int, max_bytes: int) -> Sequence[Entry]:
        return self._store.reader().pending(after_seq, limit, max_bytes)

    def acknowledge(self, head: Head, dispositions: Sequence[Disposition]) -> None:
        self._store.acknowledge(head.seq, head.hash, dispositions).result()

    def queue(self) -> int:
        return self._store.reader().outbox_depth()

    def cursor(self) -> str | None:
        return self._store.reader().cursor()

    def apply_deltas(self, page: DeltaPage) -> None:
        self._store.apply_deltas(page).result()

    def begin_anew(self) -> None:
        self._store.clear_cursor().result()

    def attempts(self) -> Attempts:
        backlog = self._store.reader().backlog()
        if backlog.next_boot is None or backlog.next_mono_ns is None:
            return Attempts(backlog.attempts)
        return Attempts(backlog.attempts, Instant(0, backlog.next_boot, backlog.next_mono_ns), _reason(backlog.reason))

    def record_attempt(self, through_seq: int, reason: Reason, next_at: Instant) -> None:
        self._store.record_attempt(through_seq, reason=reason.value, next_at=next_at).result()

    def till_status(self) -> TillStatus | None:
        return self._status

    def report_link(self, link: Link) -> None:
        with self._telling:
            if link != self._link:
                self._link = link
                self._on_link(link)

    def wait_for_work(self, seen: Work, timeout_s: float) -> Work:
        self._absent_at_ns = self._clock.now().mono_ns + round((timeout_s + ABSENT_AFTER_S) * 1e9)
        with self._changed:
            if self._watcher.ident is None and not self._cancelled:
                self._watcher.start()
            self._changed.wait_for(lambda: self._work != seen or self._cancelled, timeout_s)
            return self._work

    def cancel(self) -> None:
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()
        while self._watcher.is_alive():
            # The store wakes only those who wait already, so once may be too early.
            self._store.wake_waiters()
            self._watcher.join(_JOIN_S)

    def _watch(self) -> None:
        """Carry the ledger's commits into our own condition, where everything else is heard too; and see whether
        anybody still synchronises."""
        while not self._cancelled:
            head_seq = self._store.wait_for_entries(self._work.head_seq, self._until_absent_s() or _LOOK_S)
            with self._changed:
                self._work = Work(head_seq, self._work.hurries, self._work.reports)
                self._changed.notify_all()
            if not self._until_absent_s():
                self._doubt()

    def _until_absent_s(self) -> float:
        return max(0, self._absent_at_ns - self._clock.now().mono_ns) / 1e9

    def _doubt(self) -> None:
        """The process that said "online" was killed or hangs: nobody would notice that the club is away."""
        if self._link.state is LinkState.ONLINE:
            self.report_link(Link(LinkState.OFFLINE, Reason.NOBODY_SYNCS, self.queue(), self._link.last_contact))


def _reason(text: str) -> Reason:
    try:
        return Reason(text)
    except ValueError:
        # Another release wrote it.
        return Reason.NOT_TRIED
