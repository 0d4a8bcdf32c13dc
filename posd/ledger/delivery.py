"""What the sync side writes: acknowledgements and attempts. Runs inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from posd.clock import Instant
from posd.errors import LedgerBroken
from posd.ledger.connection import savepoint
from posd.ledger.entries import GENESIS
from posd.ledger.rows import cut_of

if TYPE_CHECKING:
    from sqlite_utils import Database

    from posd.ledger.books import Books

PARKED = "parked"
SELECT_WITHHELD = "select seq, attempts, state, reason from outbox where state = 'quarantined' and seq <= ?"
KEEP_WITHHELD = "insert or ignore into outbox (seq, attempts, state, reason) values (?, ?, ?, ?)"


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
    check_position(books, seq, digest)
    with savepoint(db):
        with keeping_withheld(db, seq):
            # A trigger empties the outbox.
            forward = "update till_state set acked_seq = ?, acked_hash = ? where acked_seq < ?"
            moved = db.execute(forward, (seq, digest, seq))
        if moved.rowcount:
            # The club went on with this journal; whether there is another one of this till, its next page says.
            db.execute("update till_state set spending = 'frozen' where spending = 'doubted'")
        _note(books, verdicts)
        (acked,) = db.execute("select acked_seq from till_state").fetchone()
    return int(acked)


@contextmanager
def keeping_withheld(db: Database, seq: int) -> Iterator[None]:
    """What is inside moves the mark to ``seq``. The club has the place of a withheld entry, but not the entry: it stays
    in the outbox."""
    withheld = db.execute(SELECT_WITHHELD, (seq,)).fetchall()
    yield
    db.conn.executemany(KEEP_WITHHELD, withheld)


def withhold(books: Books, seq: int, reason: str) -> None:
    """The club fails on this entry's payload: from now on it is sent only the entry's place in the chain. May be told
    again; an entry that the club has is left alone."""
    books.db.execute("update outbox set state = 'quarantined', reason = ? where seq = ?", (reason, seq))


def hand_over(books: Books, seq: int, verdicts: Iterable[Verdict]) -> None:
    """The club has the payload of a withheld entry after all."""
    with savepoint(books.db):
        books.db.execute("delete from outbox where seq = ? and seq <= (select acked_seq from till_state)", (seq,))
        _note(books, verdicts)


def _note(books: Books, verdicts: Iterable[Verdict]) -> None:
    for verdict in verdicts:
        books.db.execute("delete from parked where seq = ?", (verdict.seq,))
        if verdict.state == PARKED:
            row = (verdict.reason, verdict.seq)
            books.db.execute("insert into parked select seq, ? from entry where seq = ?", row)


def check_position(books: Books, seq: int, digest: bytes) -> None:
    """Raises `LedgerForked` when that is not a position of this journal."""
    if seq > books.head.seq:
        raise LedgerForked(
            f"the club has {seq} entries of this till, this ledger only {books.head.seq}: it is an older copy; "
            "stop the till and put the newest ledger back, or enrol it anew"
        )
    if 0 < seq < cut_of(books.db).seq:
        return  # acknowledged long ago; only the archive knows its hash
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
