"""From any older schema to this release's. `PRAGMA user_version` counts the files of `schema/` that were applied."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from posd.errors import LedgerBroken
from posd.ledger.connection import APPLICATION_ID, transaction

if TYPE_CHECKING:
    from sqlite_utils import Database


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


def migrate(db: Database, steps: Sequence[str]) -> None:
    """Apply what is missing, each step whole or not at all."""
    done = version_of(db)
    for number, script in enumerate(steps[done:], start=done + 1):
        with transaction(db):
            db.executescript(script)
            db.execute(f"pragma application_id = {APPLICATION_ID}")
            db.execute(f"pragma user_version = {number}")
