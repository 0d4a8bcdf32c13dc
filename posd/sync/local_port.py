"""The port on the till's own ledger, and the till's side of it: *sync now*, status reports, the state of the link."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from posd.clock import Clock, Instant
from posd.errors import LedgerError
from posd.ledger.delivery import hand_over, withhold
from posd.ledger.entries import Entry, Head
from posd.ledger.leases import lease_draft
from posd.ledger.members import DeltaPage
from posd.ledger.spending import Spending
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source
from posd.sync.link import Link, LinkState
from posd.sync.outcomes import Reason
from posd.sync.policy import Attempts
from posd.sync.port import Work
from posd.sync.wire import Disposition, LeaseAsk, LeaseReply, TillStatus

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
        self._new_id = Uuid7Source()
        self._wishes: dict[str, str] = {}
        """Member → the lease that the till would like to have."""
        self._cancelled = False
        self._watcher = threading.Thread(target=self._watch, name="sync-commits")

    # The till's side

    @property
    def link(self) -> Link:
        """How the connection stood when it last changed."""
        return self._link

    def spending(self) -> Spending:
        """Whether anything may be spent from this ledger."""
        return self._store.reader().epoch_state().spending

    def sync_now(self) -> None:
        """A person does not want to wait for the next attempt. Never blocks."""
        with self._changed:
            self._work = replace(self._work, hurries=self._work.hurries + 1)
            self._changed.notify_all()

    def report_status(self, status: TillStatus) -> None:
        """What the club shall see of this till; sent when nothing more urgent waits. Never blocks."""
        with self._changed:
            if status == self._status:
                return
            self._status = status
        self._ask_to_send()

    def _ask_to_send(self) -> None:
        """There is something to send that is no new entry."""
        with self._changed:
            self._work = replace(self._work, reports=self._work.reports + 1)
            self._changed.notify_all()

    def wish_lease(self, member_id: str) -> None:
        """This member stands at the till and may want to spend. Never blocks; what comes of it is an entry."""
        with self._changed:
            self._wishes[member_id] = self._new_id().hex()
            self._work = replace(self._work, wishes=self._work.wishes + 1)
            self._changed.notify_all()

    # SyncPort

    def acked_head(self) -> Head:
        return self._store.reader().acked_head()

    def epoch(self) -> int:
        return self._store.reader().epoch_state().epoch

    def entries(self, after_seq: int, limit: int, max_bytes: int) -> Sequence[Entry]:
        return self._store.reader().run(after_seq, limit, max_bytes)

    def acknowledge(self, head: Head, dispositions: Sequence[Disposition]) -> None:
        self._store.acknowledge(head.seq, head.hash, dispositions).result()

    def withhold(self, seq: int, reason: Reason) -> None:
        self._store.submit(lambda books: withhold(books, seq, reason.value)).result()

    def withheld(self) -> Sequence[Entry]:
        return self._store.reader().withheld()

    def hand_over(self, seq: int, dispositions: Sequence[Disposition]) -> None:
        self._store.submit(lambda books: hand_over(books, seq, dispositions)).result()

    def doubt(self) -> None:
        self._store.doubt().result()

    def begin_epoch(self, epoch: int, base: Head) -> None:
        self._store.begin_epoch(epoch, base).result()
        self._ask_to_send()

    def lost_at_the_club(self, base: Head) -> None:
        self._store.lost_at_the_club(base).result()
        self._ask_to_send()

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

    def lease_asks(self, *, afresh: bool) -> Sequence[LeaseAsk]:
        head = self._store.reader().head()
        with self._changed:
            wishes, self._wishes = self._wishes, {}
        if afresh and not wishes:
            wishes = {"": self._new_id().hex()}
        place = head.epoch, head.seq, self._store.incarnation
        return tuple(LeaseAsk(lease_id, member_id, *place) for member_id, lease_id in wishes.items())

    def take_leases(self, reply: LeaseReply) -> None:
        now, incarnation = self._clock.now(), self._store.incarnation
        for booked in [self._store.append(lease_draft(lease, now, incarnation)) for lease in reply.leases]:
            booked.result()

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
                self._work = replace(self._work, head_seq=head_seq)
                self._changed.notify_all()
            if not self._until_absent_s():
                self._doubt()

    def _until_absent_s(self) -> float:
        return max(0, self._absent_at_ns - self._clock.now().mono_ns) / 1e9

    def _doubt(self) -> None:
        """The process that said "online" was killed or hangs: nobody would notice that the club is away."""
        if self._link.state is LinkState.ONLINE:
            try:
                queue = self.queue()
            except LedgerError:  # the till thread says so
                queue = self._link.queue
            self.report_link(Link(LinkState.OFFLINE, Reason.NOBODY_SYNCS, queue, self._link.last_contact))


def _reason(text: str) -> Reason:
    try:
        return Reason(text)
    except ValueError:
        # Another release wrote it.
        return Reason.NOT_TRIED
