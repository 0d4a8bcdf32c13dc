"""Rows of the ledger's tables as values; questions that both the writer and the readers ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posd.ledger.entries import BEGINNING, GENESIS, RESOLVING, Draft, Entry, Head, Kind
from posd.ledger.requests import Archived, RequestConflict, RequestKey
from posd.ledger.totals import Balances

if TYPE_CHECKING:
    from sqlite_utils import Database

SELECT_ENTRY = "select seq, epoch, id, payload, prev, hash from entry "
"""Columns in the order of `Entry`'s fields."""
RETENTION, LEASES = 2, 3
"""Which schema brought it; ledgers of older ones are read, copied and verified too, before they are migrated."""
OPENING = """
select account, unit, sum(amount) from (
    select account, unit, amount from opening
    union all select account, unit, amount from leg where seq <= (select archived_seq from till_state))
group by account, unit"""


def head_of(db: Database, epoch: int) -> Head:
    """Where the journal stands. The first entry of a new epoch follows `GENESIS`, with the next seq."""
    row = db.execute("select epoch, seq, hash from entry order by seq desc limit 1").fetchone()
    if row is None:
        return Head(epoch, 0, GENESIS)
    last = Head(*row)
    return last if last.epoch == epoch else Head(epoch, last.seq, GENESIS)


def has(db: Database, schema: int) -> bool:
    """Whether the ledger is of this schema or a later one."""
    return int(db.execute("pragma user_version").fetchone()[0]) >= schema


def cut_of(db: Database) -> Head:
    """Where the journal in this file begins: the last entry that is in an archive, or the beginning of all."""
    if not has(db, RETENTION):
        return BEGINNING
    return Head(*db.execute("select archived_epoch, archived_seq, archived_hash from till_state").fetchone())


def opening_of(db: Database) -> Balances:
    """What each account held at `cut_of`; the legs of archived entries that are not deleted yet still count there."""
    if not has(db, RETENTION):
        return {}
    return {(account, unit): amount for account, unit, amount in db.execute(OPENING) if amount}


def archived_seq_of(db: Database, draft: Draft) -> int | None:
    """Where an archived entry stood that has the draft's id, or that resolved what the draft wants to resolve."""
    resolves = draft.ref if draft.kind in RESOLVING else None
    row = db.execute(
        "select min(seq) from archived where id = ? or resolved = ?", (draft.entry_id, resolves)
    ).fetchone()
    return None if row[0] is None else int(row[0])


def position_of(db: Database, seq: int) -> Head:
    """The place of an entry that is here."""
    return Head(*db.execute("select epoch, seq, hash from entry where seq = ?", (seq,)).fetchone())


def statement_of(db: Database, kind: Kind) -> Entry | None:
    """The newest close or checkpoint."""
    query = SELECT_ENTRY + "where kind = ? and kind in ('close', 'checkpoint') order by seq desc limit 1"
    row = db.execute(query, (kind.value,)).fetchone()
    return None if row is None else Entry(*row)


def entry_by_id(db: Database, entry_id: bytes) -> Entry | None:
    row = db.execute(SELECT_ENTRY + "where id = ?", (entry_id,)).fetchone()
    return None if row is None else Entry(*row)


def requested(db: Database, request: RequestKey) -> Entry | None:
    """The entry that this request booked. Raises `RequestConflict` when the key was used for another request,
    `Archived` when the entry has left the file."""
    row = db.execute("select body_hash, seq from request where key_hash = ?", (request.key_hash,)).fetchone()
    if row is None:
        return None
    if row[0] != request.body_hash:
        raise RequestConflict("this request key was used for another request; a new request needs a new key")
    entry = db.execute(SELECT_ENTRY + "where seq = ?", (row[1],)).fetchone()
    if entry is None:
        raise Archived(row[1])
    return Entry(*entry)


def resolution_of(db: Database, ref: bytes) -> Entry | None:
    """The entry that resolved ``ref``."""
    rows = (Entry(*row) for row in db.execute(SELECT_ENTRY + "where ref = ?", (ref,)))
    return next((entry for entry in rows if entry.draft.kind in RESOLVING), None)
