"""Going on under a new epoch, and what stops until then (`docs/sync.md`, "Restored, cloned, doubled"). Runs inside the
writer's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posd.ledger.club_cache import void_leases
from posd.ledger.connection import savepoint
from posd.ledger.delivery import LedgerForked, check_position, keeping_withheld
from posd.ledger.entries import Head
from posd.ledger.rows import head_of

if TYPE_CHECKING:
    from posd.ledger.books import Books


def doubt(books: Books) -> None:
    """Stop spending until the club has granted an epoch and says that there is no other copy."""
    books.db.execute("update till_state set spending = 'doubted'")


def begin_epoch(books: Books, epoch: int, base: Head) -> None:
    """Book under ``epoch`` from now on. The club has this journal up to ``base`` and nothing that follows. Spending is
    frozen until the club's next page. An epoch that is over already changes nothing.

    Raises `LedgerForked` when ``base`` is not a position of this journal.
    """
    db = books.db
    with savepoint(db):
        (known,) = db.execute("select epoch from till_state").fetchone()
        if known <= epoch:
            set_acknowledged(books, base)
            db.execute("update till_state set epoch = ?, spending = 'frozen'", (epoch,))
        if known < epoch:
            void_leases(books)  # the other copy may have spent them
    books.head = head_of(db, max(known, epoch))


def set_acknowledged(books: Books, base: Head) -> None:
    """The club has just the entries up to ``base``: what follows waits in the outbox, even what was acknowledged once.

    Raises `LedgerForked` when ``base`` is not a position of this journal, or what follows it has left for an archive.
    """
    check_position(books, base.seq, base.hash)
    (first,) = books.db.execute("select coalesce(min(seq), 0) from entry").fetchone()
    if first > base.seq + 1:
        raise LedgerForked(
            f"the club lacks entries from {base.seq + 1} on, and those before {first} are in an archive: call support"
        )
    with keeping_withheld(books.db, base.seq):
        books.db.execute(
            "update till_state set acked_seq = ?1, acked_hash = ?2, losses = losses + (acked_seq > ?1)",
            (base.seq, base.hash),
        )
