"""The list of members: who they are, what they have, when they were here last. Newest change first, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from posd.club.deltas import member_rows
from posd.club.programs import active_programs
from posd.club.shop import Club
from posd.club.tables import member
from posd.ledger.members import MemberRow
from posd.loyalty.tiers import tier_rule

PAGE = 50


@dataclass(frozen=True, slots=True)
class Listed:
    row: MemberRow
    joined_ms: int
    last_sale_ms: int | None


@dataclass(frozen=True, slots=True)
class MembersPage:
    """``older``: the change number before which the next page begins, or None. ``tiers``: code → name per language."""

    members: tuple[Listed, ...]
    count: int
    older: int | None
    first: bool
    tiers: Mapping[str, Mapping[str, str]]


def read_members(connection: Connection, club: Club, before: str) -> MembersPage:
    query = select(member.c.member_id, member.c.change, member.c.joined_ms, member.c.last_sale_ms)
    query = query.where(member.c.club_id == club.club_id, member.c.state == "active")
    first = not (before.isascii() and before.isdigit() and len(before) < 19)
    if not first:
        query = query.where(member.c.change < int(before))
    rows = list(connection.execute(query.order_by(member.c.change.desc()).limit(PAGE + 1)))
    by_id = {row.member_id: row for row in rows[:PAGE]}
    listed = [
        Listed(row, int(by_id[row.member_id].joined_ms), by_id[row.member_id].last_sale_ms)
        for row in reversed(member_rows(connection, club, list(by_id)))
    ]
    counted = select(func.count()).where(member.c.club_id == club.club_id, member.c.state == "active")
    count = int(connection.execute(counted).scalar_one())
    older = int(rows[PAGE - 1].change) if len(rows) > PAGE else None
    return MembersPage(tuple(listed), count, older, first, _tier_names(connection, club))


def _tier_names(connection: Connection, club: Club) -> dict[str, Mapping[str, str]]:
    placed = tier_rule(active_programs(connection, club.club_id))
    return {level.code: level.name for level in placed.rule.levels} if placed else {}
