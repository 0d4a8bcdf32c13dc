"""What a judged entry does to its member: cards, accounts, spend, tier. Runs inside the posting transaction and decides
nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from posd.club.keys import ClubKeys
from posd.club.people import display_name, phone_mask
from posd.club.reading import Joining, Reading, Trade
from posd.club.rows import add, change, find, put
from posd.club.shop import Club
from posd.club.standing import standing_of
from posd.club.tables import NO_MEMBER, balance, booked, card_key, day_unit, member, movement, person, sale, spend
from posd.ledger.entries import Kind
from posd.loyalty.programs import Program
from posd.sync.sealing import SealError, unseal


@dataclass(frozen=True, slots=True)
class Desk:
    """What posting works with: one transaction of one club, and the programs of that moment."""

    connection: Connection
    club: Club
    keys: ClubKeys
    programs: tuple[Program, ...]
    next_change: Callable[[], int]

    @property
    def club_id(self) -> str:
        return self.club.club_id


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands in the journal, when it came, and when and on which day of the shop it happened."""

    till_id: str
    epoch: int
    seq: int
    received_ms: int
    at_ms: int
    day: int


def apply(desk: Desk, place: Place, reading: Reading, keys: Iterable[str]) -> None:
    """Book the entry: ``keys`` are those of its card keys that its member gets."""
    _book(desk, place, reading)
    if reading.joining is not None:
        _join(desk, place, reading.kind, reading.joining)
        for key in keys:
            put(desk.connection, card_key, club_id=desk.club_id, key=key, member_id=reading.joining.member_id)
    if reading.member_id is not None:
        _move(desk, place, reading, reading.member_id)
        _count_spend(desk, place, reading, reading.member_id)
        if reading.kind is Kind.SALE:
            _note_visit(desk, reading.member_id, place.at_ms)
        refresh_member(desk, reading.member_id, place.day)


def _book(desk: Desk, place: Place, reading: Reading) -> None:
    put(
        desk.connection,
        booked,
        club_id=desk.club_id,
        entry_id=reading.entry_id,
        member_id=reading.member_id or NO_MEMBER,
        kind=reading.kind.value,
        till_id=place.till_id,
        epoch=place.epoch,
        seq=place.seq,
    )
    if reading.kind is Kind.VOID:
        sold = {"club_id": desk.club_id, "entry_id": reading.ref}
        change(desk.connection, booked, sold, voided_by=reading.entry_id)


def open_person(keys: ClubKeys, sealed: str) -> tuple[str, str] | None:
    """Name and phone of a sealed person, or None when it was not sealed for this club."""
    try:
        document = json.loads(unseal(keys.seal_private, sealed))
        return str(document["name"]), str(document["phone"])
    except (SealError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _join(desk: Desk, place: Place, kind: Kind, joining: Joining) -> None:
    if kind is not Kind.ENROL:
        return
    name, phone = open_person(desk.keys, joining.sealed) or ("", "")
    put(
        desk.connection,
        member,
        club_id=desk.club_id,
        member_id=joining.member_id,
        name=display_name(name),
        phone_mask=phone_mask(phone, desk.club.settings.country),
        joined_ms=place.at_ms,
        joined_at=place.till_id,
    )
    put(
        desk.connection,
        person,
        club_id=desk.club_id,
        member_id=joining.member_id,
        sealed=joining.sealed,
        consent=int(joining.consent),
        told_ms=place.at_ms,
    )


def _move(desk: Desk, place: Place, reading: Reading, member_id: str) -> None:
    identity = {"club_id": desk.club_id, "member_id": member_id}
    spot = {"till_id": place.till_id, "epoch": place.epoch, "seq": place.seq, "at_ms": place.at_ms}
    for unit, amount in reading.moves.items():
        add(desk.connection, balance, {**identity, "unit": unit}, {"amount": amount})
        row = {**identity, **spot, "entry_id": reading.entry_id, "unit": unit, "amount": amount}
        put(desk.connection, movement, **row)
        _count_unit(desk, place, unit, amount, reading.trade)


def _count_unit(desk: Desk, place: Place, unit: str, amount: int, trade: Trade | None) -> None:
    """Roll-up of what members gained and used. A sale says both; other entries only how the balance moved."""
    earned = trade.earned.get(unit, 0) if trade else max(amount, 0)
    spent = trade.spent.get(unit, 0) if trade else max(-amount, 0)
    key = {"club_id": desk.club_id, "day": place.day, "till_id": place.till_id, "unit": unit}
    add(desk.connection, day_unit, key, {"earned": earned, "spent": spent})


def _count_spend(desk: Desk, place: Place, reading: Reading, member_id: str) -> None:
    """Tiers count what was bought on the day of the sale; what comes back is taken off that same day."""
    trade, day = reading.trade, place.day
    if reading.ref is not None:
        sold = sale_row(desk, member_id, reading.ref)
        day = int(sold["day"]) if sold else day
        trade = trade or (trade_of(sold).reversed() if sold else None)
    if trade is not None:
        key = {"club_id": desk.club_id, "member_id": member_id, "currency": trade.currency, "day": day}
        add(desk.connection, spend, key, {"amount_minor": trade.total_minor})


def _note_visit(desk: Desk, member_id: str, at_ms: int) -> None:
    key = {"club_id": desk.club_id, "member_id": member_id}
    row = find(desk.connection, member, **key)
    if row is not None and (row.last_sale_ms or 0) < at_ms:
        change(desk.connection, member, key, last_sale_ms=at_ms)


def refresh_member(desk: Desk, member_id: str, today: int) -> None:
    """Reckon the member's tier anew and number the change, so that every till hears of it."""
    progress, tier = standing_of(desk.connection, desk.club, desk.programs, member_id, today)
    change(
        desk.connection,
        member,
        {"club_id": desk.club_id, "member_id": member_id},
        progress=json.dumps(progress, sort_keys=True),
        tier=tier,
        change=desk.next_change(),
    )


def sale_row(desk: Desk, member_id: str, entry_id: str) -> Mapping[str, Any] | None:
    row = find(desk.connection, sale, club_id=desk.club_id, member_id=member_id, entry_id=entry_id)
    return None if row is None else dict(row._mapping)


def trade_of(row: Mapping[str, Any]) -> Trade:
    return Trade(
        row["currency"],
        int(row["total_minor"]),
        int(row["payable_minor"]),
        json.loads(row["earned"]),
        json.loads(row["spent"]),
    )
