"""A till's life on a recorded disk: books through the real store and says on a side channel what it told.

``python -m tests.powerloss.workload FOLDER SEED ACTIONS SYNCHRONOUS [older]``: the ledger is in ``FOLDER/till``, the
side channel is ``FOLDER/told``, one JSON object a line (`tests.powerloss.images.Told` reads it). It ends as a killed
process does. With ``older`` it begins with a ledger of the first released schema.

Time and checkpoints are hurried so that much happens; SYNCHRONOUS other than ``full`` is what posd itself never does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import wait
from pathlib import Path
from random import Random
from typing import Any

from posd.errors import LedgerUnwritable
from posd.ledger import opening, writer
from posd.ledger.connection import CREATION, WRITING, Setting, apply, connect_writer
from posd.ledger.entries import Draft, Entry, Kind
from posd.ledger.members import DeltaPage
from posd.ledger.migrations import migrate, scripts
from posd.ledger.requests import RequestKey
from posd.ledger.store import Store
from posd.machine import SystemClock
from tests.fakes.sales import back, enrolment, held_writer, member, sale

RESERVE = 64 * 1024
LEDGER = "till/ledger.db"
TOLD = "told"
SYNCHRONOUS = {"off": 0, "normal": 1, "full": 2}
REFUSED_S = 20.0


def request_of(key: str) -> RequestKey:
    return RequestKey.of(key, b"the basket")


class Till:
    """Sells, and tells what it was told. Every fact is asked for before it is handed in."""

    def __init__(self, folder: Path, random: Random) -> None:
        self._path = folder / LEDGER
        self._random = random
        self._told = os.open(folder / TOLD, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._standing: list[Draft] = []
        self._pages = 0
        self.open()

    def open(self) -> None:
        self.store = Store.open(self._path, till_id="till-1", clock=SystemClock(), ballast_bytes=RESERVE)
        self.store.reader()  # as a till has one, all day
        reader = self.store.reader()
        self._pages = int(reader.cursor() or 0)
        voided = {entry.draft.ref for entry in reader.entries(limit=10_000)}
        drafts = [entry.draft for entry in reader.entries(limit=10_000)]
        self._standing = [d for d in drafts if d.kind is Kind.SALE and d.entry_id not in voided]
        self._say(opened=reader.till_id())

    def act(self) -> None:
        actions: list[tuple[int, Callable[[], None]]] = [
            (30, self.sell),
            (8, self.sell_on_request),
            (8, self.sell_many_at_once),
            (8, self.void),
            (6, self.enrol),
            (10, self.be_acknowledged),
            (4, self.fail_to_deliver),
            (10, self.hear_the_club),
            (2, self.read_anew),
            (4, self.use_the_reserve),
            (6, self.rest),
            (3, self.reopen),
        ]
        weights, doings = zip(*actions, strict=True)
        self._random.choices(doings, weights)[0]()

    def sell(self) -> None:
        self._book(sale(f"m{self._random.randrange(5)}", spent=self._random.choice((0, 5))))

    def sell_on_request(self) -> None:
        draft = sale()
        self._book(draft, request=f"register:{draft.entry_id.hex()}")

    def sell_many_at_once(self) -> None:
        drafts = [sale() for _ in range(self._random.randint(2, 8))]
        self._say(asked=[draft.entry_id.hex() for draft in drafts])
        with held_writer(self.store):
            booked = [self.store.append(draft) for draft in drafts]
        wait(booked, REFUSED_S)
        for future in booked:
            self._tell(future.result())

    def void(self) -> None:
        if self._standing:
            self._book(back(self._standing.pop(self._random.randrange(len(self._standing)))))

    def enrol(self) -> None:
        name = f"n{self._random.randrange(10**9)}"
        draft = enrolment(name)
        self._say(asked=[draft.entry_id.hex()])
        self._tell(self.store.append(draft, provisional=member(name, keys=(name,))).result(), member=name)

    def be_acknowledged(self) -> None:
        entries = self.store.reader().pending(limit=self._random.randint(1, 20))
        if entries:
            self._say(acked=self.store.acknowledge(entries[-1].seq, entries[-1].hash).result())

    def fail_to_deliver(self) -> None:
        head, now = self.store.reader().head(), SystemClock().now()
        self.store.record_attempt(head.seq, reason="timeout", next_at=now).result()

    def hear_the_club(self) -> None:
        self._pages += 1
        members = tuple(member(f"m{n}", points=self._pages, version=self._pages) for n in range(5))
        page = DeltaPage(str(self._pages), self.store.reader().acked_seq(), members)
        self._say(page_asked=self._pages)
        self.store.apply_deltas(page).result()
        self._say(page=self._pages)

    def read_anew(self) -> None:
        self._say(page_asked=0)
        self.store.clear_cursor().result()
        self._pages = 0
        self._say(page=0)

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
        while True:
            try:
                entry = self.store.append(draft, request=key).result(REFUSED_S)
            except LedgerUnwritable:
                continue
            break
        self._tell(entry, **({} if request is None else {"request": request}))
        if draft.kind is Kind.SALE:
            self._standing.append(draft)

    def _tell(self, entry: Entry, **more: str) -> None:
        self._say(told=entry.entry_id.hex(), seq=entry.seq, **more)

    def _say(self, **fact: Any) -> None:
        os.write(self._told, json.dumps(fact).encode() + b"\n")


def weaken(level: str) -> None:
    """The same till with another pragma. Only here: posd has no such switch."""
    number = SYNCHRONOUS[level]

    def weakened(settings: tuple[Setting, ...]) -> tuple[Setting, ...]:
        return tuple(
            (name, level, number) if name == "synchronous" else (name, ask, is_) for name, ask, is_ in settings
        )

    vars(opening).update(CREATION=weakened(CREATION), WRITING=weakened(WRITING))


def begin_with_first_schema(path: Path) -> None:
    """An empty ledger as the first release made it."""
    path.parent.mkdir(exist_ok=True)
    db = connect_writer(path)
    apply(db, CREATION)
    migrate(db, scripts()[:1])
    db.close()


if __name__ == "__main__":
    folder, seed, actions, synchronous, *older = sys.argv[1:]
    writer.IDLE_S = 0.003
    writer.CHECKPOINT_JOBS = 12
    if synchronous != "full":
        weaken(synchronous)
    if older:
        begin_with_first_schema(Path(folder) / LEDGER)
    till = Till(Path(folder), Random(int(seed)))
    for _ in range(int(actions)):
        till.act()
    os._exit(0)
