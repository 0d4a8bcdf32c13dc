"""A copy of a ledger that is in use: one state of it, checked, durable, and nobody who sells is kept waiting.

A reader's snapshot is copied page by page (sqlite.org/backup.html): in WAL mode that holds up no writer. What could is
the disk, so the copy goes in small steps, each on disk before the next.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from posd.errors import LedgerBroken
from posd.ledger.connection import connect_reader, snapshot
from posd.ledger.new_file import new_file
from posd.ledger.trouble import as_ledger_error
from posd.ledger.verify import Report, verify_ledger

STEP_PAGES = 64
BREATHER_S = 0.002
"""Between two steps; the disk is free for a sale."""


def back_up(path: Path, target: Path) -> Report:
    """Copy the ledger at ``path`` to the new file ``target`` and check the copy.

    Raises `LedgerBroken` (names the first broken entry; then there is no copy), `LedgerUnwritable`, or `LedgerError`
    when ``target`` exists.
    """
    with new_file(target) as draft:
        try:
            _copy(path, draft)
        except sqlite3.Error as error:
            raise as_ledger_error(path, error) from error
        report = verify_ledger(draft)
        if report.broken is not None:
            raise LedgerBroken(f"{path} is broken, so no copy was kept: {report.broken}") from report.broken
    return report


def _copy(path: Path, draft: Path) -> None:
    source = connect_reader(path)
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)

    def breathe(_status: int, _remaining: int, _total: int) -> None:
        os.fdatasync(descriptor)
        time.sleep(BREATHER_S)

    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as copy, snapshot(source):
            copy.execute("pragma journal_mode = off")  # it has no name yet: what fails is thrown away
            copy.execute("pragma synchronous = off")
            source.execute("select count(*) from sqlite_schema").fetchone()  # the snapshot begins
            source.conn.backup(copy, pages=STEP_PAGES, progress=breathe)
            copy.execute("pragma journal_mode = delete")  # one file, without a log beside it
    finally:
        os.close(descriptor)
        source.close()
