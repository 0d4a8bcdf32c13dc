"""What a judged entry does to its member: cards, accounts, spend, tier. Runs inside the posting transaction and decides
nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from posd.club.keys import ClubKeys
from posd.club.people import display_name, phone_mask
from posd.club.reading import Joining, Reading, Trade
from posd.club.shelf import Shelf
from posd.club.shop import Club
from posd.club.standing import standings_of
from posd.club.tables import (
    NO_MEMBER,
    balance,
    booked,
    card_key,
    day_unit,
    lease,
    member,
    movement,
    person,
    sale,
    spend,
)
from posd.ledger.entries import Kind
from posd.loyalty.programs import Program
from posd.sync.sealing import SealError, unseal

sorted_json = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Desk:
    """What posting works with: one transaction of one club, and the programs of that moment. ``touched``: members whose
    standing is to be reckoned anew, and on which day."""

    shelf: Shelf
    club: Club
    keys: ClubKeys
    programs: tuple[Program, ...]
    next_change: Callable[[], int]
    touched: dict[str, int] = field(default_factory=dict)

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
            desk.shelf.put(card_key, key=key, member_id=reading.joining.member_id)
    if reading.member_id is not None:
        _move(desk, place, reading, reading.member_id)
        _draw(desk, reading, reading.member_id)
        _count_spend(desk, place, reading, reading.member_id)
        if reading.kind is Kind.SALE:
            _note_visit(desk, reading.member_id, place.at_ms)
        if reading.kind is not Kind.LEASE:  # which changes nothing that another till could see
            desk.touched.pop(reading.member_id, None)
            desk.touched[reading.member_id] = place.day


def _book(desk: Desk, place: Place, reading: Reading) -> None:
    desk.shelf.put(
        booked,
        entry_id=reading.entry_id,
        member_id=reading.member_id or NO_MEMBER,
        kind=reading.kind.value,
        till_id=place.till_id,
        epoch=place.epoch,
        seq=place.seq,
    )
    if reading.kind is Kind.VOID:
        desk.shelf.change(booked, (reading.ref,), voided_by=reading.entry_id)


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
    desk.shelf.put(
        member,
        member_id=joining.member_id,
        name=display_name(name),
        phone_mask=phone_mask(phone, desk.club.settings.country),
        joined_ms=place.at_ms,
        joined_at=place.till_id,
    )
    desk.shelf.put(
        person,
        member_id=joining.member_id,
        sealed=joining.sealed,
        consent=int(joining.consent),
        told_ms=place.at_ms,
    )


def _move(desk: Desk, place: Place, reading: Reading, member_id: str) -> None:
    spot = {
        "member_id": member_id,
        "entry_id": reading.entry_id,
        "till_id": place.till_id,
        "epoch": place.epoch,
        "seq": place.seq,
        "at_ms": place.at_ms,
    }
    for unit, amount in reading.moves.items():
        desk.shelf.add(balance, (member_id, unit), amount=amount)
        desk.shelf.put(movement, **spot, unit=unit, amount=amount)
        _count_unit(desk, place, unit, amount, reading.trade)


def _draw(desk: Desk, reading: Reading, member_id: str) -> None:
    for (lease_id, unit), amount in reading.drawn.items():
        key = member_id, lease_id, unit
        if reading.kind is Kind.LEASE:
            desk.shelf.change(lease, key, taken=1)
        elif reading.kind is Kind.RELEASE:
            desk.shelf.add(lease, key, returned=amount)
        else:
            desk.shelf.add(lease, key, spent=amount)


def _count_unit(desk: Desk, place: Place, unit: str, amount: int, trade: Trade | None) -> None:
    """Roll-up of what members gained and used. A sale says both; other entries only how the balance moved."""
    earned = trade.earned.get(unit, 0) if trade else max(amount, 0)
    spent = trade.spent.get(unit, 0) if trade else max(-amount, 0)
    desk.shelf.add(day_unit, (place.day, place.till_id, unit), earned=earned, spent=spent)


def _count_spend(desk: Desk, place: Place, reading: Reading, member_id: str) -> None:
    """Tiers count what was bought on the day of the sale; what comes back is taken off that same day."""
    trade, day = reading.trade, place.day
    if reading.ref is not None:
        sold = sale_row(desk, member_id, reading.ref)
        day = int(sold["day"]) if sold else day
        trade = trade or (trade_of(sold).reversed() if sold else None)
    if trade is not None:
        desk.shelf.add(spend, (member_id, trade.currency, day), amount_minor=trade.total_minor)


def _note_visit(desk: Desk, member_id: str, at_ms: int) -> None:
    row = desk.shelf.find(member, member_id)
    if row is not None and (row["last_sale_ms"] or 0) < at_ms:
        desk.shelf.change(member, (member_id,), last_sale_ms=at_ms)


def refresh_members(desk: Desk) -> None:
    """Reckon anew the tier of everybody whom this transaction touched, and number the changes, so that every till hears
    of them. Last of all: it reads what was posted."""
    desk.shelf.send()
    desk.shelf.fetch(member, [(member_id,) for member_id in desk.touched])
    standings: dict[str, tuple[dict[str, int], str | None]] = {}
    for day in set(desk.touched.values()):
        member_ids = [member_id for member_id, on in desk.touched.items() if on == day]
        standings |= standings_of(desk.shelf.connection, desk.club, desk.programs, member_ids, day)
    for member_id in desk.touched:
        progress, tier = standings[member_id]
        told = {"progress": sorted_json(progress), "tier": tier, "change": desk.next_change()}
        desk.shelf.change(member, (member_id,), **told)
    desk.shelf.send()


def sale_row(desk: Desk, member_id: str, entry_id: str) -> Mapping[str, Any] | None:
    return desk.shelf.find(sale, member_id, entry_id)


def trade_of(row: Mapping[str, Any]) -> Trade:
    return Trade(
        row["currency"],
        int(row["total_minor"]),
        int(row["payable_minor"]),
        json.loads(row["earned"]),
        json.loads(row["spent"]),
    )
