"""Till to club: contiguous runs of entries, acknowledged cumulatively, and the till's own status when nothing waits.

An entry on which the club fails for ever is *withheld* (`posd.sync.policy.must_withhold`): the club gets its place in
the chain, those behind it pass, and the entry itself is offered again at each start and whenever somebody asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posd.clock import Clock, Instant
from posd.ledger.entries import Entry, Head
from posd.sync.client import ClubClient
from posd.sync.fork import ForkSettler, own_position
from posd.sync.link import LaneName
from posd.sync.outcomes import Delivered, Outcome, Reason, Retry
from posd.sync.policy import (
    MAX_BATCH_BYTES,
    Attempts,
    classify,
    for_push,
    is_stuck,
    must_withhold,
    next_batch,
)
from posd.sync.port import SyncPort
from posd.sync.wire import PushReply, PushRequest, TillStatus

CONFLICT = 409
BREATHER_S = 0.02
"""Between two batches of a backlog: a sale that waits for the ledger's writer or the processor goes first."""


class Push:
    """The direction of entries. Used by its lane's thread; `offer_again` and `close` by any."""

    name = LaneName.PUSH

    def __init__(self, port: SyncPort, client: ClubClient, fork: ForkSettler, clock: Clock) -> None:
        self._port = port
        self._client = client
        self._fork = fork
        self._clock = clock
        self.spread_s = 0
        self._limit = 1
        self._entries: Sequence[Entry] = ()
        self._told: TillStatus | None = None
        self._stuck_since: Instant | None = None
        self._to_withhold: Reason | None = None
        self._offers = True

    def attempt(self) -> Outcome | None:
        if self._to_withhold is not None:
            self._port.withhold(self._entries[0].seq, self._to_withhold)
            self._to_withhold = None
        epoch, acked = self._port.epoch(), self._port.acked_head()
        self._entries = self._port.entries(acked.seq, self._limit, MAX_BATCH_BYTES)
        if not self._entries:
            self._offer_withheld()
            self._tell_status()
            return None
        withheld = {entry.seq for entry in self._port.withheld()}
        exchange = self._client.push(PushRequest.of(acked, tuple(self._entries), withheld, epoch))
        reply, conflict = exchange.value, exchange.answer.status == CONFLICT
        head = None if reply is None else self._named(reply)
        if reply is not None and head is not None and head.seq > acked.seq:
            self.spread_s = reply.spread_s
            self._port.acknowledge(head, [d for d in reply.dispositions if d.seq <= head.seq])
            return Delivered()
        if head is not None and conflict and head.seq < acked.seq:
            self._port.lost_at_the_club(head)
            return Delivered()
        if reply is not None and conflict:
            return self._fork.settle(self._client, epoch)
        return for_push(classify(replace(exchange.answer, echoed=False)), len(self._entries))

    def settle(self, outcome: Outcome, failures: int) -> int | None:
        sent = len(self._entries)
        self._limit = next_batch(self._limit, sent, failures, outcome)
        if not isinstance(outcome, Retry) or not is_stuck(sent, failures, outcome):
            self._stuck_since = None
            return None
        now = self._clock.now()
        self._stuck_since = self._stuck_since or now
        if must_withhold((now.mono_ns - self._stuck_since.mono_ns) / 1e9, failures):
            self._to_withhold = outcome.reason
        return self._entries[0].seq

    def breather_s(self) -> float:
        return BREATHER_S

    def recall(self) -> Attempts:
        return self._port.attempts()

    def remember(self, reason: Reason, next_at: Instant) -> None:
        if self._entries:
            self._port.record_attempt(self._entries[-1].seq, reason, next_at)

    def offer_again(self) -> None:
        """Somebody wants to know whether the club takes withheld entries by now."""
        self._offers = True

    def close(self) -> None:
        self._client.close()

    def _named(self, reply: PushReply) -> Head | None:
        """The place in our own chain that the club names, by number and hash: nothing else proves a delivery.

        It may lie behind the run just sent, when an earlier acknowledgement of a longer run was lost. A 409 names the
        last entry that both have: one before our run when the club itself has lost some.
        """
        for entry in self._entries:
            if (entry.seq, entry.hash.hex()) == (reply.acked_seq, reply.acked_hash):
                return Head(entry.epoch, entry.seq, entry.hash)
        return own_position(self._port, reply.acked_seq, reply.acked_hash)

    def _offer_withheld(self) -> None:
        """Each once; what fails is left for the next time, because it holds nothing up."""
        if not self._offers:
            return
        self._offers = False
        for entry in self._port.withheld():
            # It may stand before the place where our present epoch began.
            for epoch in dict.fromkeys((self._port.epoch(), entry.epoch)):
                exchange = self._client.push(PushRequest.of(self._before(entry), (entry,), epoch=epoch))
                if exchange.value is not None and isinstance(classify(exchange.answer), Delivered):
                    self._port.hand_over(entry.seq, exchange.value.dispositions)
                    break

    def _before(self, entry: Entry) -> Head:
        for known in self._port.entries(entry.seq - 2, 1, MAX_BATCH_BYTES):
            if known.seq == entry.seq - 1:
                return Head(known.epoch, known.seq, known.hash)
        return Head(entry.epoch, entry.seq - 1, entry.prev)

    def _tell_status(self) -> None:
        """For people to see, so a failure is left at that: the next report brings a fresher one."""
        status = self._port.till_status()
        if status is None or status == self._told:
            return
        if isinstance(classify(self._client.status(status).answer), Delivered):
            self._told = status
