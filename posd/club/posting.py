"""Posting: from stored facts to members, balances and roll-ups, in the order of each till's sequence.

The place up to which a till is posted moves in the same transaction as what was posted, so a restart goes on exactly
where it stopped, and the directory of booked ids makes posting an entry twice impossible.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DataError, IntegrityError

from posd.club.changes import numbered_changes
from posd.club.database import Database
from posd.club.effects import Desk, refresh_members
from posd.club.entry_posting import UNREADABLE, lay_out, note, post_row
from posd.club.keys import ClubKeys
from posd.club.programs import active_programs
from posd.club.shelf import AlreadyThere, Row, Shelf
from posd.club.shop import Club
from posd.club.tables import head, journal

log = logging.getLogger("posd.club")

_REFUSED = (DataError, IntegrityError, OverflowError, AlreadyThere)
"""What a database says of values that it cannot hold; SQLite's driver says it of integers itself."""


def post_pending(database: Database, club: Club, keys: ClubKeys, till_id: str) -> int:
    """Post everything of this till that is stored and not posted yet; returns how many entries that were.

    A run that the database refuses is posted one by one, and the one that it refuses alone (its sums fit no column) is
    parked: no entry holds up those behind it.
    """
    total = 0
    while posted := _post_run(database, club, keys, till_id):
        total += posted
    return total


def tills_behind(connection: Connection, club_id: str) -> list[str]:
    """Tills with stored entries that are not posted: after a stop between the two."""
    query = select(journal.c.till_id).where(journal.c.club_id == club_id, journal.c.state == "accepted").distinct()
    return [str(till_id) for till_id in connection.execute(query).scalars()]


def _post_run(database: Database, club: Club, keys: ClubKeys, till_id: str) -> int:
    for batch in (database.batch, 1):
        try:
            return database.write(partial(_post_batch, club=club, keys=keys, till_id=till_id, batch=batch))
        except _REFUSED as error:
            log.warning("%d entries of till %s are not posted together (%s)", batch, till_id, type(error).__name__)
    return database.write(lambda connection: _park_next(connection, club, keys, till_id))


def _post_batch(connection: Connection, club: Club, keys: ClubKeys, till_id: str, batch: int) -> int:
    with numbered_changes(connection, club.club_id) as next_change:
        desk = Desk(Shelf(connection, club.club_id), club, keys, active_programs(connection, club.club_id), next_change)
        rows = _due(connection, club.club_id, till_id, batch)
        for row, reading in lay_out(desk, rows):
            post_row(desk, row, reading)
        refresh_members(desk)
        _advance(connection, club.club_id, rows)
    return len(rows)


def _park_next(connection: Connection, club: Club, keys: ClubKeys, till_id: str) -> int:
    with numbered_changes(connection, club.club_id) as next_change:
        desk = Desk(Shelf(connection, club.club_id), club, keys, (), next_change)
        rows = _due(connection, club.club_id, till_id, 1)
        for row, _ in lay_out(desk, rows):
            note(desk, row, UNREADABLE)
        desk.shelf.send()
        _advance(connection, club.club_id, rows)
    return len(rows)


def _due(connection: Connection, club_id: str, till_id: str, batch: int) -> list[dict[str, Any]]:
    """The next entries of the oldest epoch that is behind."""
    due = select(head.c.epoch, head.c.posted_seq).where(
        head.c.club_id == club_id, head.c.till_id == till_id, head.c.posted_seq < head.c.seq
    )
    first = connection.execute(due.order_by(head.c.epoch).limit(1)).first()
    query = select(journal).where(journal.c.club_id == club_id, journal.c.till_id == till_id)
    if first is None:
        query = query.where(journal.c.state == "accepted")  # a payload that was withheld came after all
    else:
        query = query.where(journal.c.epoch == first.epoch, journal.c.seq > first.posted_seq)
    return [dict(row._mapping) for row in connection.execute(query.order_by(journal.c.seq).limit(batch))]


def _advance(connection: Connection, club_id: str, rows: Sequence[Row]) -> None:
    for last in rows[-1:]:
        where = (head.c.club_id == club_id, head.c.till_id == last["till_id"], head.c.epoch == last["epoch"])
        connection.execute(update(head).where(*where, head.c.posted_seq < last["seq"]).values(posted_seq=last["seq"]))
