"""SQLite's errors by whom they concern, and what to do next."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from posd.errors import LedgerBroken, LedgerError, LedgerUnwritable

OF_THE_DRAFT = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
    }
)
"""Primary result codes that speak of a statement and its values; all others of the file, the disk or the machine."""
UNREADABLE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_IOERR: "the disk refused to write: look at its health (dmesg, smartctl) and its free space",
    sqlite3.SQLITE_READONLY: "the ledger is read-only: chown the state directory to posd's user, or remount the disk",
    sqlite3.SQLITE_CANTOPEN: "the ledger cannot be opened: check the owner of the state directory",
    sqlite3.SQLITE_BUSY: "another program holds the ledger: close it (fuser -v ledger.db)",
}


def code_of(error: sqlite3.Error) -> int:
    """Primary result code (sqlite.org/rescode.html); errors of the Python module itself count as SQLITE_ERROR."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def speaks_of_the_draft(error: sqlite3.Error) -> bool:
    return code_of(error) in OF_THE_DRAFT


def is_full(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and code_of(error) == sqlite3.SQLITE_FULL


def advice(error: sqlite3.Error | LedgerError) -> str:
    """One line for people: what is wrong and what to do."""
    if isinstance(error, LedgerError):
        return str(error)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return f"{ADVICE.get(code_of(error), 'the ledger cannot be written: run `posd ledger verify`')} ({name}: {error})"


def as_ledger_error(path: Path, error: sqlite3.Error) -> LedgerError:
    """The error as one of ours, with the path."""
    if code_of(error) in UNREADABLE:
        return LedgerBroken(
            f"{path} cannot be read as a ledger ({error}). Copy the file and its -wal aside, then start with an "
            "empty state directory: what the club acknowledged is safe there"
        )
    return LedgerUnwritable(f"{path}: {advice(error)}")
