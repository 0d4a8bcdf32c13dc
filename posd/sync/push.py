"""Till to club: contiguous runs of entries, acknowledged cumulatively, and the till's own status when nothing waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posd.clock import Instant
from posd.ledger.entries import Entry, Head
from posd.sync.client import ClubClient
from posd.sync.link import LaneName
from posd.sync.outcomes import Delivered, Outcome, Reason
from posd.sync.policy import MAX_BATCH_BYTES, Attempts, classify, for_push, is_stuck, next_batch
from posd.sync.port import SyncPort
from posd.sync.wire import PushReply, PushRequest, TillStatus

BREATHER_S = 0.02
"""Between two batches of a backlog: a sale that waits for the ledger's writer or the processor goes first."""


class Push:
    """The direction of entries. Used by its lane's thread; `close` by any."""

    name = LaneName.PUSH

    def __init__(self, port: SyncPort, client: ClubClient) -> None:
        self._port = port
        self._client = client
        self._limit = 1
        self._entries: Sequence[Entry] = ()
        self._told: TillStatus | None = None

    def attempt(self) -> Outcome | None:
        acked = self._port.acked_head()
        self._entries = self._port.pending(acked.seq, self._limit, MAX_BATCH_BYTES)
        if not self._entries:
            self._tell_status()
            return None
        exchange = self._client.push(PushRequest.of(acked, tuple(self._entries)))
        head = self._named(exchange.value)
        if head is None or exchange.value is None:
            return for_push(classify(replace(exchange.answer, echoed=False)), len(self._entries))
        self._port.acknowledge(head, [d for d in exchange.value.dispositions if d.seq <= head.seq])
        return Delivered()

    def settle(self, outcome: Outcome, failures: int) -> int | None:
        sent = len(self._entries)
        self._limit = next_batch(self._limit, sent, failures, outcome)
        return self._entries[0].seq if is_stuck(sent, failures, outcome) else None

    def breather_s(self) -> float:
        return BREATHER_S

    def recall(self) -> Attempts:
        return self._port.attempts()

    def remember(self, reason: Reason, next_at: Instant) -> None:
        if self._entries:
            self._port.record_attempt(self._entries[-1].seq, reason, next_at)

    def close(self) -> None:
        self._client.close()

    def _named(self, reply: PushReply | None) -> Head | None:
        """The place in our own chain that the club names, by number and hash: nothing else proves a delivery.

        It may lie behind the run just sent, when an earlier acknowledgement of a longer run was lost; so may the head
        that a 409 carries.
        """
        if reply is None:
            return None
        known = self._entries
        if reply.acked_seq > known[-1].seq:
            known = self._port.pending(reply.acked_seq - 1, 1, MAX_BATCH_BYTES)
        for entry in known:
            if (entry.seq, entry.hash.hex()) == (reply.acked_seq, reply.acked_hash):
                return Head(entry.epoch, entry.seq, entry.hash)
        return None

    def _tell_status(self) -> None:
        """For people to see, so a failure is left at that: the next report brings a fresher one."""
        status = self._port.till_status()
        if status is None or status == self._told:
            return
        if isinstance(classify(self._client.status(status).answer), Delivered):
            self._told = status
