"""A real till side for tests: ledger, port and synchronisation, enrolled at a running club."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from posd.clock import Clock
from posd.ledger.accounts import ISSUED, member_account
from posd.ledger.entries import Draft, Kind, Leg
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source
from posd.sync.client import DEFAULT_TIMEOUTS, ClubClient, Timeouts
from posd.sync.enrolment import enrol_till
from posd.sync.grant import Linked
from posd.sync.local_port import LocalPort
from posd.sync.pull import POLL_S
from posd.sync.sealing import seal
from posd.sync.worker import SyncWorker
from tests.fakes.running_club import RunningClub

CLOCK = SystemClock()
NEW_ID = Uuid7Source()
KEY = "c0" * 16


class LinkedTill:
    """A real ledger that keeps in step with a running club."""

    def __init__(
        self,
        directory: Path,
        club: RunningClub,
        url: str = "",
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        clock: Clock = CLOCK,
        poll_s: int = POLL_S,
    ) -> None:
        self.linked: Linked = enrol_till(url or club.url, club.invite(), "Till 1", directory)
        grant = self.linked.grant
        self.store = Store.open(
            directory / "ledger.db", till_id=grant.till_id, clock=CLOCK, epoch=grant.epoch, ballast_bytes=0
        )
        self.port = LocalPort(self.store)
        connect = partial(ClubClient, self.linked.address, timeouts)
        self.worker = SyncWorker(self.port, connect, clock, jitter=lambda: 0.0, poll_s=poll_s)
        self.worker.start()

    def enrol_member(self) -> str:
        member = NEW_ID().hex()
        sealed = seal(
            self.linked.grant.seal_key, '{"phone": "+989120001234", "name": "زهرا", "consent": true}', os.urandom(32)
        )
        body = {"member_id": member, "keys": [KEY], "sealed": sealed, "consent": True}
        self.store.append(Draft(NEW_ID(), Kind.ENROL, CLOCK.now(), member, (), body)).result(10)
        return member

    def sell(self, member: str, points: int, note: str = "") -> None:
        body = {
            "currency": "IRR",
            "total_minor": 1000,
            "payable_minor": 1000,
            "lines": [{"n": 1, "name": note, "sku": "", "category": "", "quantity_milli": 1000, "amount_minor": 1000}],
            "redemptions": [],
            "earnings": [
                {"program": "p", "version": 1, "rule": "r", "unit": "PTS", "earned": points, "shares": [[1, points]]}
            ],
            "register_ref": None,
            "cashier": None,
            "medium": None,
            "offline": False,
        }
        legs = (Leg(member_account(member), "PTS", points), Leg(ISSUED, "PTS", -points))
        self.store.append(Draft(NEW_ID(), Kind.SALE, CLOCK.now(), member, legs, body)).result(10)

    def club_balance(self) -> int:
        """What the club says, without what this till has on its own."""
        standing = self.store.reader().member_by_key(KEY)
        return 0 if standing is None else standing.row.balances.get("PTS", 0)

    def close(self) -> None:
        late = self.worker.stop()
        self.port.cancel()
        self.store.close()
        assert late == []
