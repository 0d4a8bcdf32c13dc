"""Day close: an entry that states what was booked since the close before it, and what was booked in all time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from posd.clock import Instant
from posd.ledger.books import Books, Slip
from posd.ledger.entries import Draft, Entry, Kind, encode_payload
from posd.ledger.requests import NotBooked
from posd.ledger.rows import position_of, statement_of
from posd.ledger.totals import Period, close_body, summary

if TYPE_CHECKING:
    from sqlite_utils import Database

    from posd.ledger.store import Store

MOVES = """
select kind, account, unit, sum(amount) from entry join leg using (seq)
where seq between ? and ? group by kind, account, unit"""
ENTRIES = "select kind, count(*) from entry where seq between ? and ? group by kind"
NOTHING_NEW = "select not exists (select 1 from entry where seq > ? and kind not in ('close', 'checkpoint'))"


class NothingToClose(NotBooked):
    """Nothing was ever booked here."""


def close_period(store: Store, entry_id: bytes, at: Instant) -> Entry:
    """Close the period that is open; the close that stands when nothing was booked since.

    Most of the adding up is done beside the writer, and only what is sold meanwhile inside its transaction. Raises
    `NothingToClose` on an empty journal, `LedgerUnwritable`.
    """
    reader = store.reader()
    known = read_period(reader.db, _first(reader.db), reader.head().seq)
    return store.submit(lambda books: _close(books, known, entry_id, at)).result()


def read_period(db: Database, first: int, last: int) -> Period:
    """What the entries from ``first`` to ``last`` moved."""
    moves = {(kind, account, unit): amount for kind, account, unit, amount in db.execute(MOVES, (first, last))}
    return Period(first, last, Counter(dict(db.execute(ENTRIES, (first, last)).fetchall())), Counter(moves))


def _first(db: Database) -> int:
    standing = statement_of(db, Kind.CLOSE)
    return 1 if standing is None else standing.seq


def _close(books: Books, known: Period, entry_id: bytes, at: Instant) -> Entry:
    db, head = books.db, books.head
    standing = statement_of(db, Kind.CLOSE)
    if standing is not None and db.execute(NOTHING_NEW, (standing.seq,)).fetchone()[0]:
        return standing
    if head.seq == 0:
        raise NothingToClose("nothing was booked on this till yet, so there is nothing to close")
    period = known if known.first == _first(db) else Period(_first(db), _first(db) - 1)
    period = period.plus(read_period(db, period.last + 1, head.seq))
    before = {} if standing is None else standing.draft.body["perpetual"]
    amounts = {(group, unit): amount for unit, groups in before.items() for group, amount in groups.items()}
    period.carry_into(amounts)
    body = close_body(period, position_of(db, head.seq).hash, summary(amounts.items()))
    draft = Draft(entry_id, Kind.CLOSE, at, None, (), body)
    return books.book(Slip(draft, encode_payload(draft)))


def closed_document(close: Entry) -> dict[str, Any]:
    """A close for people and programs."""
    return {"id": close.entry_id.hex(), "seq": close.seq, "hash": close.hash.hex(), "body": dict(close.draft.body)}
