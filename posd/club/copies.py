"""A till whose ledger has copies, as its owner sees it: where they part, what only one of them has, and the two things
that can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from posd.club.epochs import Epoch, EpochState, block, choose, epochs_of, is_frozen
from posd.club.leases import write_off
from posd.club.reading import Unreadable, read_entry
from posd.club.rows import find
from posd.club.tables import journal, till, till_epoch
from posd.units import POINTS

SHOWN = 20
DEEDS = {"choose": choose, "block": block}


@dataclass(frozen=True, slots=True)
class OwnEntry:
    """An entry that only one copy has. ``kind`` is empty for one that this club cannot read."""

    seq: int
    kind: str = ""
    at_ms: int = 0
    total_minor: int | None = None
    points: int = 0


@dataclass(frozen=True, slots=True)
class Copy:
    """One epoch. ``count`` entries are only here, the first of them is ``from_seq``; ``newest`` are the last of them.
    ``heard_ms``: when it last sent entries, None = never."""

    epoch: int
    state: EpochState
    count: int
    from_seq: int | None
    heard_ms: int | None
    newest: tuple[OwnEntry, ...]


@dataclass(frozen=True, slots=True)
class Copies:
    """``common_seq``: up to which entry all copies are the same; ``undecided``: more than one of them is open."""

    till_id: str
    name: str
    common_seq: int
    undecided: bool
    copies: tuple[Copy, ...]


def doubled_tills(connection: Connection, club_id: str) -> frozenset[str]:
    """Tills of which the owner has not said yet which copy is the till."""
    query = select(till_epoch.c.till_id).where(till_epoch.c.club_id == club_id).distinct()
    ids = [str(till_id) for till_id in connection.execute(query).scalars()]
    return frozenset(till_id for till_id in ids if is_frozen(epochs_of(connection, club_id, till_id)))


def read_copies(connection: Connection, club_id: str, till_id: str) -> Copies | None:
    """None when there is no such till. One copy is a till as it should be."""
    row = find(connection, till, club_id=club_id, till_id=till_id)
    if row is None:
        return None
    epochs = epochs_of(connection, club_id, till_id)
    copies = tuple(_copy(connection, club_id, till_id, epochs, epoch) for epoch in epochs.values())
    branches = [epoch.base.seq for epoch in epochs.values() if epoch.parent]
    return Copies(till_id, str(row.name), min(branches, default=0), is_frozen(epochs), copies)


def decide(connection: Connection, club_id: str, till_id: str, deed: str, number: int, now_ms: int) -> bool:
    """``choose`` or ``block`` epoch ``number`` (`posd.club.epochs`), and write off what the other copies hold of
    members' balances. False: nothing was decided."""
    if not DEEDS[deed](connection, club_id, till_id, number):
        return False
    over = [epoch.epoch for epoch in epochs_of(connection, club_id, till_id).values() if not epoch.is_open]
    write_off(connection, club_id, till_id, now_ms, over)
    return True


def _copy(connection: Connection, club_id: str, till_id: str, epochs: Mapping[int, Epoch], epoch: Epoch) -> Copy:
    """What stands before the place where another epoch leaves this one, that one has too."""
    shared = max((other.base.seq for other in epochs.values() if other.parent == epoch.epoch), default=epoch.base.seq)
    own = and_(journal.c.club_id == club_id, journal.c.till_id == till_id, journal.c.epoch == epoch.epoch)
    heard_ms = connection.execute(select(func.max(journal.c.received_ms)).where(own)).scalar()
    alone = and_(own, journal.c.seq > shared)
    count, first = connection.execute(select(func.count(), func.min(journal.c.seq)).where(alone)).one()
    newest = select(journal.c.seq, journal.c.payload).where(alone).order_by(journal.c.seq.desc()).limit(SHOWN)
    entries = tuple(_entry(int(row.seq), bytes(row.payload)) for row in connection.execute(newest))
    return Copy(epoch.epoch, epoch.state, int(count), first, heard_ms, entries)


def _entry(seq: int, payload: bytes) -> OwnEntry:
    try:
        reading = read_entry(payload)
    except Unreadable:
        return OwnEntry(seq)
    total = reading.trade.total_minor if reading.trade else None
    return OwnEntry(seq, reading.kind.value, reading.wall_ms, total, reading.moves.get(POINTS, 0))
