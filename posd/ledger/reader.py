"""Reading the ledger. A `Reader` belongs to one thread and cannot write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posd.clock import Instant
from posd.ledger.accounts import member_account
from posd.ledger.connection import connect_reader, snapshot
from posd.ledger.entries import Entry, Head, Kind
from posd.ledger.members import MemberRow, Standing
from posd.ledger.requests import RequestKey
from posd.ledger.rows import SELECT_ENTRY, entry_by_id, head_of, requested

if TYPE_CHECKING:
    from sqlite_utils import Database

SELECT_MEMBER = """
select member_id, name, phone_mask, tier, balances, progress, version, state, included_seq from member """
OWN_LEGS = """
select unit, sum(amount) from leg
where account = ? and account glob 'member:*' and seq > ? group by unit"""  # the glob lets it use its index
COUNTS = """
select (select coalesce(max(seq), 0) from entry), (select count(*) from outbox), (select count(*) from parked),
       (select count(*) from member)"""
SHOWN = tuple(kind.value for kind in (Kind.SALE, Kind.REFUND, Kind.VOID))
RETURNS = tuple(kind.value for kind in (Kind.REFUND, Kind.VOID))


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for the club. ``oldest``: when the first waiting entry was made; ``attempts`` and ``reason`` of its
    delivery so far; ``wait_ns`` is how long not to try again."""

    depth: int
    oldest: Instant | None = None
    attempts: int = 0
    reason: str = ""
    next_boot: str | None = None
    next_mono_ns: int | None = None

    def wait_ns(self, now: Instant) -> int:
        """Nanoseconds until the next attempt may be made; none when that was written in another boot."""
        if self.next_mono_ns is None or self.next_boot != now.boot:
            return 0
        return max(0, self.next_mono_ns - now.mono_ns)

    def age_s(self, now: Instant) -> int:
        """How long the oldest entry has waited, in seconds; by the wall clock when another boot made it."""
        if self.oldest is None:
            return 0
        if self.oldest.boot == now.boot:
            return max(0, now.mono_ns - self.oldest.mono_ns) // 1_000_000_000
        return max(0, now.wall_ms - self.oldest.wall_ms) // 1000


@dataclass(frozen=True, slots=True)
class Parked:
    """An entry that the club stored and could not post."""

    seq: int
    entry_id: bytes
    reason: str


class Reader:
    """Questions to the ledger. ``path`` may be open elsewhere, in this process or another."""

    def __init__(self, path: Path) -> None:
        self.db: Database = connect_reader(path)

    def close(self) -> None:
        """May be called twice, and from any thread."""
        self.db.close()

    # The journal

    def till_id(self) -> str:
        return str(self._one("select till_id from till_state"))

    def head(self) -> Head:
        """The newest entry's position."""
        return head_of(self.db, self._one("select epoch from till_state"))

    def acked_head(self) -> Head:
        """Up to where the club has the journal."""
        acked = "select coalesce(entry.epoch, till_state.epoch), acked_seq, acked_hash from till_state "
        return Head(*self.db.execute(acked + "left join entry on entry.seq = acked_seq").fetchone())

    def acked_seq(self) -> int:
        return int(self._one("select acked_seq from till_state"))

    def entry(self, entry_id: bytes) -> Entry | None:
        return entry_by_id(self.db, entry_id)

    def entry_by_seq(self, seq: int) -> Entry | None:
        return next(self._entries("where seq = ?", seq), None)

    def entries(self, after_seq: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """Up to ``limit`` entries that follow ``after_seq``."""
        return tuple(self._entries("where seq > ? order by seq limit ?", after_seq, limit))

    def recent(self, limit: int) -> tuple[Entry, ...]:
        """The last sales, refunds and voids, newest first."""
        return tuple(self._entries("where kind in (?, ?, ?) order by seq desc limit ?", *SHOWN, limit))

    def returned(self, sale_id: bytes) -> tuple[Entry, ...]:
        """Refunds and voids of a sale, in order."""
        return tuple(self._entries("where ref = ? and kind in (?, ?) order by seq", sale_id, *RETURNS))

    def request(self, key: RequestKey) -> Entry | None:
        """What a request booked. Raises `RequestConflict` when its key was used for another request."""
        return requested(self.db, key)

    # Delivery

    def pending(self, after_seq: int = 0, limit: int = 500, max_bytes: int = 256 * 1024) -> tuple[Entry, ...]:
        """The next entries for the club after ``after_seq``: at most ``limit`` and ``max_bytes`` of payload, but at
        least one when there is one."""
        batch: list[Entry] = []
        size = 0
        where = "where seq > max(?, (select acked_seq from till_state)) order by seq limit ?"
        for entry in self._entries(where, after_seq, limit):
            size += len(entry.payload)
            if batch and size > max_bytes:
                break
            batch.append(entry)
        return tuple(batch)

    def outbox_depth(self) -> int:
        return int(self._one("select count(*) from outbox"))

    def backlog(self) -> Backlog:
        """How much waits for the club, since when, and what came of trying."""
        first = "select payload, attempts, reason, next_boot, next_mono_ns from outbox join entry using (seq)"
        with snapshot(self.db):
            row = self.db.execute(first + " order by seq limit 1").fetchone()
            depth = self.outbox_depth()
        if row is None:
            return Backlog(0)
        at = json.loads(row[0])["at"]
        return Backlog(depth, Instant(at["wall_ms"], at["boot"], at["mono_ns"]), *row[1:])

    def parked(self) -> tuple[Parked, ...]:
        """What the club could not post; each waits for a person."""
        rows = self.db.execute("select seq, id, reason from parked join entry using (seq) order by seq")
        return tuple(Parked(*row) for row in rows)

    # What the club said

    def standing(self, member_id: str) -> Standing | None:
        """A member with the club's balances plus what this till booked since they were reckoned."""
        return self._standing("where member_id = ?", member_id)

    def member_by_key(self, key: str) -> Standing | None:
        """The member whom a card or phone key names; `posd.cards.identity.card_key` makes it."""
        return self._standing("where member_id = (select member_id from member_key where key = ?)", key)

    def programs(self) -> tuple[Mapping[str, Any], ...]:
        """The programs in force, as the club sent them."""
        return tuple(json.loads(row[0]) for row in self.db.execute("select document from program order by n"))

    def cursor(self) -> str | None:
        """Where to go on in the club's change feed; None: from its beginning."""
        cursor: str | None = self._one("select cursor from till_state")
        return cursor

    # Figures

    def balance(self, account: str) -> dict[str, int]:
        """Sum of an account's legs in this journal, by unit. (What a member may spend is `standing`.)"""
        rows = self.db.execute("select unit, sum(amount) from leg where account = ? group by unit", (account,))
        return dict(rows.fetchall())

    def counts(self) -> dict[str, int]:
        """Cheap figures for metrics: ``entries``, ``outbox``, ``parked``, ``members``."""
        return dict(zip(("entries", "outbox", "parked", "members"), self.db.execute(COUNTS).fetchone(), strict=True))

    def _standing(self, where: str, value: str) -> Standing | None:
        with snapshot(self.db):
            row = self.db.execute(SELECT_MEMBER + where, (value,)).fetchone()
            if row is None:
                return None
            keys = self.db.execute("select key from member_key where member_id = ? order by key", (row[0],)).fetchall()
            own = self.db.execute(OWN_LEGS, (member_account(row[0]), row[8])).fetchall()
        member = _member(row, tuple(key for (key,) in keys))
        balances = dict(member.balances)
        for unit, amount in own:
            balances[unit] = balances.get(unit, 0) + amount
        return Standing(member, balances)

    def _entries(self, where: str, *values: object) -> Iterator[Entry]:
        return (Entry(*row) for row in self.db.execute(SELECT_ENTRY + where, values))

    def _one(self, query: str) -> Any:
        return self.db.execute(query).fetchone()[0]


def _member(row: tuple[Any, ...], keys: tuple[str, ...]) -> MemberRow:
    member_id, name, phone_mask, tier, balances, progress, version, state, _included = row
    return MemberRow(
        member_id, name, phone_mask, tier, json.loads(balances), keys, version, json.loads(progress), state
    )
