"""The club's database: a SQLite file beside the shop's daemon, or a PostgreSQL that a chain already runs.

`Database.write` runs a function in one transaction and runs the whole of it again when the database says that somebody
else was in the way; `Database.read` gives it one consistent snapshot. Nothing else opens a connection.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from posd.errors import ConfigError

T = TypeVar("T")

ATTEMPTS = 8
FIRST_PAUSE_S = 0.01
BUSY_TIMEOUT_MS = 10_000
AGAIN_SQLSTATES = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected (PostgreSQL, appendix A)."""
AGAIN_SQLITE = frozenset({5, 6})
"""SQLITE_BUSY and SQLITE_LOCKED (sqlite.org/rescode.html); the extended code is in the higher bits."""


class Database:
    """One club database. ``writer`` and ``reader`` are the same engine on PostgreSQL; on SQLite there is exactly one
    writing connection per process, and only that one checkpoints (SQLite ≤ 3.51.2 loses pages otherwise)."""

    def __init__(self, writer: Engine, reader: Engine, batch: int) -> None:
        """``batch``: how many entries may share a transaction. A file has one disk to wait for, so many; a database
        that may one day be sharded by member gets one, because a transaction there touches one member."""
        self.writer = writer
        self.reader = reader
        self.batch = batch

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction, again from its start on a conflict. It must not touch anything else."""
        for attempt in range(ATTEMPTS):
            try:
                with self.writer.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if attempt + 1 == ATTEMPTS or not is_conflict(error):
                    raise
                pause = FIRST_PAUSE_S * 2**attempt * (1 + random.random())  # noqa: S311 - jitter, no secret
                threading.Event().wait(pause)
        raise AssertionError("unreachable")

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on one snapshot: everything it reads is of the same moment."""
        with self.reader.begin() as connection:
            return work(connection)

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()


def is_conflict(error: DBAPIError) -> bool:
    """Whether running the transaction again can help."""
    origin = error.orig
    return (
        getattr(origin, "sqlstate", None) in AGAIN_SQLSTATES
        or getattr(origin, "sqlite_errorcode", 0) & 0xFF in AGAIN_SQLITE
    )


def open_database(state_dir: Path, database_url: str | None = None, *, serves: bool = False) -> Database:
    """The database at ``database_url``, or ``club.db`` in ``state_dir``. ``serves``: this process is the server, so on
    SQLite it is the one that checkpoints; commands beside it leave that alone. Errors never show a row's values.
    Raises ConfigError for a URL it cannot use."""
    if not database_url:
        return _open_sqlite(state_dir / "club.db", serves)
    try:
        url = make_url(database_url)
        if url.get_backend_name() == "sqlite":
            return _open_sqlite(Path(url.database or state_dir / "club.db"), serves)
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"), pool_size=8, pool_pre_ping=True, hide_parameters=True
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError("the club's database URL must begin with sqlite:/// or postgresql://") from error
    if url.get_backend_name() != "postgresql":
        raise ConfigError(f"the club runs on sqlite:/// or postgresql://, not on {url.get_backend_name()}")
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Database(engine, reader, batch=1)


def _open_sqlite(path: Path, serves: bool) -> Database:
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    writer = _sqlite_engine(
        path, connections=1, begin="BEGIN IMMEDIATE", pragmas=_SERVER_PRAGMAS if serves else _WRITER_PRAGMAS
    )
    reader = _sqlite_engine(path, connections=4, begin="BEGIN", pragmas=_READER_PRAGMAS)
    return Database(writer, reader, batch=100)


_PRAGMAS = (f"busy_timeout = {BUSY_TIMEOUT_MS}", "foreign_keys = ON", "trusted_schema = OFF")
_SERVER_PRAGMAS = (*_PRAGMAS, "journal_mode = WAL", "synchronous = FULL", "cell_size_check = ON")
_WRITER_PRAGMAS = (*_SERVER_PRAGMAS, "wal_autocheckpoint = 0")
_READER_PRAGMAS = (*_PRAGMAS, "query_only = ON", "wal_autocheckpoint = 0")


def _sqlite_engine(path: Path, connections: int, begin: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"check_same_thread": False},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _record: Any) -> None:
        # The driver's own idea of transactions is switched off; `begin` below opens the kind that we mean.
        raw.isolation_level = None
        for pragma in pragmas:
            raw.execute(f"PRAGMA {pragma}").fetchall()

    @event.listens_for(engine, "begin")
    def open_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
