"""The sale transaction: entry, seven legs and outbox row, durable. ``python -m bench.bench_ledger [DIRECTORY]``

Baseline: the standard library's `sqlite3` in one thread, the same schema and pragmas, the same entry made and hashed,
the same nine rows in one transaction, the log moved into the file as often as the store does it. A second line has the
rows ready beforehand. The directory must be on a disk; its fsync dominates.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter

from bench.rounds import Case, show, take_turns
from posd.ledger.accounts import ISSUED, REDEEMED, REWARDS, TENDER, TURNOVER, member_account
from posd.ledger.connection import CREATION, EVERY_CONNECTION, WRITING
from posd.ledger.entries import GENESIS, Draft, Entry, Head, Kind, Leg, chained
from posd.ledger.migrations import scripts
from posd.ledger.store import RequestKey, Store
from posd.ledger.writer import CHECKPOINT_JOBS
from posd.machine import SystemClock, Uuid7Source

BASE = "raw sqlite3"
SALES = 32
"""Per case and round. Rounds are short and many, so that a noisy neighbour hits all cases alike."""
ROUNDS = 80
WARM_ROUNDS = 8
"""Not counted: a log that was written through once is overwritten in place, as in a shop's day."""
TILL = "bench"
CLOCK = SystemClock()
NEW_ID = Uuid7Source()


def sale(number: int) -> Draft:
    """A sale of four lines that spends credit and earns points."""
    member_id = f"{number % 500:032x}"
    member = member_account(member_id)
    legs = (
        Leg(TURNOVER, "IRR", -12_880_000),
        Leg(TENDER, "IRR", 11_020_000),
        Leg(REWARDS, "IRR", 1_860_000),
        Leg(member, "CREDIT", -1_860_000),
        Leg(REDEEMED, "CREDIT", 1_860_000),
        Leg(member, "PTS", 101),
        Leg(ISSUED, "PTS", -101),
    )
    lines = [{"n": n, "amount_minor": 3_220_000, "name": "برنج هاشمی", "sku": f"62600000{n}"} for n in range(1, 5)]
    body = {"currency": "IRR", "total_minor": 12_880_000, "payable_minor": 11_020_000, "lines": lines}
    return Draft(NEW_ID(), Kind.SALE, CLOCK.now(), member_id, legs, body)


@contextmanager
def raw(directory: Path, *, by_hand: bool = True, ready: bool = False) -> Iterator[Case]:
    """``by_hand``: legs and outbox row are inserted as rows; the trigger that makes them is dropped. ``ready``: the
    entries are encoded and hashed before the clock starts."""
    with _raw_ledger(directory, by_hand=by_hand) as connection:
        head = Head(0, 0, GENESIS)

        def entry_of(draft: Draft) -> Entry:
            nonlocal head
            entry = chained(draft, head, TILL)
            head = Head(0, entry.seq, entry.hash)
            return entry

        def run() -> float:
            drafts = [sale(number) for number in range(SALES)]
            made = map(entry_of, drafts)
            entries = list(made) if ready else made
            start = perf_counter()
            for draft, entry in zip(drafts, entries, strict=True):
                _book(connection, draft, entry, by_hand=by_hand)
            return SALES / (perf_counter() - start)

        yield run


@contextmanager
def through_the_store(directory: Path, callers: int = 1, *, with_request: bool = False) -> Iterator[Case]:
    """Each caller waits until its sale is durable before it makes the next."""
    with (
        tempfile.TemporaryDirectory(dir=directory) as folder,
        ThreadPoolExecutor(callers) as pool,
        ExitStack() as at_end,
    ):
        store = Store.open(Path(folder) / "ledger.db", clock=CLOCK, till_id=TILL, ballast_bytes=0)
        at_end.callback(store.close)

        def call(drafts: list[Draft]) -> None:
            for draft in drafts:
                request = RequestKey.of(draft.entry_id.hex(), b"") if with_request else None
                store.append(draft, request=request).result()

        def run() -> float:
            drafts = [sale(number) for number in range(SALES)]
            start = perf_counter()
            if callers == 1:
                call(drafts)
            else:
                list(pool.map(call, [drafts[first::callers] for first in range(callers)]))
            return SALES / (perf_counter() - start)

        yield run


def _book(connection: sqlite3.Connection, draft: Draft, entry: Entry, *, by_hand: bool) -> None:
    place = (entry.seq, entry.epoch, entry.entry_id)
    said = (draft.kind.value, draft.member, draft.ref)
    connection.execute("begin immediate")
    connection.execute(
        "insert into entry (seq, epoch, id, kind, member, ref, payload, prev, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*place, *said, entry.payload, entry.prev, entry.hash),
    )
    if by_hand:
        legs = [(entry.seq, n, leg.account, leg.unit, leg.amount) for n, leg in enumerate(draft.legs)]
        connection.executemany("insert into leg (seq, n, account, unit, amount) values (?, ?, ?, ?, ?)", legs)
        connection.execute("insert into outbox (seq) values (?)", (entry.seq,))
    connection.execute("commit")
    if entry.seq % CHECKPOINT_JOBS == 0:
        connection.execute("pragma wal_checkpoint(passive)")


@contextmanager
def _raw_ledger(directory: Path, *, by_hand: bool) -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        connection = sqlite3.connect(Path(folder) / "raw.db", isolation_level=None)
        for name, wanted, _reads_as in EVERY_CONNECTION + CREATION + WRITING:
            connection.execute(f"pragma {name} = {wanted}")
        for script in scripts():
            connection.executescript(script)
        if by_hand:
            connection.execute("drop trigger entry_booked")
        connection.execute("insert into till_state (one, till_id, epoch) values (1, ?, 0)", (TILL,))
        yield connection
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    where = arguments.directory
    contexts = {
        BASE: raw(where),
        "raw sqlite3, rows ready beforehand": raw(where, ready=True),
        "raw sqlite3, rows made by the trigger": raw(where, by_hand=False),
        "Store.append, 1 caller": through_the_store(where),
        "Store.append, 1 caller, with a request key": through_the_store(where, with_request=True),
        "Store.append, 4 callers": through_the_store(where, 4),
        "Store.append, 16 callers": through_the_store(where, 16),
    }
    with ExitStack() as stack:
        cases = {name: stack.enter_context(context) for name, context in contexts.items()}
        take_turns(cases, WARM_ROUNDS)
        rates = take_turns(cases, arguments.rounds)
    show("sale transaction, durable (target: 1 caller ≥ 0.80)", rates, BASE)


if __name__ == "__main__":
    main()
