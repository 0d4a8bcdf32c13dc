"""What the sync side writes: acknowledgements and attempts. Runs inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from posd.clock import Instant
from posd.errors import LedgerBroken
from posd.ledger.connection import savepoint
from posd.ledger.entries import GENESIS

if TYPE_CHECKING:
    from posd.ledger.books import Books

PARKED = "parked"


class LedgerForked(LedgerBroken):
    """The club holds another journal under this till's name: this one is an older copy, or a second till's."""


class Verdict(Protocol):
    """What became of an entry at the club; `posd.sync.wire.Disposition` is one."""

    @property
    def seq(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...


def acknowledge(books: Books, seq: int, digest: bytes, verdicts: Iterable[Verdict]) -> int:
    """The club has everything up to ``seq``, whose hash it says is ``digest``. Returns the acknowledged seq.

    Cumulative: an older acknowledgement that arrives late changes nothing. Raises `LedgerForked` when the club's
    position is not one of this journal; then nothing was written.
    """
    db = books.db
    _check_position(books, seq, digest)
    with savepoint(db):
        db.execute(
            "update till_state set acked_seq = ?, acked_hash = ? where acked_seq < ?",  # a trigger empties the outbox
            (seq, digest, seq),
        )
        for verdict in verdicts:
            db.execute("delete from parked where seq = ?", (verdict.seq,))
            if verdict.state == PARKED:
                db.execute("insert into parked select seq, ? from entry where seq = ?", (verdict.reason, verdict.seq))
        (acked,) = db.execute("select acked_seq from till_state").fetchone()
    return int(acked)


def _check_position(books: Books, seq: int, digest: bytes) -> None:
    if seq > books.head.seq:
        raise LedgerForked(
            f"the club has {seq} entries of this till, this ledger only {books.head.seq}: it is an older copy; "
            "stop the till and put the newest ledger back, or enrol it anew"
        )
    row = books.db.execute("select hash from entry where seq = ?", (seq,)).fetchone()
    if digest != (row[0] if row else GENESIS):
        raise LedgerForked(
            f"the club has another entry {seq} of this till: two ledgers sell under one name; "
            "stop the copy, or enrol this till anew"
        )


def record_attempt(books: Books, through_seq: int, reason: str, next_at: Instant) -> None:
    """An attempt to deliver everything up to ``through_seq`` failed; none before ``next_at`` (monotonic, this boot)."""
    books.db.execute(
        "update outbox set attempts = attempts + 1, next_boot = ?, next_mono_ns = ?, reason = ? where seq <= ?",
        (next_at.boot, next_at.mono_ns, reason, through_seq),
    )
