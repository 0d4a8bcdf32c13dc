"""The club's change counter: one number per change of a member, in commit order, without a hole a reader could fall in.

Whoever changes members first takes the lock of the club's row, numbers the changes upwards from it and gives the lock
back with the commit. So number ``n + 1`` does not exist before ``n`` is visible to everybody, and "all changes above
my number" never skips one, on SQLite (one writer anyway) and on every PostgreSQL-like database alike. The price is that
the transactions of one club that touch members follow one another; posting takes many entries per transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, select, update

from posd.club.tables import club


@contextmanager
def numbered_changes(connection: Connection, club_id: str) -> Iterator[Callable[[], int]]:
    """Inside, call the given function once per changed row: it returns the number to store there."""
    row = select(club.c.changes).where(club.c.club_id == club_id).with_for_update()
    first = last = int(connection.execute(row).scalar_one())

    def next_change() -> int:
        nonlocal last
        last += 1
        return last

    yield next_change
    if last > first:
        connection.execute(update(club).where(club.c.club_id == club_id).values(changes=last))
