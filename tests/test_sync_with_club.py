"""The till's side against the real club: enrolment, sales, balances, restart of the club, a till that is shut out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from posd.club.owner import revoke_till
from posd.club.tables import journal
from posd.club.tables import till as tills
from posd.errors import ConfigError
from posd.ledger.accounts import ISSUED, member_account
from posd.ledger.entries import Draft, Kind, Leg
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source
from posd.sync.client import ClubClient
from posd.sync.enrolment import enrol_till
from posd.sync.grant import Linked
from posd.sync.link import LinkState
from posd.sync.local_port import LocalPort
from posd.sync.sealing import seal
from posd.sync.wire import ReaderStatus, TillStatus
from posd.sync.worker import SyncWorker
from tests.fakes.fault_proxy import Fault, FaultProxy
from tests.fakes.running_club import RunningClub
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow
CLOCK = SystemClock()
NEW_ID = Uuid7Source()
KEY = "c0" * 16


class LinkedTill:
    """A real ledger that keeps in step with a running club."""

    def __init__(self, directory: Path, club: RunningClub, url: str = "") -> None:
        self.linked: Linked = enrol_till(url or club.url, club.invite(), "Till 1", directory)
        grant = self.linked.grant
        self.store = Store.open(
            directory / "ledger.db", till_id=grant.till_id, clock=CLOCK, epoch=grant.epoch, ballast_bytes=0
        )
        self.port = LocalPort(self.store)
        self.worker = SyncWorker(self.port, lambda: ClubClient(self.linked.address), CLOCK, jitter=lambda: 0.0)
        self.worker.start()

    def enrol_member(self) -> str:
        member = NEW_ID().hex()
        sealed = seal(
            self.linked.grant.seal_key, '{"phone": "+989120001234", "name": "زهرا", "consent": true}', os.urandom(32)
        )
        body = {"member_id": member, "keys": [KEY], "sealed": sealed, "consent": True}
        self.store.append(Draft(NEW_ID(), Kind.ENROL, CLOCK.now(), member, (), body)).result(10)
        return member

    def sell(self, member: str, points: int) -> None:
        body = {
            "currency": "IRR",
            "total_minor": 1000,
            "payable_minor": 1000,
            "lines": [{"n": 1, "name": "", "sku": "", "category": "", "quantity_milli": 1000, "amount_minor": 1000}],
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


@pytest.fixture
def club(tmp_path: Path) -> Iterator[RunningClub]:
    with RunningClub(tmp_path / "club") as running:
        yield running


@pytest.fixture
def till(tmp_path: Path, club: RunningClub) -> Iterator[LinkedTill]:
    one = LinkedTill(tmp_path / "till", club)
    yield one
    one.close()


def test_a_sale_comes_back_as_the_club_s_balance_within_a_second(till: LinkedTill) -> None:
    eventually(lambda: till.port.link.state is LinkState.ONLINE)
    member = till.enrol_member()
    eventually(lambda: till.store.reader().member_by_key(KEY))
    till.sell(member, 40)
    assert eventually(lambda: till.club_balance() == 40) < 1.0
    assert till.store.reader().parked() == ()


def test_a_club_that_was_away_gets_everything_once(till: LinkedTill, club: RunningClub) -> None:
    member = till.enrol_member()
    till.sell(member, 10)
    eventually(lambda: till.port.queue() == 0)
    club.stop()
    eventually(lambda: till.port.link.state is LinkState.OFFLINE, 40)
    for _ in range(20):
        till.sell(member, 1)
    assert till.port.queue() == 20, "positive control"
    club.start()
    till.port.sync_now()
    eventually(lambda: till.port.queue() == 0)
    eventually(lambda: till.club_balance() == 30)
    assert till.store.reader().parked() == ()


@pytest.mark.parametrize("fault", [Fault.DROP_ANSWER, Fault.DUPLICATE, Fault.TRUNCATE])
def test_lost_and_doubled_messages_change_no_balance(club: RunningClub, tmp_path: Path, fault: Fault) -> None:
    with FaultProxy(club.port) as proxy:
        till = LinkedTill(tmp_path / "till", club, proxy.url)
        try:
            member = till.enrol_member()
            eventually(lambda: till.port.queue() == 0)
            proxy.fault = fault
            proxy.cut()
            for _ in range(12):
                till.sell(member, 5)
            eventually(lambda: stored(club) >= 2, 15)
            proxy.fault = Fault.NONE
            till.port.sync_now()
            eventually(lambda: till.port.queue() == 0, 15)
            eventually(lambda: till.club_balance() == 60, 15)
            assert till.store.reader().parked() == ()
        finally:
            till.close()


def stored(club: RunningClub) -> int:
    """How many entries the club has: positive control that something arrived although it seemed lost."""
    assert club.opened is not None
    query = select(func.count()).select_from(journal)
    return int(club.opened.database.read(lambda connection: connection.execute(query).scalar_one()))


def told(club: RunningClub) -> str:
    """What the club's tills last said of themselves."""
    assert club.opened is not None
    return str(club.opened.database.read(lambda connection: connection.execute(select(tills.c.status)).all()))


def test_the_till_s_status_is_seen_at_the_club(till: LinkedTill, club: RunningClub) -> None:
    till.port.report_status(TillStatus(0, None, (ReaderStatus("Scanner 7", "scanner", "ready"),), "0.1.0"))
    eventually(lambda: "Scanner 7" in told(club))


def test_a_till_that_is_shut_out_pauses_and_keeps_selling(till: LinkedTill, club: RunningClub) -> None:
    member = till.enrol_member()
    eventually(lambda: till.port.queue() == 0)
    assert revoke_till(club.state_dir, till.linked.grant.till_id)
    till.sell(member, 5)
    eventually(lambda: till.port.link.state is LinkState.PAUSED)
    assert till.port.queue() == 1
    assert "posd sync now" in till.port.link.advice


def test_a_wrong_code_is_refused_with_advice(club: RunningClub, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="posd club invite"):
        enrol_till(club.url, "BCDF-GHJK", "Till 2", tmp_path / "other")
    assert enrol_till(club.url, club.invite(), "Till 2", tmp_path / "other").grant.club_name == "Narenj Club"
