"""Epochs of a till: its journals at the club, one for each copy of its ledger (`docs/sync.md`, "Restored, cloned,
doubled").

An epoch branches from another one at its base, the last position that both have. Its journal holds what follows. The
first epoch has no row until somebody decides about it. While more than one epoch of a till is open, nothing may be
spent at any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from posd.club.rows import find
from posd.club.tables import head, journal, till, till_epoch
from posd.ledger.entries import GENESIS, Head
from posd.sync.wire import EpochGrant, EpochRequest, WireError

FIRST_EPOCH = 1
LAST_EPOCH = 2**31 - 1
"""What the chain hash can hold; no shop comes near."""
MOST_POSITIONS = 128


class EpochState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    """Another copy is the till. Whoever still writes this epoch is told so, and gets another one."""
    BLOCKED = "blocked"
    """Whoever writes it hears 403."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """``base``: where it leaves ``parent``; its own ``epoch`` is the one under which that entry was booked."""

    epoch: int
    parent: int
    base: Head
    state: EpochState
    granted_ms: int

    @property
    def is_open(self) -> bool:
        return self.state is EpochState.OPEN


THE_FIRST = Epoch(FIRST_EPOCH, 0, Head(FIRST_EPOCH, 0, GENESIS), EpochState.OPEN, 0)


def epochs_of(connection: Connection, club_id: str, till_id: str) -> dict[int, Epoch]:
    """All epochs of a till by number, in their order."""
    query = select(till_epoch).where(till_epoch.c.club_id == club_id, till_epoch.c.till_id == till_id)
    found = {FIRST_EPOCH: THE_FIRST}
    for row in connection.execute(query.order_by(till_epoch.c.epoch)):
        base = Head(int(row.base_epoch), int(row.base_seq), bytes(row.base_hash))
        number = int(row.epoch)
        found[number] = Epoch(number, int(row.parent), base, EpochState(row.state), int(row.granted_ms))
    return found


def is_frozen(epochs: Mapping[int, Epoch]) -> bool:
    """Whether nothing may be spent at this till, and no lease be granted to it."""
    return sum(epoch.is_open for epoch in epochs.values()) > 1


def head_of(connection: Connection, club_id: str, till_id: str, epoch: Epoch) -> Head:
    """Up to where the club has the journal of ``epoch``. (``Head.epoch`` is the journal's, not the entry's.)"""
    row = find(connection, head, club_id=club_id, till_id=till_id, epoch=epoch.epoch)
    if row is None:
        return Head(epoch.epoch, epoch.base.seq, epoch.base.hash)
    return Head(epoch.epoch, int(row.seq), bytes(row.hash))


def posted_seq(connection: Connection, club_id: str, till_id: str, epochs: Mapping[int, Epoch], number: int) -> int:
    """Up to which entry of the journal that leads through ``epochs`` to ``number`` balances are posted."""
    epoch = epochs[number]
    row = find(connection, head, club_id=club_id, till_id=till_id, epoch=number)
    if row is not None and row.posted_seq > epoch.base.seq:
        return int(row.posted_seq)
    if epoch.parent not in epochs:
        return 0
    return min(epoch.base.seq, posted_seq(connection, club_id, till_id, epochs, epoch.parent))


def hash_at(
    connection: Connection, club_id: str, till_id: str, epochs: Mapping[int, Epoch], number: int, seq: int
) -> bytes:
    """Hash of entry ``seq`` of the journal that leads to epoch ``number``; the club has it."""
    epoch = epochs[number]
    if seq == epoch.base.seq:
        return epoch.base.hash
    if seq < epoch.base.seq:
        return hash_at(connection, club_id, till_id, epochs, epoch.parent, seq)
    row = find(connection, journal, club_id=club_id, till_id=till_id, epoch=number, seq=seq)
    return GENESIS if row is None else bytes(row.hash)


# ---- granting ----


def grant_epoch(
    connection: Connection, club_id: str, till_id: str, request: EpochRequest, now_ms: int
) -> EpochGrant | None:
    """The epoch under which this copy goes on: a new one, one that nobody has used yet, or its own when nothing is
    wrong with that. None: it is blocked. Raises WireError for a request that no till makes."""
    newest = _lock(connection, club_id, till_id)
    epochs = epochs_of(connection, club_id, till_id)
    own = epochs.get(request.epoch)
    if own is not None and own.state is EpochState.BLOCKED:
        return None
    parent, base = _newest_known(connection, club_id, till_id, request)
    if own is not None and own.is_open and _ends_at(connection, club_id, till_id, own, base):
        return _granted(own.epoch, base)
    for epoch in epochs.values():
        unused = epoch.is_open and epoch.epoch > request.epoch and (epoch.parent, epoch.base) == (parent, base)
        if unused and _ends_at(connection, club_id, till_id, epoch, base):
            return _granted(epoch.epoch, base)
    number = max(newest, request.epoch) + 1
    if number > LAST_EPOCH:
        raise WireError("epoch is out of range")
    put_epoch(connection, club_id, till_id, Epoch(number, parent, base, EpochState.OPEN, now_ms))
    mine = (till.c.club_id == club_id, till.c.till_id == till_id)
    connection.execute(update(till).where(*mine).values(epoch=number, seen_ms=now_ms))
    return _granted(number, base)


def _lock(connection: Connection, club_id: str, till_id: str) -> int:
    """The newest epoch of the till, whose row is locked until the commit; 0 when there is none."""
    query = select(till.c.epoch).where(till.c.club_id == club_id, till.c.till_id == till_id).with_for_update()
    return int(connection.execute(query).scalar() or 0)


def _ends_at(connection: Connection, club_id: str, till_id: str, epoch: Epoch, base: Head) -> bool:
    where = head_of(connection, club_id, till_id, epoch)
    return (where.seq, where.hash) == (base.seq, base.hash)


def _granted(number: int, base: Head) -> EpochGrant:
    return EpochGrant(number, base.seq, base.hash.hex())


def _newest_known(connection: Connection, club_id: str, till_id: str, request: EpochRequest) -> tuple[int, Head]:
    """The newest of the till's positions that any of its journals here has: (that journal's epoch, position)."""
    if len(request.positions) > MOST_POSITIONS or not 0 <= request.epoch < LAST_EPOCH:
        raise WireError("that is not a till's request for an epoch")
    claimed = set(request.positions)
    query = select(journal.c.epoch, journal.c.booked_epoch, journal.c.seq, journal.c.hash).where(
        journal.c.club_id == club_id,
        journal.c.till_id == till_id,
        journal.c.seq.in_([seq for seq, _ in request.positions]),
    )
    known = [row for row in connection.execute(query) if (int(row.seq), bytes(row.hash).hex()) in claimed]
    if not known:
        return FIRST_EPOCH, THE_FIRST.base
    best = max(known, key=lambda row: (row.seq, row.epoch == request.epoch, -row.epoch))
    booked = best.epoch if best.booked_epoch is None else best.booked_epoch
    return int(best.epoch), Head(int(booked), int(best.seq), bytes(best.hash))


def put_epoch(connection: Connection, club_id: str, till_id: str, epoch: Epoch) -> None:
    connection.execute(
        insert(till_epoch).values(
            club_id=club_id,
            till_id=till_id,
            epoch=epoch.epoch,
            parent=epoch.parent,
            base_epoch=epoch.base.epoch,
            base_seq=epoch.base.seq,
            base_hash=epoch.base.hash,
            state=epoch.state.value,
            granted_ms=epoch.granted_ms,
        )
    )


# ---- deciding ----


def choose(connection: Connection, club_id: str, till_id: str, number: int) -> bool:
    """The copy that writes epoch ``number`` is the till: every other open epoch is closed. False: there is no such."""
    if not _lock(connection, club_id, till_id):
        return False
    epochs = epochs_of(connection, club_id, till_id)
    if number not in epochs:
        return False
    _set(connection, club_id, till_id, epochs[number], EpochState.OPEN)
    for epoch in epochs.values():
        if epoch.is_open and epoch.epoch != number:
            _set(connection, club_id, till_id, epoch, EpochState.CLOSED)
    return True


def block(connection: Connection, club_id: str, till_id: str, number: int) -> bool:
    """Refuse whoever writes epoch ``number``. False: there is none such, or it is the only one that is open, so that
    shutting out the till would be meant."""
    if not _lock(connection, club_id, till_id):
        return False
    epochs = epochs_of(connection, club_id, till_id)
    if not any(epoch.is_open for epoch in epochs.values() if epoch.epoch != number) or number not in epochs:
        return False
    _set(connection, club_id, till_id, epochs[number], EpochState.BLOCKED)
    return True


def _set(connection: Connection, club_id: str, till_id: str, epoch: Epoch, state: EpochState) -> None:
    key = (till_epoch.c.club_id == club_id, till_epoch.c.till_id == till_id, till_epoch.c.epoch == epoch.epoch)
    moved = connection.execute(update(till_epoch).where(*key).values(state=state.value))
    if moved.rowcount == 0:
        put_epoch(connection, club_id, till_id, replace(epoch, state=state))
