"""What the technician asks of a ledger: how big, how far, how old, and whether every account adds up."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from posd.clock import Instant
from posd.ledger.migrations import version_of
from posd.ledger.reader import Reader


@dataclass(frozen=True, slots=True)
class Stats:
    """``first`` and ``last``: when the first and the last entry were made. Sizes in bytes."""

    till_id: str
    epoch: int
    entries: int
    by_kind: dict[str, int]
    legs: int
    first: Instant | None
    last: Instant | None
    acked_seq: int
    outbox: int
    parked: int
    members: int
    file_bytes: int
    wal_bytes: int
    schema: int
    sqlite: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def stats(reader: Reader) -> Stats:
    """Reads every row of the journal once; not for the sale path."""
    db = reader.db
    head, counts = reader.head(), reader.counts()
    first, last = reader.entry_by_seq(1), reader.entry_by_seq(head.seq)
    path = Path(db.execute("pragma database_list").fetchone()[2])
    wal = path.with_name(path.name + "-wal")
    return Stats(
        till_id=reader.till_id(),
        epoch=head.epoch,
        entries=head.seq,
        by_kind=dict(db.execute("select kind, count(*) from entry group by kind order by kind").fetchall()),
        legs=db.execute("select count(*) from leg").fetchone()[0],
        first=None if first is None else first.draft.at,
        last=None if last is None else last.draft.at,
        acked_seq=reader.acked_seq(),
        outbox=counts["outbox"],
        parked=counts["parked"],
        members=counts["members"],
        file_bytes=path.stat().st_size,
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
        schema=version_of(db),
        sqlite=sqlite3.sqlite_version,
    )


def trial_balance(reader: Reader) -> dict[str, dict[str, int]]:
    """Account → unit → sum of its legs. Over all accounts each unit sums to zero (I3)."""
    balances: dict[str, dict[str, int]] = {}
    rows = reader.db.execute("select account, unit, sum(amount) from leg group by account, unit order by account, unit")
    for account, unit, amount in rows:
        balances.setdefault(account, {})[unit] = amount
    return balances
