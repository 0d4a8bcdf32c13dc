"""Posting one entry of a run: gather what the club knows, judge, apply, note what became of it; then look again at what
waited for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from posd.club.effects import Desk, Place, apply, open_person
from posd.club.judge import Facts, Verdict, judge, waits_for_member, waits_for_sale
from posd.club.leases import rest_of, set_apart
from posd.club.reading import Reading, Unreadable, read_entry
from posd.club.shelf import Row
from posd.club.shop import happened_ms
from posd.club.tables import NO_MEMBER, balance, booked, card_key, journal, lease, member, sale, spend, till
from posd.club.turnover import record_trade
from posd.ledger.entries import Kind

NOTHING_HAPPENED = frozenset({"duplicate_entry", "already_voided"})
"""Reasons that say: this is another report of what was booked already, so it counts nowhere."""
UNREADABLE = Verdict("unreadable")


Said = tuple[Reading, Place]
"""What an entry says, and where and when it stands."""


def lay_out(desk: Desk, rows: Sequence[dict[str, Any]]) -> Sequence[tuple[Row, Said | None]]:
    """Each entry with what it says (None: unreadable). What posting them is going to ask for is fetched at once;
    nothing depends on its being complete."""
    shelf, read = desk.shelf, [(row, _read(desk, row)) for row in rows]
    said = [one for _, one in read if one is not None]
    readings = [reading for reading, _ in said]
    members = [(one.member_id,) for one in readings if one.member_id is not None]
    ids = [(one.member_id or NO_MEMBER, name) for one in readings for name in (one.entry_id, one.ref) if name]
    shelf.keep(journal, rows)
    shelf.fetch(member, members)
    shelf.fetch(balance, members)
    shelf.fetch(lease, members)
    shelf.fetch(booked, [(name,) for _, name in ids])
    shelf.fetch(sale, ids)
    shelf.fetch(card_key, [(key,) for one in readings if one.joining for key in one.joining.keys])
    shelf.fetch(
        spend, [(one.member_id, one.trade.currency, place.day) for one, place in said if one.member_id and one.trade]
    )
    shelf.fetch_by(journal, "waits_for", [key for one in readings for key in _keys_of_waiting(one)])
    return read


def post_row(desk: Desk, row: Row, said: Said | None) -> None:
    if not row["payload"]:
        return  # withheld: parked until its payload comes
    if said is None:
        note(desk, row, UNREADABLE)
        return
    reading, place = said
    facts = _facts(desk, place, reading)
    verdict = judge(reading, facts)
    note(desk, row, verdict)
    if verdict.reason not in NOTHING_HAPPENED:
        record_trade(desk, place, reading, state="posted" if verdict.posts else "parked")
    if verdict.posts:
        keys = reading.joining.keys if reading.joining else ()
        apply(desk, place, reading, keys=[key for key in keys if key not in facts.key_owners])
        for waiting in _waiting_for(desk, reading):
            post_row(desk, waiting, _read(desk, waiting))


def note(desk: Desk, row: Row, verdict: Verdict) -> None:
    key = (row["till_id"], row["epoch"], row["seq"])
    state = "parked" if verdict.reason else "posted"
    desk.shelf.change(journal, key, state=state, reason=verdict.reason, waits_for=verdict.waits_for)


def _read(desk: Desk, row: Row) -> Said | None:
    try:
        reading = read_entry(bytes(row["payload"]))
    except Unreadable:
        return None
    writer = desk.shelf.find(till, row["till_id"])
    at_ms = happened_ms(reading.wall_ms, row["received_ms"], writer["created_ms"] if writer else 0)
    day = desk.club.settings.day(at_ms)
    return reading, Place(row["till_id"], row["epoch"], row["seq"], row["received_ms"], at_ms, day)


def _facts(desk: Desk, place: Place, reading: Reading) -> Facts:
    leases = desk.shelf.find_all(lease, reading.member_id) if reading.member_id else []
    keys = reading.joining.keys if reading.joining else ()
    sold = _booked(desk, reading.ref) if reading.ref else None
    sealed = reading.joining.sealed if reading.joining and reading.kind is Kind.ENROL else None
    return Facts(
        booked_before=_booked(desk, reading.entry_id) is not None,
        member_known=reading.member_id is not None and _is_member(desk, reading.member_id),
        balances=_balances(desk, reading.member_id) if reading.member_id else {},
        set_apart=set_apart(leases),
        rests=_rests(place, reading, leases) if reading.drawn else {},
        key_owners=_owners(desk, keys) if keys else {},
        sale_known=sold is not None
        and sold["kind"] == Kind.SALE.value
        and sold["member_id"] == (reading.member_id or NO_MEMBER),
        sale_voided=sold is not None and sold["voided_by"] != "",
        person_readable=sealed is None or open_person(desk.keys, sealed) is not None,
    )


def _rests(place: Place, reading: Reading, leases: Iterable[Row]) -> dict[tuple[str, str], int]:
    """What may be taken out of the leases that the entry names; a lease is taken up once and as a whole."""
    own = {
        (str(row["lease_id"]), str(row["unit"])): row
        for row in leases
        if (row["till_id"], row["epoch"]) == (place.till_id, place.epoch)
        and bool(row["taken"]) is (reading.kind is not Kind.LEASE)
    }
    return {key: rest_of(own[key]) for key in reading.drawn if key in own}


def _booked(desk: Desk, entry_id: str) -> Row | None:
    return desk.shelf.find(booked, entry_id)


def _is_member(desk: Desk, member_id: str) -> bool:
    return desk.shelf.find(member, member_id) is not None


def _balances(desk: Desk, member_id: str) -> dict[str, int]:
    return {str(row["unit"]): int(row["amount"]) for row in desk.shelf.find_all(balance, member_id)}


def _owners(desk: Desk, keys: Iterable[str]) -> dict[str, str]:
    found = {key: desk.shelf.find(card_key, key) for key in keys}
    return {key: str(row["member_id"]) for key, row in found.items() if row is not None}


def _keys_of_waiting(reading: Reading) -> Iterator[str]:
    """What entries may be waiting for that this one brings."""
    if reading.kind is Kind.ENROL:
        yield waits_for_member(reading.member_id or "")
    if reading.kind is Kind.SALE:
        yield waits_for_sale(reading.entry_id)


def _waiting_for(desk: Desk, reading: Reading) -> list[Row]:
    """In the order of their tills' sequences."""
    found = [row for key in _keys_of_waiting(reading) for row in desk.shelf.find_by(journal, "waits_for", key)]
    return sorted(found, key=lambda row: (row["till_id"], row["epoch"], row["seq"]))
