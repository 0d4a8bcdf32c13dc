"""The till's side against the real club: enrolment, sales, balances, restart of the club, a till that is shut out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from posd.club.owner import revoke_till
from posd.club.tables import journal
from posd.club.tables import till as tills
from posd.errors import ConfigError
from posd.sync.enrolment import enrol_till
from posd.sync.link import LinkState
from posd.sync.outcomes import Reason
from posd.sync.wire import ReaderStatus, TillStatus
from tests.fakes.fault_proxy import Fault, FaultProxy
from tests.fakes.linked_till import KEY, LinkedTill
from tests.fakes.running_club import RunningClub
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow


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
    assert till.port.link.reason is Reason.REVOKED
    assert "keep selling" in till.port.link.advice


def test_a_wrong_code_is_refused_with_advice(club: RunningClub, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="posd club invite"):
        enrol_till(club.url, "BCDF-GHJK", "Till 2", tmp_path / "other")
    assert enrol_till(club.url, club.invite(), "Till 2", tmp_path / "other").grant.club_name == "Narenj Club"
