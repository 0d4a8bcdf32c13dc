"""The numbers of the overview, from roll-ups and short indexed lists. Amounts in minor parts, shares in thousandths."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, select

from posd.club.programs import active_programs
from posd.club.shop import Club, date_of, day_number
from posd.club.tables import balance, day_total, day_unit, member, sale, till
from posd.loyalty.programs import Program, in_force, rules_of
from posd.loyalty.rules import Redeem
from posd.units import CREDIT, POINTS

CHART_DAYS = 14
PERIOD_DAYS = 30
ACTIVE_DAYS = 90
DAY_MS = 86_400_000
LIVE_ROWS = 8


@dataclass(frozen=True, slots=True)
class Day:
    """Sales of one day, by whether a member's card was shown."""

    on: date
    carded_minor: int = 0
    other_minor: int = 0

    @property
    def total_minor(self) -> int:
        return self.carded_minor + self.other_minor

    @property
    def carded_permille(self) -> int | None:
        return permille(self.carded_minor, self.total_minor)


@dataclass(frozen=True, slots=True)
class Baskets:
    """Mean sale of members and of others; None where there was no sale."""

    member_minor: int | None
    other_minor: int | None


@dataclass(frozen=True, slots=True)
class Owed:
    """What members could still redeem: its worth in money, and the points and credit that it consists of."""

    worth_minor: int
    points: int


@dataclass(frozen=True, slots=True)
class Redeemed:
    """Of what was earned, the share that was used (by worth), and the rewards' share of all sales; None = nothing."""

    share_permille: int | None
    cost_permille: int | None


@dataclass(frozen=True, slots=True)
class LiveSale:
    entry_id: str
    kind: str
    state: str
    at_ms: int
    till: str
    member_id: str
    name: str
    total_minor: int
    points: int


@dataclass(frozen=True, slots=True)
class Figures:
    days: tuple[Day, ...]
    last_week: Day
    baskets: Baskets
    members: int
    active: int
    owed: Owed
    redeemed: Redeemed
    sales: tuple[LiveSale, ...]

    @property
    def today(self) -> Day:
        return self.days[-1]


def read_figures(connection: Connection, club: Club, now_ms: int) -> Figures:
    today = date_of(club.settings.day(now_ms))
    days = _days(connection, club, today - timedelta(days=CHART_DAYS - 1), today)
    worth = worths(active_programs(connection, club.club_id), now_ms)
    since_ms = now_ms - ACTIVE_DAYS * DAY_MS
    return Figures(
        days=days,
        last_week=days[-8],
        baskets=_baskets(connection, club, today),
        members=_count(connection, club),
        active=_count(connection, club, member.c.last_sale_ms >= since_ms),
        owed=_owed(connection, club, worth),
        redeemed=_redeemed(connection, club, today, worth),
        sales=live_sales(connection, club, LIVE_ROWS),
    )


def permille(part: int, whole: int) -> int | None:
    return (2000 * part + whole) // (2 * whole) if whole > 0 else None


def worths(programs: Iterable[Program], now_ms: int) -> dict[str, tuple[int, int]]:
    """Unit → (minor parts, for so many): what redeeming it brings, by the first rule in force."""
    found: dict[str, tuple[int, int]] = {}
    for placed in rules_of(in_force(programs, now_ms), Redeem):
        found.setdefault(placed.rule.unit, (placed.rule.worth_minor, placed.rule.spend))
    found.setdefault(CREDIT, (1, 1))
    return found


def _worth(unit: str, amount: int, worth: Mapping[str, tuple[int, int]]) -> int:
    minor, spend = worth.get(unit, (0, 1))
    return amount * minor // spend


def _days(connection: Connection, club: Club, first: date, last: date) -> tuple[Day, ...]:
    query = (
        select(day_total.c.day, day_total.c.carded, func.sum(day_total.c.total_minor).label("total"))
        .where(*_own_days(club, first, last))
        .group_by(day_total.c.day, day_total.c.carded)
    )
    sums = {(int(row.day), int(row.carded)): int(row.total) for row in connection.execute(query)}
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(Day(day, sums.get((day_number(day), 1), 0), sums.get((day_number(day), 0), 0)) for day in days)


def _own_days(club: Club, first: date, last: date) -> tuple[Any, ...]:
    return (
        day_total.c.club_id == club.club_id,
        day_total.c.day.between(day_number(first), day_number(last)),
        day_total.c.currency == club.settings.currency,
    )


def _period(today: date) -> tuple[date, date]:
    return today - timedelta(days=PERIOD_DAYS - 1), today


def _baskets(connection: Connection, club: Club, today: date) -> Baskets:
    query = (
        select(
            day_total.c.carded,
            func.sum(day_total.c.sales).label("sales"),
            func.sum(day_total.c.total_minor).label("total"),
        )
        .where(*_own_days(club, *_period(today)))
        .group_by(day_total.c.carded)
    )
    means = {int(row.carded): int(row.total) // int(row.sales) for row in connection.execute(query) if row.sales > 0}
    return Baskets(means.get(1), means.get(0))


def _count(connection: Connection, club: Club, *more: Any) -> int:
    query = select(func.count()).where(member.c.club_id == club.club_id, member.c.state == "active", *more)
    return int(connection.execute(query).scalar_one())


def _owed(connection: Connection, club: Club, worth: Mapping[str, tuple[int, int]]) -> Owed:
    query = (
        select(balance.c.unit, func.sum(balance.c.amount))
        .where(balance.c.club_id == club.club_id, balance.c.amount > 0)
        .group_by(balance.c.unit)
    )
    sums = {str(unit): int(total) for unit, total in connection.execute(query)}
    return Owed(sum(_worth(unit, amount, worth) for unit, amount in sums.items()), sums.get(POINTS, 0))


def _redeemed(connection: Connection, club: Club, today: date, worth: Mapping[str, tuple[int, int]]) -> Redeemed:
    first, last = _period(today)
    units = (
        select(day_unit.c.unit, func.sum(day_unit.c.earned), func.sum(day_unit.c.spent))
        .where(day_unit.c.club_id == club.club_id, day_unit.c.day.between(day_number(first), day_number(last)))
        .group_by(day_unit.c.unit)
    )
    rows = [(str(unit), int(earned), int(spent)) for unit, earned, spent in connection.execute(units)]
    earned_minor = sum(_worth(unit, earned, worth) for unit, earned, _ in rows)
    spent_minor = sum(_worth(unit, spent, worth) for unit, _, spent in rows)
    totals = select(func.sum(day_total.c.reward_minor), func.sum(day_total.c.total_minor))
    reward, total = connection.execute(totals.where(*_own_days(club, first, last))).one()
    return Redeemed(permille(max(spent_minor, 0), earned_minor), permille(max(int(reward or 0), 0), int(total or 0)))


def live_sales(connection: Connection, club: Club, limit: int) -> tuple[LiveSale, ...]:
    """What arrived last, newest first."""
    whose = and_(member.c.club_id == sale.c.club_id, member.c.member_id == sale.c.member_id)
    where = and_(till.c.club_id == sale.c.club_id, till.c.till_id == sale.c.till_id)
    query = (
        select(sale, member.c.name.label("member_name"), till.c.name.label("till_name"))
        .outerjoin(member, whose)
        .outerjoin(till, where)
        .where(sale.c.club_id == club.club_id)
        .order_by(sale.c.received_ms.desc(), sale.c.at_ms.desc(), sale.c.entry_id.desc())
        .limit(limit)
    )
    return tuple(_live(row) for row in connection.execute(query).mappings())


def _live(row: Mapping[Any, Any]) -> LiveSale:
    earned, spent = json.loads(row["earned"]), json.loads(row["spent"])
    return LiveSale(
        entry_id=row["entry_id"],
        kind=row["kind"],
        state=row["state"],
        at_ms=int(row["at_ms"]),
        till=row["till_name"] or "",
        member_id=row["member_id"],
        name=row["member_name"] or "",
        total_minor=int(row["total_minor"]),
        points=int(earned.get(POINTS, 0)) - int(spent.get(POINTS, 0)),
    )
