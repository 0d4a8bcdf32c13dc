"""Does a ledger keep its promises? For a ledger file, in use or not, and for an exported journal.

Both name the first entry that is broken. A whole check reads everything; at start only what came since the last one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posd.ledger.chain import Broken, follow
from posd.ledger.connection import snapshot
from posd.ledger.entries import GENESIS, RESOLVING, Draft, Entry, Head
from posd.ledger.export import closing_head, entry_of, opening_till
from posd.ledger.reader import Reader
from posd.ledger.trouble import as_ledger_error

if TYPE_CHECKING:
    from sqlite_utils import Database

BEGINNING = Head(0, 0, GENESIS)

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
OUTBOX_HAS = "select min(seq) from outbox where seq <= (select acked_seq from till_state)"


@dataclass(frozen=True, slots=True)
class Report:
    """``head`` is the last entry that was found good; ``broken`` the first that was not."""

    till_id: str
    head: Head
    broken: Broken | None = None

    @property
    def ok(self) -> bool:
        return self.broken is None


def verify_ledger(path: Path) -> Report:
    """Check the whole file: pages, chain, payloads, legs, ids, resolutions, outbox. A till may go on writing meanwhile.

    Raises `LedgerBroken` when the file cannot be read as a ledger at all.
    """
    try:
        reader = Reader(path)
        try:
            with snapshot(reader.db):
                report = verify_entries(reader.db, reader.till_id(), BEGINNING)
                broken = report.broken or _unique(reader.db) or _pages(reader.db)
        finally:
            reader.close()
    except sqlite3.Error as error:
        raise as_ledger_error(path, error) from error
    return Report(report.till_id, report.head, broken)


def verify_entries(db: Database, till_id: str, after: Head) -> Report:
    """Check the entries that follow ``after``, their legs, and that the outbox holds just what the club does not."""
    head = after
    try:
        _check_start(db, after)
        for seq, epoch, entry_id, payload, prev, digest, *columns, legs in db.execute(ROWS, (after.seq,)):
            following, draft = follow(head, Entry(seq, epoch, entry_id, payload, prev, digest), till_id)
            _check_columns(seq, draft, columns, json.loads(legs))
            head = following
        _check_outbox(db)
    except Broken as broken:
        return Report(till_id, head, broken)
    return Report(till_id, head)


def verify_journal(lines: Iterable[str]) -> Report:
    """Check an exported journal, line by line, without any database."""
    head, till_id, closing = BEGINNING, "", None
    ids: set[bytes] = set()
    resolved: set[bytes | None] = set()
    try:
        for number, line in enumerate(lines):
            document = json.loads(line)
            if number == 0:
                till_id = opening_till(document)
            elif "entry" in document:
                head, draft = follow(head, entry_of(document), till_id)
                _check_unseen(head.seq, "I4", "was booked before under the same id", draft.entry_id, ids)
                if draft.kind in RESOLVING:
                    _check_unseen(head.seq, "I5", "resolves what is resolved already", draft.ref, resolved)
            else:
                closing = closing_head(document)
    except Broken as broken:
        return Report(till_id, head, broken)
    except (ValueError, KeyError, TypeError) as error:
        return Report(till_id, head, Broken(head.seq + 1, "payload", f"not a line of a journal: {error}"))
    if closing != head:
        cut = Broken(head.seq + 1, "I2", "the journal was cut off: its last line does not name the last entry")
        return Report(till_id, head, cut)
    return Report(till_id, head)


def _check_unseen(seq: int, promise: str, detail: str, value: bytes | None, seen: set[Any]) -> None:
    if value in seen:
        raise Broken(seq, promise, detail)
    seen.add(value)


def _check_start(db: Database, after: Head) -> None:
    if after.seq:
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


def _unique(db: Database) -> Broken | None:
    twice = db.execute(SAME_ID).fetchone()
    if twice is not None:
        return Broken(twice[0], "I4", "was booked before under the same id")
    twice = db.execute(RESOLVED_TWICE, (json.dumps(sorted(RESOLVING)),)).fetchone()
    return None if twice is None else Broken(twice[0], "I5", "resolves what is resolved already")


def _pages(db: Database) -> Broken | None:
    orphan = db.execute("pragma foreign_key_check").fetchone()
    if orphan is not None:
        return Broken(0, "file", f"table {orphan[0]} has a row that belongs to no row of {orphan[2]}")
    (said,) = db.execute("pragma integrity_check(1)").fetchone()
    return None if said == "ok" else Broken(0, "file", f"SQLite: {said}")
