"""A till's life on a recorded disk: books through the real store and says on a side channel what it told.

``python -m tests.powerloss.workload FOLDER SEED ACTIONS [TRAIT …]``: the ledger is in ``FOLDER/till``, the side channel
is ``FOLDER/told``, one JSON object a line (`tests.powerloss.images.Told` reads it). It ends as a killed process does.

- ``older``: it begins with a ledger of the first release.
- ``failing``: now and then the disk fails to sync, once or a few times in a row. The till hands everything in again
  until it is booked, or is killed.
- ``normal``, ``off``: another ``synchronous`` than posd's; ``believing``: takes a log that reads well for durable.
  These are the positive controls; posd has no such switches.

Time and checkpoints are hurried, so that much happens.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from posd.errors import LedgerUnwritable
from posd.ledger import opening, writer
from posd.ledger.accounts import lease_of
from posd.ledger.closing import NothingToClose, close_period
from posd.ledger.connection import CREATION, WRITING, Setting
from posd.ledger.entries import Draft, Entry, Kind
from posd.ledger.leases import Held, Lease, drawn, lease_draft
from posd.ledger.members import DeltaPage
from posd.ledger.migrations import MigrationFailed
from posd.ledger.requests import RequestKey
from posd.ledger.store import Store
from posd.machine import SystemClock, write_private
from tests.fakes.sales import back, enrolment, held_writer, member, new_id, sale
from tests.powerloss.recording import ROOT, set_switches

T = TypeVar("T")

FIRST_RELEASE = ROOT / "tests/fixtures/ledgers/schema-0001.db"
RESERVE = 64 * 1024
LEDGER = "till/ledger.db"
TOLD = "told"
SYNCHRONOUS = {"off": 0, "normal": 1}
SWITCHES = "RECORDER_SWITCHES"


def request_of(key: str) -> RequestKey:
    return RequestKey.of(key, b"the basket")


def spends(draft: Draft) -> bool:
    """Out of a lease, which a void does not fill again."""
    return any(lease_of(leg.account) is not None for leg in draft.legs)


class SideChannel:
    """Where the till says what it was told, outside the ledger's folder."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(self, **fact: Any) -> None:
        os.write(self._descriptor, json.dumps(fact).encode() + b"\n")


class Till:
    """Sells, and tells what it was told. Every fact is asked for before it is handed in."""

    def __init__(self, path: Path, channel: SideChannel, random: Random, *, failing: bool) -> None:
        self._path = path
        self._say = channel.say
        self._random = random
        self._failing = failing
        self._standing: list[Draft] = []
        self._pages = 0
        self.open()

    def open(self) -> None:
        self._perhaps_fail(0.5)
        while True:
            try:
                self.store = Store.open(self._path, till_id="till-1", clock=SystemClock(), ballast_bytes=RESERVE)
                break
            except (LedgerUnwritable, MigrationFailed):  # a till is started again, too
                pass
        reader = self.store.reader()
        voided = {entry.draft.ref for entry in reader.entries(limit=10_000)}
        drafts = [entry.draft for entry in reader.entries(limit=10_000)]
        self._standing = [d for d in drafts if d.kind is Kind.SALE and d.entry_id not in voided and not spends(d)]
        self._say(opened=reader.till_id())

    def act(self) -> None:
        actions: list[tuple[int, Callable[[], None]]] = [
            (30, self.sell),
            (8, self.sell_on_request),
            (8, self.sell_many_at_once),
            (8, self.void),
            (6, self.enrol),
            (4, self.spend_from_a_lease),
            (3, self.close_the_day),
            (10, self.be_acknowledged),
            (4, self.fail_to_deliver),
            (10, self.hear_the_club),
            (2, self.read_anew),
            (4, self.use_the_reserve),
            (6, self.rest),
            (3, self.reopen),
        ]
        self._perhaps_fail(0.2)
        weights, doings = zip(*actions, strict=True)
        self._random.choices(doings, weights)[0]()

    def _perhaps_fail(self, chance: float) -> None:
        if self._failing and self._random.random() < chance:
            nth, times = self._random.randint(1, 6), self._random.choice((1, 1, 2, 5))
            set_switches(Path(os.environ[SWITCHES]), sync_to_fail=nth, syncs_failing=times)

    def sell(self) -> None:
        self._book(sale(f"m{self._random.randrange(5)}", spent=self._random.choice((0, 5))))

    def sell_on_request(self) -> None:
        draft = sale()
        self._book(draft, request=f"register:{draft.entry_id.hex()}")

    def sell_many_at_once(self) -> None:
        drafts = [sale() for _ in range(self._random.randint(2, 8))]
        self._say(asked=[draft.entry_id.hex() for draft in drafts])
        with nullcontext() if self._failing else held_writer(self.store):  # a failing writer cannot be held
            booked = [self.store.append(draft) for draft in drafts]
        for draft, future in zip(drafts, booked, strict=True):
            if future.exception() is None:
                self._tell(future.result())
            else:
                self._tell(self._insist(partial(self._appended, draft)))

    def void(self) -> None:
        if self._standing:
            self._book(back(self._standing.pop(self._random.randrange(len(self._standing)))))

    def enrol(self) -> None:
        name = f"n{self._random.randrange(10**9)}"
        draft = enrolment(name)
        self._say(asked=[draft.entry_id.hex()])
        row = member(name, keys=(name,))
        self._tell(self._insist(lambda: self.store.append(draft, provisional=row).result()), member=name)

    def spend_from_a_lease(self) -> None:
        lease = Lease(new_id().hex(), "m1", {"PTS": 20})
        self._book(lease_draft(lease, SystemClock().now(), self.store.incarnation))
        plain = sale("m1", earned=0, spent=5)
        legs = (*plain.legs, *drawn([Held(lease.lease_id, lease.amounts)], {"PTS": 5}))
        self._book(replace(plain, legs=legs))

    def close_the_day(self) -> None:
        entry_id, now = new_id(), SystemClock().now()
        self._say(asked=[entry_id.hex()])
        with suppress(NothingToClose):
            self._tell(self._insist(lambda: close_period(self.store, entry_id, now)))

    def be_acknowledged(self) -> None:
        entries = self.store.reader().pending(limit=self._random.randint(1, 20))
        if entries:
            last = entries[-1]
            self._say(acked=self._insist(lambda: self.store.acknowledge(last.seq, last.hash).result()))

    def fail_to_deliver(self) -> None:
        head, now = self.store.reader().head(), SystemClock().now()
        self._insist(lambda: self.store.record_attempt(head.seq, reason="timeout", next_at=now).result())

    def hear_the_club(self) -> None:
        self._pages += 1
        members = tuple(member(f"m{n}", points=self._pages, version=self._pages) for n in range(5))
        page = DeltaPage(f"page {self._pages}", self.store.reader().acked_seq(), members)
        self._say(cursor_asked=page.cursor)
        self._insist(lambda: self.store.apply_deltas(page).result())
        self._say(cursor=page.cursor)

    def read_anew(self) -> None:
        self._say(cursor_asked=None)
        self._insist(lambda: self.store.clear_cursor().result())
        self._say(cursor=None)

    def use_the_reserve(self) -> None:
        """As when the disk is full; the writer takes it back at rest."""
        self.store._ballast.release()
        self._book(sale())

    def rest(self) -> None:
        time.sleep(2 * writer.IDLE_S)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def _book(self, draft: Draft, request: str | None = None) -> None:
        self._say(asked=[draft.entry_id.hex()])
        key = None if request is None else request_of(request)
        entry = self._insist(lambda: self.store.append(draft, request=key).result())
        self._tell(entry, **({} if request is None else {"request": request}))
        if draft.kind is Kind.SALE and not spends(draft):
            self._standing.append(draft)

    def _appended(self, draft: Draft) -> Entry:
        return self.store.append(draft).result()

    def _insist(self, hand_in: Callable[[], T]) -> T:
        """Hand the same thing in until the ledger has it."""
        while True:
            try:
                return hand_in()
            except LedgerUnwritable:
                if self._random.random() < 0.3:
                    os._exit(0)

    def _tell(self, entry: Entry, **more: str) -> None:
        self._say(told=entry.entry_id.hex(), seq=entry.seq, **more)


def weaken(traits: list[str]) -> None:
    """The same till without what it owes its promises to."""
    for level in SYNCHRONOUS.keys() & traits:

        def weakened(settings: tuple[Setting, ...], level: str = level) -> tuple[Setting, ...]:
            other = ("synchronous", level, SYNCHRONOUS[level])
            return tuple(other if setting[0] == "synchronous" else setting for setting in settings)

        vars(opening).update(CREATION=weakened(CREATION), WRITING=weakened(WRITING))
    if "believing" in traits:
        vars(opening).update(write_anew=lambda path: None)


def begin_with_first_release(path: Path, channel: SideChannel) -> None:
    """A ledger as the first release left it, with some entries."""
    with closing(sqlite3.connect(f"file:{FIRST_RELEASE}?immutable=1", uri=True)) as connection:
        for seq, entry_id in connection.execute("select seq, id from entry").fetchall():
            channel.say(asked=[entry_id.hex()])
            there = (entry_id, seq)
    path.parent.mkdir()
    write_private(path, FIRST_RELEASE.read_bytes())
    channel.say(told=there[0].hex(), seq=there[1])


if __name__ == "__main__":
    folder, seed, actions, *traits = sys.argv[1:]
    writer.IDLE_S = 0.003
    writer.CHECKPOINT_JOBS = 12
    weaken(traits)
    ledger, channel = Path(folder) / LEDGER, SideChannel(Path(folder) / TOLD)
    if "older" in traits and not ledger.exists():
        begin_with_first_release(ledger, channel)
    till = Till(ledger, channel, Random(int(seed)), failing="failing" in traits)
    for _ in range(int(actions)):
        till.act()
    os._exit(0)
