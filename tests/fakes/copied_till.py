"""A machine that can be backed up, restored and cloned: a real ledger, the real synchronisation, a running club."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from posd.ledger.accounts import ISSUED, member_account
from posd.ledger.entries import Draft, Entry, Kind, Leg
from posd.ledger.leases import rights
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source
from posd.sync.client import ClubClient
from posd.sync.enrolment import enrol_till
from posd.sync.grant import FILE, Linked, load_grant
from posd.sync.key_file import FILE as KEY_FILE
from posd.sync.link import LinkState
from posd.sync.local_port import LocalPort
from posd.sync.sealing import seal
from posd.sync.worker import SyncWorker
from tests.fakes.running_club import RunningClub
from tests.fakes.waiting import eventually

CLOCK = SystemClock()
NEW_ID = Uuid7Source()
LEDGER = "ledger.db"
PATIENCE_S = 20


class Machine:
    """``directory`` is its disk. It runs from `start` to `stop`; what it books is remembered in ``booked`` for ever."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.booked: list[Entry] = []
        self.store: Store | None = None

    @classmethod
    def enrolled(cls, directory: Path, club: RunningClub) -> Self:
        directory.mkdir()
        enrol_till(club.url, club.invite(), "Till 1", directory)
        return cls(directory)

    def clone(self, directory: Path) -> Machine:
        """Another machine with the same card in it."""
        shutil.copytree(self.directory, directory)
        return Machine(directory)

    def twin(self, directory: Path) -> Machine:
        """Another machine that was set up with the same identity, and an empty ledger."""
        directory.mkdir()
        for name in (FILE, KEY_FILE):
            shutil.copy(self.directory / name, directory / name)
        return Machine(directory)

    def backup(self, path: Path) -> None:
        shutil.copy(self.directory / LEDGER, path)

    def restore(self, path: Path) -> None:
        shutil.copy(path, self.directory / LEDGER)

    # ---- running ----

    @property
    def linked(self) -> Linked:
        linked = load_grant(self.directory)
        assert linked is not None
        return linked

    @contextmanager
    def offline(self) -> Iterator[Self]:
        """Open for business without a network."""
        grant = self.linked.grant
        self.store = Store.open(
            self.directory / LEDGER, till_id=grant.till_id, clock=CLOCK, epoch=grant.epoch, ballast_bytes=0
        )
        try:
            yield self
        finally:
            self.booked.extend(self.store.reader().entries(0, 10_000))
            self.store.close()

    @contextmanager
    def online(self) -> Iterator[Self]:
        with self.offline():
            self.port = LocalPort(self.ledger)
            worker = SyncWorker(self.port, lambda: ClubClient(self.linked.address), CLOCK, jitter=lambda: 0.0, poll_s=1)
            worker.start()
            try:
                yield self
            finally:
                late = worker.stop()
                self.port.cancel()
            assert late == []

    @property
    def ledger(self) -> Store:
        assert self.store is not None
        return self.store

    def delivered(self) -> None:
        """Wait until the club has everything, and says that all is well."""
        eventually(lambda: self.port.queue() == 0 and self.port.link.state is LinkState.ONLINE, PATIENCE_S)

    # ---- business ----

    def enrol_member(self) -> str:
        member_id = NEW_ID().hex()
        person = json.dumps({"phone": "+989120001234", "name": "زهرا", "consent": True})
        sealed = seal(self.linked.grant.seal_key, person, os.urandom(32))
        body = {"member_id": member_id, "keys": [member_id], "sealed": sealed, "consent": True}
        self._book(Draft(NEW_ID(), Kind.ENROL, CLOCK.now(), member_id, (), body))
        return member_id

    def sell(self, member_id: str, *points: int) -> None:
        """Sales that earn so much each."""
        for amount in points:
            self._book(sale(member_id, amount))

    def ask_lease(self, member_id: str) -> None:
        """As when the member is read: the club sets her balance apart for this till."""
        self.port.wish_lease(member_id)
        eventually(lambda: self.held(member_id), PATIENCE_S)

    def held(self, member_id: str) -> int:
        """What she may spend here, with and without a network."""
        standing = self.ledger.reader().standing(member_id)
        return 0 if standing is None else rights(standing.leases).get("PTS", 0)

    def shown(self, member_id: str) -> int:
        """The balance that the cashier sees."""
        standing = self.ledger.reader().standing(member_id)
        return 0 if standing is None else standing.balances.get("PTS", 0)

    def _book(self, draft: Draft) -> None:
        self.booked.append(self.ledger.append(draft).result(10))


def sale(member_id: str, points: int) -> Draft:
    line = {"n": 1, "name": "", "sku": "", "category": "", "quantity_milli": 1000, "amount_minor": 1000}
    earning = {"program": "p", "version": 1, "rule": "r", "unit": "PTS", "earned": points, "shares": [[1, points]]}
    body = {
        "currency": "IRR",
        "total_minor": 1000,
        "payable_minor": 1000,
        "lines": [line],
        "redemptions": [],
        "earnings": [earning],
        "register_ref": None,
        "cashier": None,
        "medium": None,
        "offline": False,
    }
    legs = (Leg(member_account(member_id), "PTS", points), Leg(ISSUED, "PTS", -points))
    return Draft(NEW_ID(), Kind.SALE, CLOCK.now(), member_id, legs, body)
