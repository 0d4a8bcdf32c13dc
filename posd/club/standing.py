"""Where a member stands between the tiers: what was bought in the running window, and the tier for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, bindparam, func, select

from posd.club.shop import Club, date_of, day_number
from posd.club.tables import spend
from posd.loyalty.programs import Program
from posd.loyalty.tiers import tier_for, tier_rule

PLAIN_WINDOW_DAYS = 365
"""What a club without tiers counts, so that the figure is there on the day it starts them."""


_SPENT = (
    select(spend.c.currency, func.sum(spend.c.amount_minor))
    .where(spend.c.club_id == bindparam("club_id"), spend.c.member_id == bindparam("member_id"))
    .where(spend.c.day >= bindparam("first"))
    .group_by(spend.c.currency)
)


def standing_of(
    connection: Connection, club: Club, programs: Sequence[Program], member_id: str, today: int
) -> tuple[dict[str, int], str | None]:
    """``(progress, tier)``: minor amounts bought in the window, by currency, and the code of the tier they reach."""
    since = {"club_id": club.club_id, "member_id": member_id, "first": window_start(programs, today)}
    progress = {str(currency): max(0, int(total)) for currency, total in connection.execute(_SPENT, since)}
    return progress, tier_for(programs, progress.get(tier_currency(programs, club), 0))


def window_start(programs: Sequence[Program], today: int) -> int:
    """The first day that still counts today."""
    placed = tier_rule(programs)
    days = placed.rule.window_days if placed else PLAIN_WINDOW_DAYS
    return day_number(date_of(today) - timedelta(days=days - 1))


def tier_currency(programs: Sequence[Program], club: Club) -> str:
    placed = tier_rule(programs)
    return placed.program.currency if placed else club.settings.currency


def members_to_reckon(
    connection: Connection, club: Club, programs: Sequence[Program], since: int, today: int
) -> list[str]:
    """Members who bought on a day that left the window between the days ``since`` and ``today``."""
    query = select(spend.c.member_id).where(
        spend.c.club_id == club.club_id,
        spend.c.day >= window_start(programs, since),
        spend.c.day < window_start(programs, today),
    )
    return [str(member_id) for member_id in connection.execute(query.distinct()).scalars()]
