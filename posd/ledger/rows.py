"""Rows of the ledger's tables as values; questions that both the writer and the readers ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posd.ledger.entries import GENESIS, RESOLVING, Entry, Head
from posd.ledger.requests import RequestConflict, RequestKey

if TYPE_CHECKING:
    from sqlite_utils import Database

SELECT_ENTRY = "select seq, epoch, id, payload, prev, hash from entry "
"""Columns in the order of `Entry`'s fields."""


def head_of(db: Database, epoch: int) -> Head:
    """Where the journal stands. The first entry of a new epoch follows `GENESIS`, with the next seq."""
    row = db.execute("select epoch, seq, hash from entry order by seq desc limit 1").fetchone()
    if row is None:
        return Head(epoch, 0, GENESIS)
    last = Head(*row)
    return last if last.epoch == epoch else Head(epoch, last.seq, GENESIS)


def entry_by_id(db: Database, entry_id: bytes) -> Entry | None:
    row = db.execute(SELECT_ENTRY + "where id = ?", (entry_id,)).fetchone()
    return None if row is None else Entry(*row)


def requested(db: Database, request: RequestKey) -> Entry | None:
    """The entry that this request booked. Raises `RequestConflict` when the key was used for another request."""
    row = db.execute("select body_hash, seq from request where key_hash = ?", (request.key_hash,)).fetchone()
    if row is None:
        return None
    if row[0] != request.body_hash:
        raise RequestConflict("this request key was used for another request; a new request needs a new key")
    return Entry(*db.execute(SELECT_ENTRY + "where seq = ?", (row[1],)).fetchone())


def resolution_of(db: Database, ref: bytes) -> Entry | None:
    """The entry that resolved ``ref``."""
    rows = (Entry(*row) for row in db.execute(SELECT_ENTRY + "where ref = ?", (ref,)))
    return next((entry for entry in rows if entry.draft.kind in RESOLVING), None)
