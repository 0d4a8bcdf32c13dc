"""SQLite connections with the settings that the ledger's promises need; each is read back, as a build may say no."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from posd.errors import LedgerError, PosdError

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x706F7364
"""``posd`` in the file header, so that file(1) and we know a ledger from any other database."""
BUSY_TIMEOUT_MS = 5_000
WAL_SIZE_LIMIT = 16 * 1024 * 1024

Setting = tuple[str, int | str, int | str]
"""Pragma, what to ask for, what it must read back as."""

EVERY_CONNECTION: tuple[Setting, ...] = (
    ("foreign_keys", "on", 1),
    ("trusted_schema", "off", 0),  # a doctored file must not call functions
    ("cell_size_check", "on", 1),  # finds a damaged page before it is followed
    ("mmap_size", 0, 0),  # a stray write must not reach the file
    ("busy_timeout", BUSY_TIMEOUT_MS, BUSY_TIMEOUT_MS),
)
CREATION: tuple[Setting, ...] = (
    ("auto_vacuum", "incremental", 2),  # can only be chosen before the first table
    ("journal_mode", "wal", "wal"),
    ("synchronous", "extra", 3),  # until the directory entry of the new file is on disk
)
WRITING: tuple[Setting, ...] = (
    ("journal_mode", "wal", "wal"),
    ("synchronous", "full", 2),  # NORMAL may lose the last commits at a power cut
    ("wal_autocheckpoint", 0, 0),  # the writer does it when no customer waits
    ("journal_size_limit", WAL_SIZE_LIMIT, WAL_SIZE_LIMIT),
    ("recursive_triggers", "on", 1),  # REPLACE must meet the append-only triggers too
)
READING: tuple[Setting, ...] = (("query_only", "on", 1),)


def connect_writer(path: Path) -> Database:
    """The one connection that may write. Whoever has the writer's turn uses it; there is no second one."""
    return _connect(path, "rwc", EVERY_CONNECTION)


def connect_reader(path: Path) -> Database:
    """A connection that cannot write. Not bound to a thread, so that closing the store can close it."""
    return _connect(path, "ro", EVERY_CONNECTION + READING)


def _connect(path: Path, mode: str, settings: tuple[Setting, ...]) -> Database:
    from sqlite_utils import Database  # noqa: PLC0415 - 70 ms that `posd --version` need not pay

    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        isolation_level=None,  # transactions are ours: BEGIN IMMEDIATE, never an implicit one
        check_same_thread=False,  # one thread at a time; the writer and the store see to it
    )
    with ExitStack() as unless_well:
        unless_well.callback(connection.close)
        db = Database(connection, execute_plugins=False)  # plugins of sqlite-utils have no business on a ledger
        apply(db, settings)
        unless_well.pop_all()
    return db


def apply(db: Database, settings: tuple[Setting, ...]) -> None:
    """Set each pragma and read it back. Raises `LedgerError` for one that did not take."""
    for name, wanted, reads_as in settings:
        db.execute(f"pragma {name} = {wanted}")
        (found,) = db.execute(f"pragma {name}").fetchone()
        if found != reads_as:
            raise LedgerError(
                f"SQLite {sqlite3.sqlite_version} would not set {name} to {wanted} (it says {found}); "
                "use the distribution's own Python and SQLite"
            )


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT, whole or not at all. (SQLite itself may have rolled back when the disk failed.)"""
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    finally:
        if db.conn.in_transaction:
            db.execute("rollback")


@contextmanager
def savepoint(db: Database) -> Iterator[None]:
    """A part of a transaction, whole or not at all, whatever becomes of its neighbours."""
    db.execute("savepoint part")
    try:
        yield
        db.execute("release part")
    except (sqlite3.Error, PosdError, ValueError):
        if db.conn.in_transaction:
            db.execute("rollback to part")
            db.execute("release part")
        raise


@contextmanager
def snapshot(db: Database) -> Iterator[None]:
    """All reads inside see the same state."""
    db.execute("begin")
    try:
        yield
    finally:
        db.execute("rollback")
