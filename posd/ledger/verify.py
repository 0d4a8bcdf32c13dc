"""Does a ledger keep its promises? For a ledger file, in use or not, and for an exported journal.

Both name the first entry that is broken. A whole check reads everything; at start only what came since the last one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posd.ledger.accounts import lease_of
from posd.ledger.audit import Audit, Chain, JournalReading
from posd.ledger.chain import Broken
from posd.ledger.connection import snapshot
from posd.ledger.entries import BEGINNING, GENESIS, RESOLVING, Draft, Entry, Head, parse_payload
from posd.ledger.export import Signed
from posd.ledger.journal_file import read_line
from posd.ledger.reader import Reader
from posd.ledger.rights import Rights
from posd.ledger.rows import LEASES, cut_of, has, opening_of
from posd.ledger.trouble import as_ledger_error

if TYPE_CHECKING:
    from sqlite_utils import Database

ROWS = """
select seq, epoch, id, payload, prev, hash, kind, member, ref, (
    select json_group_array(json_array(account, unit, amount))
      from (select account, unit, amount from leg where leg.seq = entry.seq order by n))
from entry where seq > ? order by seq
"""

# The unary plus keeps the index out: an index that is damaged must not vouch for itself.
SAME_ID = "select max(seq) from entry group by +id having count(*) > 1 order by 1 limit 1"
RESOLVED_TWICE = """
select max(seq) from entry where kind in (select value from json_each(?))
group by +ref having count(*) > 1 order by 1 limit 1"""
OUTBOX_LACKS = (
    "select min(seq) from entry left join outbox using (seq) "
    "where seq > (select acked_seq from till_state) and outbox.seq is null"
)
IDS_KNOWN = "select (select count(*) from archived) + (select count(*) from entry where seq <= ?)"
SAME_ID_AS_ARCHIVED = "select min(entry.seq) from entry join archived using (id) where entry.seq > ?"
RESOLVED_AS_ARCHIVED = """
select min(entry.seq) from archived cross join entry on entry.ref = archived.resolved and entry.kind in ('void')
where entry.seq > ?"""
OUTBOX_HAS = "select min(seq) from outbox where seq <= (select acked_seq from till_state) and state = 'due'"


@dataclass(frozen=True, slots=True)
class Report:
    """``head`` is the last entry that was found good; ``broken`` the first that was not. ``signed``: who claims to
    vouch for a journal's head; `posd.sync.identity.vouches` says whether that is so."""

    till_id: str
    head: Head
    broken: Broken | None = None
    signed: Signed | None = None

    @property
    def ok(self) -> bool:
        return self.broken is None


def verify_ledger(path: Path, archives: Iterable[Iterable[str]] = ()) -> Report:
    """Check the whole file: pages, chain, payloads, legs, ids, resolutions, closes, checkpoints, outbox. A till may go
    on writing meanwhile. ``archives``: the lines of its archives, the oldest first, are checked as its beginning.

    Raises `LedgerBroken` when the file cannot be read as a ledger at all.
    """
    audit = None
    for lines in archives:
        report, audit = follow_journal(lines, audit)
        if report.broken is not None:
            return report
    try:
        reader = Reader(path)
        try:
            with snapshot(reader.db):
                return verify_whole(reader.db, reader.till_id(), audit)
        finally:
            reader.close()
    except sqlite3.Error as error:
        raise as_ledger_error(path, error) from error


def verify_whole(db: Database, till_id: str, archived: Audit | None = None) -> Report:
    """`verify_ledger` on a connection that sees one state. ``archived``: what its archives came to."""
    start, opening = cut_of(db), opening_of(db)
    audit = archived or Audit(till_id, start, opening)
    try:
        audit.check_continues(till_id, start, opening)
        _follow_rows(db, start, audit.follow if archived is None else audit.follow_once)
        _check_outbox(db)
        if has(db, LEASES):
            _check_leases(db, audit.rights)
        _check_unique(db)
        if start.seq:
            _check_archived(db, start)
        _check_pages(db)
    except Broken as broken:
        return Report(till_id, audit.head, broken)
    return Report(till_id, audit.head)


def verify_entries(db: Database, till_id: str, after: Head) -> Report:
    """Check the entries that follow ``after``, their legs, and that the outbox holds just what the club does not."""
    chain = Chain(till_id, after)
    try:
        _check_start(db, after)
        _follow_rows(db, after, chain.follow)
        _check_outbox(db)
    except Broken as broken:
        return Report(till_id, chain.head, broken)
    return Report(till_id, chain.head)


def verify_journal(*journals: Iterable[str]) -> Report:
    """Check an exported journal, line by line, without any database; or several that follow one another."""
    report, audit = Report("", BEGINNING, Broken(1, "payload", "there is no journal")), None
    for lines in journals:
        report, audit = follow_journal(lines, audit)
        if report.broken is not None:
            break
    return report


def follow_journal(lines: Iterable[str], audit: Audit | None) -> tuple[Report, Audit | None]:
    """Check one exported journal, which begins where ``audit`` ends; returns what to go on with."""
    reading = JournalReading(audit)
    broken: Broken | None = None
    try:
        for line in lines:
            reading.take(read_line(line))
        reading.check_ended()
    except Broken as found:
        broken = found
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        broken = Broken(reading.head.seq + 1, "payload", f"not a line of a journal: {error}")
    return Report(reading.till, reading.head, broken, reading.signed), reading.audit


def _follow_rows(db: Database, after: Head, follow: Callable[[Entry], Draft]) -> None:
    for seq, epoch, entry_id, payload, prev, digest, *columns, legs in db.execute(ROWS, (after.seq,)):
        draft = follow(Entry(seq, epoch, entry_id, payload, prev, digest))
        _check_columns(seq, draft, columns, json.loads(legs))


def _check_start(db: Database, after: Head) -> None:
    if after.seq and after != cut_of(db):
        row = db.execute("select hash from entry where seq = ?", (after.seq,)).fetchone()
        if row is None or row[0] != after.hash:
            raise Broken(after.seq, "I2", "is not the entry that was verified before")


def _check_columns(seq: int, draft: Draft, columns: list[Any], legs: list[list[Any]]) -> None:
    if columns != [draft.kind.value, draft.member, draft.ref]:
        raise Broken(seq, "payload", "kind, member or ref stand differently in the table")
    if legs != [[leg.account, leg.unit, leg.amount] for leg in draft.legs]:
        raise Broken(seq, "I3", "the legs in the table are not those that were hashed")


def _check_outbox(db: Database) -> None:
    acked_seq, acked_hash = db.execute("select acked_seq, acked_hash from till_state").fetchone()
    row = db.execute("select hash from entry where seq = ?", (acked_seq,)).fetchone()
    if acked_hash != (row[0] if row else GENESIS) or (acked_seq and row is None):
        raise Broken(acked_seq, "I8", "the acknowledged position is not one of this journal")
    for query, detail in ((OUTBOX_LACKS, "is not acknowledged and not in the outbox"), (OUTBOX_HAS, "is acknowledged")):
        (seq,) = db.execute(query).fetchone()
        if seq is not None:
            raise Broken(seq, "I7", f"{detail}: the outbox is wrong")


def _check_leases(db: Database, rights: Rights) -> None:
    """What the table holds is what the legs come to; a lease that was declared void is not in it."""
    for account, unit, seq, rest in db.execute("select account, unit, seq, rest from lease"):
        if rights.rests.get((lease_of(account) or "", unit)) != rest:
            raise Broken(seq, "I6", f"the table says {rest} {unit} is left of {account}, its legs do not")


def _check_unique(db: Database) -> None:
    twice = db.execute(SAME_ID).fetchone()
    if twice is not None:
        raise Broken(twice[0], "I4", "was booked before under the same id")
    twice = db.execute(RESOLVED_TWICE, (json.dumps(sorted(RESOLVING)),)).fetchone()
    if twice is not None:
        raise Broken(twice[0], "I5", "resolves what is resolved already")


def _check_archived(db: Database, start: Head) -> None:
    """A file without its beginning: a checkpoint vouches for that, and what must be known for ever is."""
    points = db.execute("select payload from entry where kind = 'checkpoint' and seq > ?", (start.seq,))
    if not any(parse_payload(payload).body["through"]["seq"] == start.seq for (payload,) in points):
        raise Broken(start.seq + 1, "checkpoint", "no checkpoint vouches for the entries before it")
    (known,) = db.execute(IDS_KNOWN, (start.seq,)).fetchone()
    if known != start.seq:
        raise Broken(start.seq, "I4", "not every archived entry's id is kept")
    for query, promise, detail in (
        (SAME_ID_AS_ARCHIVED, "I4", "was booked before, under an id that is archived"),
        (RESOLVED_AS_ARCHIVED, "I5", "resolves what an archived entry had resolved"),
    ):
        (seq,) = db.execute(query, (start.seq,)).fetchone()
        if seq is not None:
            raise Broken(seq, promise, detail)


def _check_pages(db: Database) -> None:
    orphan = db.execute("pragma foreign_key_check").fetchone()
    if orphan is not None:
        raise Broken(0, "file", f"table {orphan[0]} has a row that belongs to no row of {orphan[2]}")
    (said,) = db.execute("pragma integrity_check(1)").fetchone()
    if said != "ok":
        raise Broken(0, "file", f"SQLite: {said}")
