"""The change feed of a till: members and programs that changed since its cursor, one page at a time.

A cursor is ``<feed>.<change>.<posted>``: the change number up to which everything was delivered, and how far the till's
own journal was posted then. Tills must treat it as opaque.

A till shows "balance of the club + own entries above ``posted_seq``". That is only right if a page whose ``posted_seq``
rises brings every member whom the entries in between touched. So while more pages follow, ``posted_seq`` stays where
the cursor has it and those members are held back; the last page brings them all, and raises it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from posd.club.epochs import FIRST_EPOCH, Epoch, epochs_of, hash_at, is_frozen, posted_seq
from posd.club.leases import recalled
from posd.club.programs import program_texts
from posd.club.shop import Club
from posd.club.tables import balance, card_key, member, movement, till
from posd.club.tables import club as clubs
from posd.ledger.members import DeltaPage, MemberRow
from posd.sync.policy import reconnect_spread_s

PAGE = 500


@dataclass(frozen=True, slots=True)
class Cursor:
    feed: str
    change: int
    posted_seq: int

    def __str__(self) -> str:
        return f"{self.feed}.{self.change}.{self.posted_seq}"


def parse_cursor(text: str) -> Cursor | None:
    """None for anything that this club did not write."""
    match = re.fullmatch(r"([0-9a-f]{1,32})\.([0-9]{1,18})\.([0-9]{1,18})", text)
    return Cursor(match[1], int(match[2]), int(match[3])) if match else None


@dataclass(frozen=True, slots=True)
class Now:
    """Where the club stands in the snapshot that a page is made from."""

    feed: str
    change: int
    programs_change: int
    posted_seq: int
    spread_s: int


@dataclass(frozen=True, slots=True)
class Copy:
    """For whom a page is made: a till that writes ``epoch``, one of its ``epochs``."""

    till_id: str
    epochs: Mapping[int, Epoch]
    epoch: int


def read_page(
    connection: Connection, club: Club, till_id: str, cursor_text: str | None, epoch: int = FIRST_EPOCH
) -> DeltaPage | None:
    """The page after the cursor, or None: this cursor is of another feed, so start again without one (410)."""
    copy = Copy(till_id, epochs_of(connection, club.club_id, till_id), epoch)
    now = _now(connection, club, copy)
    cursor = parse_cursor(cursor_text) if cursor_text else Cursor(now.feed, 0, now.posted_seq)
    if cursor is None or cursor.feed != now.feed or _is_ahead(cursor, now):
        return None
    return _page(connection, club, copy, cursor, now, first=not cursor_text)


def rename_lost_feed(
    connection: Connection, club: Club, till_id: str, cursor_text: str | None, epoch: int, feed: str
) -> None:
    """When this club wrote the cursor knowing more than now, it has come back from a backup since: cursors of that time
    mean nothing. With another name for its feed, every till reads it anew."""
    now = _now(connection, club, Copy(till_id, epochs_of(connection, club.club_id, till_id), epoch))
    cursor = parse_cursor(cursor_text or "")
    if cursor is not None and cursor.feed == now.feed and _is_ahead(cursor, now):
        connection.execute(update(clubs).where(clubs.c.club_id == club.club_id).values(feed=feed))


def _is_ahead(cursor: Cursor, now: Now) -> bool:
    return cursor.change > now.change or cursor.posted_seq > now.posted_seq


def _now(connection: Connection, club: Club, copy: Copy) -> Now:
    query = select(clubs.c.feed, clubs.c.changes, clubs.c.programs_change).where(clubs.c.club_id == club.club_id)
    row = connection.execute(query).one()
    posted = posted_seq(connection, club.club_id, copy.till_id, copy.epochs, copy.epoch)
    return Now(row.feed, int(row.changes), int(row.programs_change), posted, spread_s(connection, club.club_id))


def spread_s(connection: Connection, club_id: str) -> int:
    """Over how long this club's tills shall come back when it was away."""
    query = select(func.count()).where(till.c.club_id == club_id, till.c.revoked_ms.is_(None))
    return reconnect_spread_s(int(connection.execute(query).scalar_one()))


def _page(connection: Connection, club: Club, copy: Copy, cursor: Cursor, now: Now, *, first: bool) -> DeltaPage:
    own = _touched(connection, club, copy.till_id, cursor.posted_seq, now.posted_seq)
    ids, last_change, more = _changed(connection, club, cursor.change, own)
    if more:
        end = Cursor(now.feed, last_change, cursor.posted_seq)
    else:
        ids, end = [*ids, *own], Cursor(now.feed, now.change, now.posted_seq)
    fresh_programs = first or cursor.change < now.programs_change
    return DeltaPage(
        cursor=str(end),
        posted_seq=end.posted_seq,
        members=tuple(member_rows(connection, club, ids)),
        programs=_programs(connection, club) if fresh_programs else None,
        more=more,
        spread_s=now.spread_s,
        recalled=recalled(connection, club.club_id, copy.till_id, cursor.change, end.change),
        posted_hash=hash_at(connection, club.club_id, copy.till_id, copy.epochs, copy.epoch, end.posted_seq).hex(),
        epoch=copy.epoch,
        frozen=is_frozen(copy.epochs),
    )


def _touched(connection: Connection, club: Club, till_id: str, after_seq: int, to_seq: int) -> list[str]:
    """Members whom this till's own entries in ``(after_seq, to_seq]`` moved."""
    if after_seq >= to_seq:
        return []
    query = select(movement.c.member_id).where(
        movement.c.club_id == club.club_id,
        movement.c.till_id == till_id,
        movement.c.seq > after_seq,
        movement.c.seq <= to_seq,
    )
    return [str(member_id) for member_id in connection.execute(query.distinct()).scalars()]


def _changed(connection: Connection, club: Club, after: int, held: Sequence[str]) -> tuple[list[str], int, bool]:
    """``(members, last change, more)``. Held ones do not count; when all the rest fits beside them, nothing is more."""
    query = (
        select(member.c.member_id, member.c.change)
        .where(member.c.club_id == club.club_id, member.c.change > after)
        .order_by(member.c.change)
        .limit(PAGE + len(held) + 1)
    )
    skip = set(held)
    rows = [row for row in connection.execute(query) if row.member_id not in skip]
    if len(rows) + len(held) <= PAGE or not rows:
        return [row.member_id for row in rows], after, False
    page = rows[:PAGE]
    return [row.member_id for row in page], int(page[-1].change), True


def _programs(connection: Connection, club: Club) -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(text) for text in program_texts(connection, club.club_id))


def member_rows(connection: Connection, club: Club, ids: Sequence[str]) -> list[MemberRow]:
    """Members by id, in the order of their change."""
    if not ids:
        return []
    keys = _lists(
        connection,
        select(card_key.c.member_id, card_key.c.key)
        .where(card_key.c.club_id == club.club_id, card_key.c.member_id.in_(ids))
        .order_by(card_key.c.key),
    )
    amounts = _lists(
        connection,
        select(balance.c.member_id, balance.c.unit, balance.c.amount)
        .where(balance.c.club_id == club.club_id, balance.c.member_id.in_(ids))
        .order_by(balance.c.unit),
    )
    query = (
        select(member).where(member.c.club_id == club.club_id, member.c.member_id.in_(ids)).order_by(member.c.change)
    )
    return [
        MemberRow(
            member_id=row.member_id,
            name=row.name,
            phone_mask=row.phone_mask,
            tier=row.tier,
            balances={str(unit): int(amount) for unit, amount in amounts.get(row.member_id, [])},
            keys=tuple(str(key) for (key,) in keys.get(row.member_id, [])),
            version=int(row.change),
            progress=json.loads(row.progress),
            state=row.state,
        )
        for row in connection.execute(query)
    ]


def _lists(connection: Connection, query: Any) -> dict[str, list[tuple[Any, ...]]]:
    lists: dict[str, list[tuple[Any, ...]]] = {}
    for row in connection.execute(query):
        lists.setdefault(row[0], []).append(tuple(row[1:]))
    return lists
