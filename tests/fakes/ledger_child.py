"""A process that owns a ledger and can be killed, starved of disk, or met at its lock.

``python -m tests.fakes.ledger_child ROLE LEDGER``; each role prints what its test asks for.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import IO

from posd.errors import LedgerUnwritable
from posd.ledger.entries import Draft
from posd.ledger.store import Store
from posd.machine import SystemClock
from tests.fakes.sales import sale

ROOT = Path(__file__).parents[2]
FLOOD = 20_000


def child_command(role: str, path: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.fakes.ledger_child", role, str(path), *arguments]


def child(role: str, path: Path, stdin: int | IO[str] | None = None) -> subprocess.Popen[str]:
    """Started from the project's root, with a text pipe from its output."""
    return subprocess.Popen(child_command(role, path), stdin=stdin, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def hold(store: Store) -> None:
    """Keep the ledger open until the input ends."""
    say("open")
    sys.stdin.read()
    store.close()


def honest(store: Store) -> None:
    """Four callers tell each sale's id when it is durable, for ever."""

    def call() -> None:
        while True:
            say(store.append(sale()).result().entry_id.hex())

    callers = [Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


def hasty(store: Store) -> None:
    """Tells each sale's id when it was handed in: what must never be done."""
    for _ in range(FLOOD):
        draft = sale()
        store.append(draft)
        say(draft.entry_id.hex())


def starved(store: Store) -> None:
    """The disk takes nothing, then everything again."""
    store.append(sale()).result()
    reader = store.reader()
    draft = sale()
    limit_files(1)
    say(f"raw: {raw_commit(store.path.with_name('raw.db'))}")
    say(f"store: {outcome(store, draft)}")
    say(f"fault: {store.fault}")
    say(f"reads: {reader.head().seq}")
    limit_files(resource.RLIM_INFINITY)
    say(f"again: {outcome(store, draft)}")
    say(f"fault: {store.fault}")
    store.close()


def left_alone(store: Store) -> None:
    """The disk takes nothing for a while, and nobody sells meanwhile."""
    limit_files(1)
    say(outcome(store, sale()))
    say(f"fault: {store.fault is not None}")
    limit_files(resource.RLIM_INFINITY)
    while store.fault is not None:
        store.wait_for_entries(10**9, timeout_s=0.05)
    say("well")
    store.close()


def one_commit_fails(store: Store) -> None:
    """The log cannot grow, but a new one may begin: the second try books what the first could not."""
    store.append(sale()).result()
    log = store.path.with_name(store.path.name + "-wal")
    store.reader().close()
    limit_files(log.stat().st_size)
    say(f"store: {outcome(store, sale())}")
    limit_files(resource.RLIM_INFINITY)
    say(f"fault: {store.fault}")
    store.close()


def fill(store: Store) -> None:
    """Sell until the disk is full, then make room and sell again."""
    filler = store.path.with_name("filler")
    filler.write_bytes(bytes(400_000))
    told, warned = 0, 0
    while (said := outcome(store, sale())).startswith("booked"):
        told += 1
        warned += any("reserve" in warning for warning in store.warnings)
    say(f"told: {told}")
    say(f"warned: {warned}")
    say(f"full: {said}")
    filler.unlink()
    say(f"again: {outcome(store, sale())}")
    say(f"head: {store.reader().head().seq}")
    store.close()


def outcome(store: Store, draft: Draft) -> str:
    try:
        return f"booked {store.append(draft).result(timeout=30).seq}"
    except LedgerUnwritable as error:
        return f"refused: {error}"


def raw_commit(path: Path) -> str:
    """The same disk without a store in between: the positive control."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("create table t (n)")
            connection.commit()
    except sqlite3.Error as error:
        return error.sqlite_errorname
    return "written"


def limit_files(size: int) -> None:
    """No file of this process may grow beyond ``size`` bytes (RLIMIT_FSIZE; Python ignores SIGXFSZ)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


ROLES: dict[str, Callable[[Store], None]] = {
    role.__name__: role for role in (hold, honest, hasty, starved, left_alone, one_commit_fails, fill)
}


if __name__ == "__main__":
    role, path, *rest = sys.argv[1:]
    ROLES[role](Store.open(Path(path), clock=SystemClock(), ballast_bytes=int(rest[0]) if rest else 0))
