"""From any older schema to this release's. `PRAGMA user_version` counts the files of `schema/` that were applied."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from posd.errors import LedgerBroken, LedgerError
from posd.ledger.backup import back_up
from posd.ledger.connection import APPLICATION_ID, transaction
from posd.ledger.verify import verify_whole

if TYPE_CHECKING:
    from sqlite_utils import Database


class MigrationFailed(LedgerError):
    """The ledger has an older schema and keeps it; the message says what to do."""


def scripts() -> tuple[str, ...]:
    """The schema files in order: additions only, since the rows of `entry` are hashed and never rewritten."""
    folder = files("posd.ledger") / "schema"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return tuple((folder / name).read_text("utf-8") for name in names)


def version_of(db: Database) -> int:
    """How many schema files the ledger has seen. Raises `LedgerBroken` for a database that is not a ledger."""
    application: int = db.execute("pragma application_id").fetchone()[0]
    version: int = db.execute("pragma user_version").fetchone()[0]
    empty = db.execute("select count(*) from sqlite_schema").fetchone()[0] == 0
    if application != APPLICATION_ID and not empty:
        raise LedgerBroken("the file is a database, but not a posd ledger; move it away or choose another --state-dir")
    return version


def bring_up(db: Database, path: Path, steps: Sequence[str]) -> None:
    """Bring the ledger at ``path`` to the newest schema. One that has entries is copied and checked before, and checked
    after; it changes only when all of that went well. Raises `MigrationFailed`."""
    version = version_of(db)
    if version == 0 or not _has_entries(db):
        migrate(db, steps)
    elif version < len(steps):
        kept = path.with_name(f"{path.name}.schema{version}")
        try:
            kept.unlink(missing_ok=True)
            back_up(path, kept)
            migrate(db, steps, lambda: _check(db))
        except (sqlite3.Error, OSError, LedgerError) as error:
            raise MigrationFailed(
                f"{path} could not be brought from schema {version} to {len(steps)} and is as it was: {error}. "
                "Mend that and start again; until then the release of posd before this one sells with it"
            ) from error


def _has_entries(db: Database) -> bool:
    return bool(db.execute("select exists (select 1 from entry)").fetchone()[0])


def migrate(db: Database, steps: Sequence[str], check: Callable[[], None] = lambda: None) -> None:
    """Apply what is missing, all of it or nothing; ``check`` looks at the result before it is kept."""
    with transaction(db):
        done = version_of(db)
        for number, script in enumerate(steps[done:], start=done + 1):
            db.executescript(script)
            db.execute(f"pragma application_id = {APPLICATION_ID}")
            db.execute(f"pragma user_version = {number}")
        check()


def _check(db: Database) -> None:
    (till_id,) = db.execute("select till_id from till_state").fetchone()
    report = verify_whole(db, till_id)
    if report.broken is not None:
        raise LedgerBroken(f"afterwards it would be broken: {report.broken}") from report.broken
