"""Retention: what is old leaves the ledger for an archive that anyone can verify, and the chain goes on.

In this order, each step durable before the next: a checkpoint entry; the archive file, written and verified; the mark
in the ledger; then the rows, few at a time. A power cut between any two loses nothing: run it again. The database
itself allows no other order (`schema/0002_retention.sql`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from posd.clock import Instant
from posd.errors import LedgerBroken
from posd.ledger.books import Books, Slip
from posd.ledger.connection import snapshot
from posd.ledger.entries import Draft, Entry, Head, Kind, encode_payload, parse_payload
from posd.ledger.export import Sign, export_json_lines
from posd.ledger.new_file import new_file
from posd.ledger.requests import NotBooked, RequestKey
from posd.ledger.rows import cut_of, opening_of, position_of
from posd.ledger.totals import Balances, checkpoint_body
from posd.ledger.verify import verify_journal
from posd.ledger.writer import CHECKPOINT_JOBS

if TYPE_CHECKING:
    from sqlite_utils import Database

    from posd.ledger.reader import Reader
    from posd.ledger.store import Store

STEP = 200
"""Entries that leave in one transaction; a sale waits for one such step at most."""
BREATHER_S = 0.02
"""Between two steps: the till's own work goes first."""

CLOSES = """
select seq, payload from entry
where kind = 'close' and kind in ('close', 'checkpoint') and seq > ? and seq <= ? order by seq desc"""
LIMITS = """
select acked_seq, told_seq, coalesce((select min(seq) from lease), 1 << 62),
       coalesce((select max(seq) from entry where kind = 'close' and kind in ('close', 'checkpoint')), 0)
from till_state"""
MOVED = "select account, unit, sum(amount) from leg where seq > ? and seq <= ? group by account, unit"

Old = Callable[[int, Instant], bool]
"""Whether a close, by its seq and when it was made, is old enough that everything before it may leave."""


class NothingToArchive(NotBooked):
    """No closed period is old enough, or the club does not have it yet."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What an archive took: the entries ``first``…``last``."""

    first: int
    last: int


def closed_before_seq(seq: int) -> Old:
    return lambda close_seq, _at: close_seq <= seq


def closed_before_ms(wall_ms: int) -> Old:
    """By the wall clock of the day: a wrong one archives too much or too little, never what the club has not."""
    return lambda _seq, at: at.wall_ms < wall_ms


def archive(store: Store, file: Path, old: Old, *, entry_id: bytes, at: Instant, sign: Sign | None = None) -> Taken:
    """Move the oldest closed periods into the new file ``file``; sales go on meanwhile.

    ``entry_id`` and ``at`` are the checkpoint's; ``sign`` vouches for the archive. Raises `NothingToArchive`,
    `LedgerUnwritable`, `LedgerBroken`, or `LedgerError` when the file exists.
    """
    reader = store.reader()
    remove_archived(store)
    start, cut = reader.cut(), plan(reader, old)
    known = _balances(reader)
    store.submit(lambda books: _checkpoint(books, cut, known, entry_id, at)).result()
    with new_file(file) as draft:
        _write(reader, draft, cut, sign)
    store.submit(lambda books: _mark(books.db, cut)).result()
    remove_archived(store)
    return Taken(start.seq + 1, cut.seq)


def plan(reader: Reader, old: Old) -> Head:
    """Up to where the ledger may be cut: before the newest close that is ``old``, of what the club has acknowledged and
    has told us about, and before any lease that is still open. Raises `NothingToArchive`."""
    start = reader.cut()
    acked, told, lease, closed = reader.db.execute(LIMITS).fetchone()
    for seq, payload in reader.db.execute(CLOSES, (start.seq + 1, min(acked, told + 1, lease))):
        if old(seq, parse_payload(payload).at):
            return position_of(reader.db, seq - 1)
    raise NothingToArchive(
        f"nothing that is old enough can leave: the ledger begins after entry {start.seq}, is closed up to {closed}, "
        f"the club has it up to {acked} and told us so up to {told}; close the period, synchronise, or take a later day"
    )


def remove_archived(store: Store) -> None:
    """Delete what an archive holds, where that is not done yet."""
    while store.submit(lambda books: _step(books.db), CHECKPOINT_JOBS).result():
        time.sleep(BREATHER_S)


def _step(db: Database) -> bool:
    """Whether there was something to delete. Its legs, its id and its sums are the triggers' business."""
    (first,) = db.execute("select min(seq) from entry").fetchone()
    last = cut_of(db).seq
    if first is None or first > last:
        return False
    db.execute("delete from entry where seq between ? and ?", (first, min(first + STEP - 1, last)))
    return True


def _balances(reader: Reader) -> tuple[int, Balances]:
    """A position and what each account holds there; added up beside the writer."""
    with snapshot(reader.db):
        seq, balances = reader.head().seq, opening_of(reader.db)
        _add(balances, reader.db, reader.cut().seq, seq)
    return seq, balances


def _add(balances: Balances, db: Database, after: int, through: int) -> None:
    for account, unit, amount in db.execute(MOVED, (after, through)):
        balances[account, unit] = balances.get((account, unit), 0) + amount


def _checkpoint(books: Books, cut: Head, known: tuple[int, Balances], entry_id: bytes, at: Instant) -> Entry:
    """Booked once for each cut, whatever happens afterwards."""
    seq, balances = known[0], dict(known[1])
    _add(balances, books.db, seq, books.head.seq)
    draft = Draft(entry_id, Kind.CHECKPOINT, at, None, (), checkpoint_body(cut, balances))
    return books.book(Slip(draft, encode_payload(draft), RequestKey.of(f"checkpoint {cut.seq}", b"")))


def _write(reader: Reader, file: Path, cut: Head, sign: Sign | None) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as out:
        export_json_lines(reader, out, cut.seq, sign)
    with file.open(encoding="utf-8", newline="\n") as lines:
        report = verify_journal(lines)
    if not report.ok or report.head != cut:
        raise LedgerBroken(f"the archive would be broken, so nothing was cut: {report.broken or 'it ends too early'}")


def _mark(db: Database, cut: Head) -> None:
    row = (cut.epoch, cut.seq, cut.hash)
    db.execute("update till_state set archived_epoch = ?, archived_seq = ?, archived_hash = ?", row)
