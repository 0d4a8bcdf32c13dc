"""Leases: parts of a member's balance, set apart for one till, which may spend them without asking again.

What is set apart is taken out of what is free in the transaction that grants it, and becomes free again only by what
the till itself reports (`posd.club.effects`) or when an operator writes it off. No clock has a say in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select, update

from posd.club.changes import numbered_changes
from posd.club.epochs import epochs_of, head_of, is_frozen
from posd.club.rows import change, find, find_all, put
from posd.club.shop import read_club
from posd.club.tables import balance, booked, lease, member
from posd.ledger.leases import Lease
from posd.sync.wire import LeaseAsk, LeaseReply

REST = lease.c.granted - lease.c.spent - lease.c.returned
OPEN = and_(lease.c.written_off_ms.is_(None), REST > 0)


def rest_of(row: Mapping[str, Any]) -> int:
    """What the lease still sets apart."""
    return 0 if row["written_off_ms"] is not None else int(row["granted"] - row["spent"] - row["returned"])


def set_apart(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Unit → what these leases hold."""
    totals: dict[str, int] = {}
    for row in rows:
        totals[str(row["unit"])] = totals.get(str(row["unit"]), 0) + rest_of(row)
    return totals


def grant(connection: Connection, club_id: str, till_id: str, ask: LeaseAsk, now_ms: int) -> LeaseReply:
    """Set apart what is free of the member's balances, and ask other tills for theirs. The reply names all leases that
    this till has not taken up yet, so an answer that was lost comes with the next; the same question grants once."""
    with numbered_changes(connection, club_id) as next_change:
        if not _is_current(connection, club_id, till_id, ask):
            return LeaseReply()
        if ask.member_id:
            _grant(connection, club_id, till_id, ask, now_ms)
            _recall(connection, club_id, till_id, ask.member_id, next_change)
    club = read_club(connection)
    return LeaseReply(_untaken(connection, club_id, till_id, ask), club.settings.offline_permille if club else 0)


def _is_current(connection: Connection, club_id: str, till_id: str, ask: LeaseAsk) -> bool:
    """A till in another epoch, or one that has fewer entries than it sent us, is a copy of what it was; and nothing is
    granted while it is not decided which copy is the till."""
    epochs = epochs_of(connection, club_id, till_id)
    own = epochs.get(ask.epoch)
    if own is None or not own.is_open or is_frozen(epochs):
        return False
    return head_of(connection, club_id, till_id, own).seq <= ask.seq


def _grant(connection: Connection, club_id: str, till_id: str, ask: LeaseAsk, now_ms: int) -> None:
    owner = find(connection, member, club_id=club_id, member_id=ask.member_id)
    if owner is None or owner.state != "active" or _was_granted(connection, club_id, ask):
        return
    _forget_those_over(connection, club_id, ask.member_id)
    whose = {"club_id": club_id, "member_id": ask.member_id}
    held = set_apart([dict(row._mapping) for row in find_all(connection, lease, **whose)])
    for row in find_all(connection, balance, **whose):
        free = int(row.amount) - held.get(row.unit, 0)
        if free > 0:
            put(
                connection,
                lease,
                **whose,
                lease_id=ask.lease_id,
                unit=row.unit,
                till_id=till_id,
                epoch=ask.epoch,
                incarnation=ask.incarnation,
                granted=free,
                made_ms=now_ms,
            )


def _was_granted(connection: Connection, club_id: str, ask: LeaseAsk) -> bool:
    """Taken up once, or granted and not taken up yet."""
    return (
        find(connection, booked, club_id=club_id, entry_id=ask.lease_id) is not None
        or find(connection, lease, club_id=club_id, member_id=ask.member_id, lease_id=ask.lease_id) is not None
    )


def _forget_those_over(connection: Connection, club_id: str, member_id: str) -> None:
    over = (lease.c.taken == 1, lease.c.written_off_ms.is_(None), REST == 0)
    connection.execute(delete(lease).where(lease.c.club_id == club_id, lease.c.member_id == member_id, *over))


def _recall(connection: Connection, club_id: str, till_id: str, member_id: str, next_change: Any) -> None:
    """Ask the tills that hold a part of this member's balance for it, once for each lease."""
    theirs = (lease.c.club_id == club_id, lease.c.member_id == member_id, lease.c.till_id != till_id)
    asked = (*theirs, OPEN, lease.c.recalled == 0)
    if connection.execute(select(func.count()).select_from(lease).where(*asked)).scalar_one():
        connection.execute(update(lease).where(*asked).values(recalled=next_change()))


def _untaken(connection: Connection, club_id: str, till_id: str, ask: LeaseAsk) -> tuple[Lease, ...]:
    """A till that came back from a backup may have spent what it does not remember to have taken up."""
    own = (lease.c.club_id == club_id, lease.c.till_id == till_id, lease.c.epoch == ask.epoch)
    untaken = (lease.c.incarnation == ask.incarnation, lease.c.taken == 0, OPEN)
    found: dict[str, Lease] = {}
    for row in connection.execute(select(lease).where(*own, *untaken).order_by(lease.c.made_ms, lease.c.lease_id)):
        known = found.get(row.lease_id, Lease(row.lease_id, row.member_id, {}))
        found[row.lease_id] = Lease(row.lease_id, row.member_id, {**known.amounts, row.unit: int(row.granted)})
    return tuple(found.values())


def recalled(connection: Connection, club_id: str, till_id: str, after: int, to: int) -> tuple[str, ...]:
    """Leases of this till that were asked back by changes in ``(after, to]``."""
    query = select(lease.c.lease_id).where(
        lease.c.club_id == club_id, lease.c.till_id == till_id, lease.c.recalled > after, lease.c.recalled <= to, OPEN
    )
    return tuple(str(lease_id) for lease_id in connection.execute(query.distinct()).scalars())


def open_leases(connection: Connection, club_id: str) -> list[dict[str, Any]]:
    """What tills hold, and what was written off: ``till_id``, ``member_id``, ``unit``, ``rest``, ``written_off_ms``."""
    columns = (lease.c.till_id, lease.c.member_id, lease.c.lease_id, lease.c.unit, REST.label("rest"))
    query = select(*columns, lease.c.written_off_ms).where(lease.c.club_id == club_id, REST > 0)
    return [dict(row) for row in connection.execute(query.order_by(lease.c.till_id, lease.c.made_ms)).mappings()]


def write_off(
    connection: Connection, club_id: str, till_id: str, now_ms: int, epochs: Collection[int] | None = None
) -> dict[str, int]:
    """What a lost till holds becomes free again, by unit; what it spent of that and reports later is parked.
    ``epochs``: only what those copies of its ledger hold."""
    lost = [lease.c.club_id == club_id, lease.c.till_id == till_id, OPEN]
    if epochs is not None:
        lost.append(lease.c.epoch.in_(epochs))
    with numbered_changes(connection, club_id) as next_change:
        rows = list(connection.execute(select(lease, REST.label("rest")).where(*lost)))
        connection.execute(update(lease).where(*lost).values(written_off_ms=now_ms))
        for member_id in sorted({row.member_id for row in rows}):
            change(connection, member, {"club_id": club_id, "member_id": member_id}, change=next_change())
    totals: dict[str, int] = {}
    for row in rows:
        totals[row.unit] = totals.get(row.unit, 0) + int(row.rest)
    return totals
