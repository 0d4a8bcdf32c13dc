"""What a judged entry does: to the member's accounts, to the member's row, to the shop's roll-ups. Runs inside the
posting transaction and decides nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, and_, func, insert, select, update

from posd.club.keys import ClubKeys
from posd.club.people import display_name, phone_mask
from posd.club.reading import Joining, Reading, Trade
from posd.club.shop import Club, happened_ms
from posd.club.standing import standing_of
from posd.club.tables import (
    NO_MEMBER,
    balance,
    booked,
    card_key,
    day_total,
    day_unit,
    member,
    movement,
    person,
    sale,
    spend,
    till,
)
from posd.ledger.entries import Kind
from posd.sync.sealing import SealError, unseal


@dataclass(frozen=True, slots=True)
class Desk:
    """What posting works with: one transaction of one club."""

    connection: Connection
    club: Club
    keys: ClubKeys
    next_change: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands in the journal, and when it came."""

    till_id: str
    epoch: int
    seq: int
    received_ms: int


def apply(desk: Desk, place: Place, reading: Reading, keys: Iterable[str]) -> None:
    """Book the entry: ``keys`` are those of its card keys that its member gets."""
    at_ms = _at_ms(desk, place, reading)
    _book(desk, place, reading)
    if reading.joining is not None:
        _join(desk, place, reading, reading.joining, at_ms)
        _give_keys(desk, reading.joining.member_id, keys)
    if reading.member_id is None:
        return
    _move(desk, place, reading, reading.member_id, at_ms)
    _count_spend(desk, reading, reading.member_id, at_ms)
    refresh_member(desk, reading.member_id, desk.club.settings.day(at_ms))


def _at_ms(desk: Desk, place: Place, reading: Reading) -> int:
    query = select(till.c.created_ms).where(till.c.club_id == desk.club.club_id, till.c.till_id == place.till_id)
    return happened_ms(reading.wall_ms, place.received_ms, int(desk.connection.execute(query).scalar_one()))


def _book(desk: Desk, place: Place, reading: Reading) -> None:
    desk.connection.execute(
        insert(booked).values(
            club_id=desk.club.club_id,
            entry_id=reading.entry_id,
            member_id=reading.member_id or NO_MEMBER,
            kind=reading.kind.value,
            till_id=place.till_id,
            epoch=place.epoch,
            seq=place.seq,
        )
    )
    if reading.kind is Kind.VOID:
        where = (booked.c.club_id == desk.club.club_id, booked.c.entry_id == reading.ref)
        desk.connection.execute(update(booked).where(*where).values(voided_by=reading.entry_id))


# ---- members ----


def open_person(keys: ClubKeys, sealed: str) -> tuple[str, str] | None:
    """Name and phone of a sealed person, or None when it was not sealed for this club."""
    try:
        document = json.loads(unseal(keys.seal_private, sealed))
        return str(document["name"]), str(document["phone"])
    except (SealError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _join(desk: Desk, place: Place, reading: Reading, joining: Joining, at_ms: int) -> None:
    if reading.kind is not Kind.ENROL:
        return
    name, phone = open_person(desk.keys, joining.sealed) or ("", "")
    identity = {"club_id": desk.club.club_id, "member_id": joining.member_id}
    desk.connection.execute(
        insert(member).values(
            **identity,
            name=display_name(name),
            phone_mask=phone_mask(phone, desk.club.settings.country),
            joined_ms=at_ms,
            joined_at=place.till_id,
        )
    )
    desk.connection.execute(
        insert(person).values(**identity, sealed=joining.sealed, consent=int(joining.consent), told_ms=at_ms)
    )


def _give_keys(desk: Desk, member_id: str, keys: Iterable[str]) -> None:
    for key in keys:
        desk.connection.execute(insert(card_key).values(club_id=desk.club.club_id, key=key, member_id=member_id))


def _move(desk: Desk, place: Place, reading: Reading, member_id: str, at_ms: int) -> None:
    identity = {"club_id": desk.club.club_id, "member_id": member_id}
    for unit, amount in reading.moves.items():
        add(desk.connection, balance, {**identity, "unit": unit}, {"amount": amount})
        desk.connection.execute(
            insert(movement).values(
                **identity,
                entry_id=reading.entry_id,
                unit=unit,
                amount=amount,
                till_id=place.till_id,
                epoch=place.epoch,
                seq=place.seq,
                at_ms=at_ms,
            )
        )
        _count_unit(desk, place, unit, amount, reading, at_ms)


def _count_unit(desk: Desk, place: Place, unit: str, amount: int, reading: Reading, at_ms: int) -> None:
    """Roll-up of what members gained and used. A sale says both; other entries only how the balance moved."""
    trade = reading.trade
    earned = trade.earned.get(unit, 0) if trade else max(amount, 0)
    spent = trade.spent.get(unit, 0) if trade else max(-amount, 0)
    key = {"club_id": desk.club.club_id, "day": desk.club.settings.day(at_ms), "till_id": place.till_id, "unit": unit}
    add(desk.connection, day_unit, key, {"earned": earned, "spent": spent})


def _count_spend(desk: Desk, reading: Reading, member_id: str, at_ms: int) -> None:
    """Tiers count what was bought on the day of the sale; what comes back is taken off that same day."""
    trade, day = reading.trade, desk.club.settings.day(at_ms)
    if reading.ref is not None:
        sold = sale_row(desk, member_id, reading.ref)
        day = int(sold["day"]) if sold else day
        trade = trade or (trade_of(sold).reversed() if sold else None)
    if trade is not None:
        key = {"club_id": desk.club.club_id, "member_id": member_id, "currency": trade.currency, "day": day}
        add(desk.connection, spend, key, {"amount_minor": trade.total_minor})
    if reading.kind is Kind.SALE:
        where = (member.c.club_id == desk.club.club_id, member.c.member_id == member_id)
        latest = func.coalesce(member.c.last_sale_ms, 0) < at_ms
        desk.connection.execute(update(member).where(*where, latest).values(last_sale_ms=at_ms))


def refresh_member(desk: Desk, member_id: str, today: int) -> None:
    """Reckon the member's tier anew and number the change, so that every till hears of it."""
    progress, tier = standing_of(desk.connection, desk.club, member_id, today)
    where = (member.c.club_id == desk.club.club_id, member.c.member_id == member_id)
    values = {"progress": json.dumps(progress, sort_keys=True), "tier": tier, "change": desk.next_change()}
    desk.connection.execute(update(member).where(*where).values(**values))


# ---- the shop's figures ----


def record_trade(desk: Desk, place: Place, reading: Reading, state: str) -> None:
    """Show the sale, refund or void, and count it in the day's totals, once. A parked sale is shown and counted too:
    goods and money changed hands, only the member's balance did not move."""
    member_id = reading.member_id or NO_MEMBER
    if sale_row(desk, member_id, reading.entry_id) is not None:
        desk.connection.execute(update(sale).where(_sale_key(desk, member_id, reading.entry_id)).values(state=state))
        return
    trade = reading.trade
    if reading.kind is Kind.VOID and reading.ref is not None:
        sold = sale_row(desk, member_id, reading.ref)
        trade = trade_of(sold).reversed() if sold else None
    if trade is not None:
        _show(desk, place, reading, trade, state)
        _count_day(desk, place, reading, trade)


def _show(desk: Desk, place: Place, reading: Reading, trade: Trade, state: str) -> None:
    at_ms = _at_ms(desk, place, reading)
    desk.connection.execute(
        insert(sale).values(
            club_id=desk.club.club_id,
            member_id=reading.member_id or NO_MEMBER,
            entry_id=reading.entry_id,
            till_id=place.till_id,
            kind=reading.kind.value,
            state=state,
            day=desk.club.settings.day(at_ms),
            at_ms=at_ms,
            received_ms=place.received_ms,
            currency=trade.currency,
            total_minor=trade.total_minor,
            payable_minor=trade.payable_minor,
            earned=json.dumps(dict(trade.earned), sort_keys=True),
            spent=json.dumps(dict(trade.spent), sort_keys=True),
        )
    )


def _count_day(desk: Desk, place: Place, reading: Reading, trade: Trade) -> None:
    key = {
        "club_id": desk.club.club_id,
        "day": desk.club.settings.day(_at_ms(desk, place, reading)),
        "till_id": place.till_id,
        "currency": trade.currency,
        "carded": int(reading.member_id is not None),
    }
    sales = {Kind.SALE: 1, Kind.VOID: -1}.get(reading.kind, 0)
    figures = {"sales": sales, "total_minor": trade.total_minor, "reward_minor": trade.reward_minor}
    add(desk.connection, day_total, key, figures)


def sale_row(desk: Desk, member_id: str, entry_id: str) -> Mapping[str, Any] | None:
    query = select(sale).where(_sale_key(desk, member_id, entry_id))
    row = desk.connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def _sale_key(desk: Desk, member_id: str, entry_id: str) -> Any:
    return and_(sale.c.club_id == desk.club.club_id, sale.c.member_id == member_id, sale.c.entry_id == entry_id)


def trade_of(row: Mapping[str, Any]) -> Trade:
    return Trade(
        row["currency"],
        int(row["total_minor"]),
        int(row["payable_minor"]),
        json.loads(row["earned"]),
        json.loads(row["spent"]),
    )


def add(connection: Connection, table: Table, key: Mapping[str, Any], amounts: Mapping[str, int]) -> None:
    """Add to the row at ``key``, which is made when it is not there. Safe because postings of a club are serialised."""
    where = [table.c[name] == value for name, value in key.items()]
    added = {name: table.c[name] + amount for name, amount in amounts.items()}
    if connection.execute(update(table).where(*where).values(**added)).rowcount == 0:
        connection.execute(insert(table).values(**key, **amounts))
