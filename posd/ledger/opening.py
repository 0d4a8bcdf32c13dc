"""Opening the ledger for writing: bring it up to date, see whose it is, check what came since the last time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from posd.errors import LedgerBroken, LedgerError
from posd.ledger.books import Books
from posd.ledger.connection import CREATION, WRITING, apply, connect_writer, transaction
from posd.ledger.disk import sync_directory
from posd.ledger.entries import Head
from posd.ledger.migrations import migrate, scripts, version_of
from posd.ledger.trouble import as_ledger_error
from posd.ledger.verify import verify_entries

if TYPE_CHECKING:
    from sqlite_utils import Database


class NewerSchema(LedgerError):
    """A later posd wrote this ledger; this one only reads it."""


def open_books(path: Path, till_id: str | None, epoch: int | None, mint_id: Callable[[], str]) -> Books:
    """A connection for the calling thread, with everything checked.

    Raises `LedgerBroken` (names the first broken entry), `LedgerUnwritable`, `NewerSchema`, or `LedgerError` when the
    ledger is another till's.
    """
    try:
        with ExitStack() as unless_well:
            db = connect_writer(path)
            unless_well.callback(db.close)
            _bring_up_to_date(db, path)
            books = _named(db, till_id, epoch, mint_id)
            _check_new_entries(books)
            unless_well.pop_all()
    except sqlite3.Error as error:
        raise as_ledger_error(path, error) from error
    return books


def _bring_up_to_date(db: Database, path: Path) -> None:
    steps = scripts()
    version = version_of(db)
    if version > len(steps):
        raise NewerSchema(
            f"{path} was written by a newer posd (schema {version}, this one knows {len(steps)}): "
            "it is open for reading only; update posd"
        )
    if version == 0:
        apply(db, CREATION)
    migrate(db, steps)
    apply(db, WRITING)
    sync_directory(path.parent)  # also after an error: an old log must not come back under its name


def _named(db: Database, till_id: str | None, epoch: int | None, mint_id: Callable[[], str]) -> Books:
    """The books under the till's name. An empty journal still takes another name: no hash holds the old one."""
    with transaction(db):
        db.execute(
            "insert or ignore into till_state (one, till_id, epoch) values (1, ?, ?)",
            (till_id or mint_id(), epoch or 0),
        )
        stored, stored_epoch, entries = db.execute(
            "select till_id, epoch, exists (select 1 from entry) from till_state"
        ).fetchone()
        wanted = (stored if till_id is None else till_id, stored_epoch if epoch is None else epoch)
        if entries and wanted[0] != stored:
            raise LedgerError(
                f"this ledger belongs to till {stored}, not to {wanted[0]}: enrol this machine as {stored}, "
                "or move the ledger away and begin a new one"
            )
        if wanted[1] < stored_epoch:
            raise LedgerError(
                f"this ledger is in epoch {stored_epoch} already, {wanted[1]} is over: enrol the till anew"
            )
        if wanted != (stored, stored_epoch):
            db.execute("update till_state set till_id = ?, epoch = ?", wanted)
    return Books(db, *wanted)


def _check_new_entries(books: Books) -> None:
    row = books.db.execute(
        "select coalesce(entry.epoch, 0), verified_seq, verified_hash from till_state "
        "left join entry on entry.seq = verified_seq"
    ).fetchone()
    report = verify_entries(books.db, books.till_id, Head(*row))
    if report.broken is not None:
        raise LedgerBroken(
            f"the ledger is broken: {report.broken}. Keep the file, run `posd ledger verify`, restore from the club"
        ) from report.broken
    books.mark_verified(report.head)
