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

from sqlalchemy import Connection, and_, select

from posd.club.programs import program_texts
from posd.club.shop import Club
from posd.club.tables import balance, card_key, head, member, movement, till
from posd.club.tables import club as clubs
from posd.ledger.members import DeltaPage, MemberRow

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

    change: int
    programs_change: int
    posted_seq: int


def read_page(connection: Connection, club: Club, till_id: str, cursor_text: str | None) -> DeltaPage | None:
    """The page after the cursor, or None: this cursor is of another feed, so start again without one (410)."""
    now = _now(connection, club, till_id)
    if not cursor_text:
        cursor = Cursor(club.feed, 0, now.posted_seq)
    else:
        parsed = parse_cursor(cursor_text)
        if parsed is None or parsed.feed != club.feed or parsed.change > now.change:
            return None
        cursor = parsed
    return _page(connection, club, till_id, cursor, now, first=not cursor_text)


def _now(connection: Connection, club: Club, till_id: str) -> Now:
    query = select(clubs.c.changes, clubs.c.programs_change).where(clubs.c.club_id == club.club_id)
    row = connection.execute(query).one()
    posted = (
        select(head.c.posted_seq)
        .join(till, and_(till.c.club_id == head.c.club_id, till.c.till_id == head.c.till_id))
        .where(head.c.club_id == club.club_id, head.c.till_id == till_id, head.c.epoch == till.c.epoch)
    )
    return Now(int(row.changes), int(row.programs_change), int(connection.execute(posted).scalar() or 0))


def _page(connection: Connection, club: Club, till_id: str, cursor: Cursor, now: Now, *, first: bool) -> DeltaPage:
    own = _touched(connection, club, till_id, cursor.posted_seq, now.posted_seq)
    ids, last_change, more = _changed(connection, club, cursor.change, own)
    if more:
        end = Cursor(club.feed, last_change, cursor.posted_seq)
    else:
        ids, end = [*ids, *own], Cursor(club.feed, now.change, now.posted_seq)
    fresh_programs = first or cursor.change < now.programs_change
    return DeltaPage(
        cursor=str(end),
        posted_seq=end.posted_seq,
        members=tuple(member_rows(connection, club, ids)),
        programs=_programs(connection, club) if fresh_programs else None,
        more=more,
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
