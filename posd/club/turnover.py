"""The shop's figures: each sale, refund and void is shown once and counted once in its day's totals."""

from __future__ import annotations

import json

from posd.club.effects import Desk, Place, sale_row, trade_of
from posd.club.reading import Reading, Trade
from posd.club.rows import add, change, put
from posd.club.tables import NO_MEMBER, day_total, sale
from posd.ledger.entries import Kind

SALES = {Kind.SALE: 1, Kind.VOID: -1}
"""What a kind adds to the number of sales."""


def record_trade(desk: Desk, place: Place, reading: Reading, state: str) -> None:
    """A parked sale is shown and counted too: goods and money changed hands, only the member's balance did not move.
    When it is posted later, only its state changes."""
    member_id = reading.member_id or NO_MEMBER
    if sale_row(desk, member_id, reading.entry_id) is not None:
        key = {"club_id": desk.club_id, "member_id": member_id, "entry_id": reading.entry_id}
        change(desk.connection, sale, key, state=state)
        return
    trade = reading.trade
    if reading.kind is Kind.VOID and reading.ref is not None:
        sold = sale_row(desk, member_id, reading.ref)
        trade = trade_of(sold).reversed() if sold else None
    if trade is not None:
        _show(desk, place, reading, trade, state)
        _count_day(desk, place, reading, trade)


def _show(desk: Desk, place: Place, reading: Reading, trade: Trade, state: str) -> None:
    put(
        desk.connection,
        sale,
        club_id=desk.club_id,
        member_id=reading.member_id or NO_MEMBER,
        entry_id=reading.entry_id,
        till_id=place.till_id,
        kind=reading.kind.value,
        state=state,
        day=place.day,
        at_ms=place.at_ms,
        received_ms=place.received_ms,
        currency=trade.currency,
        total_minor=trade.total_minor,
        payable_minor=trade.payable_minor,
        earned=json.dumps(dict(trade.earned), sort_keys=True),
        spent=json.dumps(dict(trade.spent), sort_keys=True),
    )


def _count_day(desk: Desk, place: Place, reading: Reading, trade: Trade) -> None:
    key = {
        "club_id": desk.club_id,
        "day": place.day,
        "till_id": place.till_id,
        "currency": trade.currency,
        "carded": int(reading.member_id is not None),
    }
    figures = {
        "sales": SALES.get(reading.kind, 0),
        "total_minor": trade.total_minor,
        "reward_minor": trade.reward_minor,
    }
    add(desk.connection, day_total, key, figures)
