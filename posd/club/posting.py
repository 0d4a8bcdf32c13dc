"""Posting: from stored facts to members, balances and roll-ups, in the order of each till's sequence.

The place up to which a till is posted moves in the same transaction as what was posted, so a restart goes on exactly
where it stopped, and the directory of booked ids makes posting an entry twice impossible.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, select

from posd.club.changes import numbered_changes
from posd.club.database import Database
from posd.club.effects import Desk, Place, apply, open_person
from posd.club.judge import Facts, Verdict, judge, waits_for_member, waits_for_sale
from posd.club.keys import ClubKeys
from posd.club.programs import active_programs
from posd.club.reading import Reading, Unreadable, read_entry
from posd.club.rows import change, find, find_all
from posd.club.shop import Club, happened_ms
from posd.club.tables import NO_MEMBER, balance, booked, card_key, head, journal, member, till
from posd.club.turnover import record_trade
from posd.ledger.entries import Kind

NOTHING_HAPPENED = frozenset({"duplicate_entry", "already_voided"})
"""Reasons that say: this is another report of what was booked already, so it counts nowhere."""


def post_pending(database: Database, club: Club, keys: ClubKeys, till_id: str) -> int:
    """Post everything of this till that is stored and not posted yet; returns how many entries that were."""
    total = 0
    while posted := database.write(lambda connection: _post_batch(connection, club, keys, till_id, database.batch)):
        total += posted
    return total


def tills_behind(connection: Connection, club_id: str) -> list[str]:
    """Tills with stored entries that are not posted: after a stop between the two."""
    query = select(head.c.till_id).where(head.c.club_id == club_id, head.c.posted_seq < head.c.seq).distinct()
    return [str(till_id) for till_id in connection.execute(query).scalars()]


def _post_batch(connection: Connection, club: Club, keys: ClubKeys, till_id: str, batch: int) -> int:
    with numbered_changes(connection, club.club_id) as next_change:
        desk = Desk(connection, club, keys, active_programs(connection, club.club_id), next_change)
        rows = _due(connection, club.club_id, till_id, batch)
        for row in rows:
            _post_row(desk, row)
        if rows:
            _advance(connection, club.club_id, till_id, rows[-1].epoch, rows[-1].seq)
    return len(rows)


def _due(connection: Connection, club_id: str, till_id: str, batch: int) -> list[Row[Any]]:
    """The next entries of the oldest epoch that is behind."""
    due = select(head.c.epoch, head.c.posted_seq).where(
        head.c.club_id == club_id, head.c.till_id == till_id, head.c.posted_seq < head.c.seq
    )
    first = connection.execute(due.order_by(head.c.epoch).limit(1)).first()
    if first is None:
        return []
    query = select(journal).where(
        journal.c.club_id == club_id,
        journal.c.till_id == till_id,
        journal.c.epoch == first.epoch,
        journal.c.seq > first.posted_seq,
    )
    return list(connection.execute(query.order_by(journal.c.seq).limit(batch)))


def _advance(connection: Connection, club_id: str, till_id: str, epoch: int, seq: int) -> None:
    change(connection, head, {"club_id": club_id, "till_id": till_id, "epoch": epoch}, posted_seq=seq)


def _post_row(desk: Desk, row: Row[Any]) -> None:
    """One entry: read, judge, apply, note what became of it; then look again at what waited for it."""
    try:
        reading = read_entry(bytes(row.payload))
    except Unreadable:
        _note(desk, row, Verdict("unreadable"))
        return
    place = _place(desk, row, reading.wall_ms)
    facts = _facts(desk, reading)
    verdict = judge(reading, facts)
    _note(desk, row, verdict)
    if verdict.reason not in NOTHING_HAPPENED:
        record_trade(desk, place, reading, state="posted" if verdict.posts else "parked")
    if verdict.posts:
        keys = reading.joining.keys if reading.joining else ()
        apply(desk, place, reading, keys=[key for key in keys if key not in facts.key_owners])
        _post_waiting(desk, reading)


def _place(desk: Desk, row: Row[Any], wall_ms: int) -> Place:
    writer = find(desk.connection, till, club_id=desk.club_id, till_id=row.till_id)
    at_ms = happened_ms(wall_ms, row.received_ms, writer.created_ms if writer else 0)
    return Place(row.till_id, row.epoch, row.seq, row.received_ms, at_ms, desk.club.settings.day(at_ms))


def _facts(desk: Desk, reading: Reading) -> Facts:
    keys = reading.joining.keys if reading.joining else ()
    sold = _booked(desk, reading.ref) if reading.ref else None
    sealed = reading.joining.sealed if reading.joining and reading.kind is Kind.ENROL else None
    return Facts(
        booked_before=_booked(desk, reading.entry_id) is not None,
        member_known=reading.member_id is not None and _is_member(desk, reading.member_id),
        balances=_balances(desk, reading.member_id) if reading.member_id else {},
        key_owners=_owners(desk, keys) if keys else {},
        sale_known=sold is not None
        and sold.kind == Kind.SALE.value
        and sold.member_id == (reading.member_id or NO_MEMBER),
        sale_voided=sold is not None and sold.voided_by != "",
        person_readable=sealed is None or open_person(desk.keys, sealed) is not None,
    )


def _booked(desk: Desk, entry_id: str) -> Row[Any] | None:
    return find(desk.connection, booked, club_id=desk.club_id, entry_id=entry_id)


def _is_member(desk: Desk, member_id: str) -> bool:
    return find(desk.connection, member, club_id=desk.club_id, member_id=member_id) is not None


def _balances(desk: Desk, member_id: str) -> dict[str, int]:
    rows = find_all(desk.connection, balance, club_id=desk.club_id, member_id=member_id)
    return {str(row.unit): int(row.amount) for row in rows}


def _owners(desk: Desk, keys: Iterable[str]) -> dict[str, str]:
    found = {key: find(desk.connection, card_key, club_id=desk.club_id, key=key) for key in keys}
    return {key: str(row.member_id) for key, row in found.items() if row is not None}


def _post_waiting(desk: Desk, reading: Reading) -> None:
    what = {Kind.ENROL: waits_for_member(reading.member_id or ""), Kind.SALE: waits_for_sale(reading.entry_id)}
    key = what.get(reading.kind)
    if key is None:
        return
    rows = find_all(desk.connection, journal, club_id=desk.club_id, waits_for=key)
    for row in sorted(rows, key=lambda row: (row.till_id, row.epoch, row.seq)):
        _post_row(desk, row)


def _note(desk: Desk, row: Row[Any], verdict: Verdict) -> None:
    key = {"club_id": desk.club_id, "till_id": row.till_id, "epoch": row.epoch, "seq": row.seq}
    state = "parked" if verdict.reason else "posted"
    change(desk.connection, journal, key, state=state, reason=verdict.reason, waits_for=verdict.waits_for)
