"""When the club has other entries of this till than the ledger: stop spending, and go on under an epoch of our own
(`docs/sync.md`, "Restored, cloned, doubled")."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

from posd.ledger.entries import Head
from posd.sync.client import ClubClient
from posd.sync.outcomes import Delivered, Halt, Outcome, Pause, Reason, Retry
from posd.sync.policy import MAX_BATCH_BYTES, classify
from posd.sync.port import SyncPort
from posd.sync.wire import EpochRequest

log = logging.getLogger("posd.sync")


class ForkSettler:
    """One for both lanes: whichever notices first settles it."""

    def __init__(self, port: SyncPort) -> None:
        self._port = port
        self._lock = threading.Lock()

    def settle(self, client: ClubClient, epoch: int) -> Outcome:
        """An exchange under ``epoch`` showed that our journal is not the club's. Returns `Retry`: whatever follows is
        tried after a short rest, so that a misunderstanding does not burn epochs. Raises PosdError."""
        with self._lock:
            if self._port.epoch() != epoch:  # the other lane was quicker
                return Retry(Reason.FORK)
            self._port.doubt()
            exchange = client.ask_epoch(EpochRequest(epoch, tuple(_positions(self._port))))
            grant = exchange.value
            outcome = classify(exchange.answer)
            if not isinstance(outcome, Delivered) or grant is None:
                return _refused(outcome, exchange.answer.status)
            base = own_position(self._port, grant.base_seq, grant.base_hash)
            if base is None:
                return Halt(Reason.FORK)
            log.warning("this ledger has a copy: it goes on from entry %d under epoch %d", base.seq, grant.epoch)
            self._port.begin_epoch(grant.epoch, base)
        return Retry(Reason.FORK)


def own_position(port: SyncPort, seq: int, digest: str) -> Head | None:
    """The place in our own journal that is meant, by number and hash."""
    entries = port.entries(seq - 1, 1, MAX_BATCH_BYTES) if seq > 0 else ()
    for entry in entries:
        if (entry.seq, entry.hash.hex()) == (seq, digest):
            return Head(entry.epoch, entry.seq, entry.hash)
    beginning = Head(0, 0, bytes(32))
    return beginning if (seq, digest) == (0, beginning.hash.hex()) else None


def _positions(port: SyncPort) -> Iterator[tuple[int, str]]:
    """Our acknowledged position and, ever farther apart, some before it: how far the club agrees is not known when the
    club itself came back from a backup."""
    acked, step = port.acked_head(), 1
    yield acked.seq, acked.hash.hex()
    while acked.seq > step:
        seq = acked.seq - step
        for entry in port.entries(seq - 1, 1, MAX_BATCH_BYTES):
            yield entry.seq, entry.hash.hex()
        step *= 2


def _refused(outcome: Outcome, status: int) -> Outcome:
    """A club that does not grant epochs leaves us where we are."""
    if isinstance(outcome, Retry) or (isinstance(outcome, Pause) and status in {401, 403}):
        return outcome
    return Halt(Reason.FORK)
