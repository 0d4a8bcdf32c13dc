"""The till's side and the club, both real, over a network that does what networks do: when it stops, the queue drains
within a bound (I9) and the club has exactly the journal (I8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import select, update

from posd.club.owner import parked_entries
from posd.club.tables import club as clubs
from posd.club.tables import journal
from posd.ledger.entries import Head
from posd.ledger.verify import verify_ledger
from posd.sync.client import ClubClient, Timeouts
from posd.sync.link import LinkState
from posd.sync.policy import WITHHOLD_AFTER_S
from posd.sync.wire import PushRequest, WireEntry
from tests.fakes.clock import FakeClock
from tests.fakes.fault_proxy import Fault, FaultProxy
from tests.fakes.linked_till import KEY, LinkedTill
from tests.fakes.running_club import RunningClub
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow
QUICK = Timeouts(connect_s=1.0, read_s=1.0, deadline_s=2.0)
DRAIN_S = 15.0
"""I9. Without jitter a retry comes after 0.1 s, so the bound is that of the attempts that are under way."""
HARMLESS = {Fault.NONE, Fault.DELAY, Fault.TOO_LARGE, Fault.POISON}
"""Entries pass although the fault is there, only later or in smaller runs."""


@pytest.fixture
def club(tmp_path: Path) -> Iterator[RunningClub]:
    with RunningClub(tmp_path / "club") as running:
        yield running


@pytest.fixture
def proxy(club: RunningClub) -> Iterator[FaultProxy]:
    with FaultProxy(club.port) as faulty:
        yield faulty


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def till(tmp_path: Path, club: RunningClub, proxy: FaultProxy, clock: FakeClock) -> Iterator[LinkedTill]:
    one = LinkedTill(tmp_path / "till", club, proxy.url, timeouts=QUICK, clock=clock, poll_s=1)
    yield one
    one.close()


def at_club(club: RunningClub) -> list[tuple[int, bytes, bytes]]:
    """Seq, hash and payload of all that the club stored."""
    assert club.opened is not None
    query = select(journal.c.seq, journal.c.hash, journal.c.payload).order_by(journal.c.seq)
    rows = club.opened.database.read(lambda connection: connection.execute(query).all())
    return [(int(row.seq), bytes(row.hash), bytes(row.payload)) for row in rows]


def at_till(till: LinkedTill) -> list[tuple[int, bytes, bytes]]:
    return [(entry.seq, entry.hash, entry.payload) for entry in till.store.reader().entries(0, 10_000)]


@pytest.mark.parametrize("fault", Fault)
def test_when_a_fault_stops_the_queue_drains_and_the_club_has_the_journal(
    till: LinkedTill, club: RunningClub, proxy: FaultProxy, fault: Fault
) -> None:
    member = till.enrol_member()
    eventually(lambda: till.port.queue() == 0)
    proxy.fault = fault
    proxy.cut()
    for _ in range(20):
        till.sell(member, 1)
    eventually(lambda: proxy.hits > 1 or fault is Fault.NONE, DRAIN_S)  # positive control: there was a fault
    if fault in HARMLESS:
        eventually(lambda: till.port.queue() == 0, DRAIN_S)
    else:
        eventually(lambda: till.port.link.state is not LinkState.ONLINE)
        assert till.port.queue() > 0, "positive control: the fault does hold entries up"
    for _ in range(10):
        till.sell(member, 1)
    proxy.fault = Fault.NONE
    eventually(lambda: till.port.queue() == 0, DRAIN_S)
    assert at_club(club) == at_till(till)
    eventually(lambda: till.club_balance() == 30, DRAIN_S)
    eventually(lambda: till.port.link.state is LinkState.ONLINE, DRAIN_S)
    assert till.store.reader().parked() == ()


def test_an_entry_that_never_passes_is_withheld_and_delivered_later(
    till: LinkedTill, club: RunningClub, proxy: FaultProxy, clock: FakeClock, tmp_path: Path
) -> None:
    """A filter between till and club refuses one product's name. Everything behind that sale must pass all the same."""
    member = till.enrol_member()
    eventually(lambda: till.port.queue() == 0)
    proxy.fault = Fault.POISON
    till.sell(member, 5)
    till.sell(member, 7, note="poison")
    for _ in range(5):
        till.sell(member, 1)
    eventually(lambda: till.port.link.stuck_seq == 3, DRAIN_S)
    assert till.port.withheld() == (), "not before it has failed for long"
    clock.advance_ms(round(WITHHOLD_AFTER_S * 1000))
    eventually(lambda: till.port.queue() == 0, DRAIN_S)

    poisoned = till.store.reader().entries(2, 1)[0]
    assert till.port.withheld() == (poisoned,)
    assert [(seq, digest) for seq, digest, _ in at_club(club)] == [(seq, digest) for seq, digest, _ in at_till(till)]
    assert [payload for _, _, payload in at_club(club) if not payload] == [b""], "of one it has the hash only"
    eventually(lambda: till.port.link.withheld == 1)
    assert "posd sync now" in till.port.link.advice
    assert [(parked.seq, parked.reason) for parked in till.store.reader().parked()] == [(3, "withheld")]
    assert parked_reasons(club) == ["withheld"]
    eventually(lambda: till.club_balance() == 10)
    shown = till.store.reader().member_by_key(KEY)
    assert shown is not None and shown.balances["PTS"] == 17, "the till still counts what only it has"
    assert verify_ledger(tmp_path / "till" / "ledger.db").ok

    assert push_another(till, poisoned.seq) == 422, "nothing else can take its place"
    till.port.sync_now()
    eventually(lambda: proxy.hits and till.port.withheld() == (poisoned,))
    proxy.fault = Fault.NONE
    till.port.sync_now()
    eventually(lambda: till.port.withheld() == (), DRAIN_S)
    assert at_club(club) == at_till(till)
    eventually(lambda: till.club_balance() == 17, DRAIN_S)
    assert till.store.reader().parked() == ()
    assert parked_reasons(club) == []
    eventually(lambda: till.port.link.withheld == 0)


def parked_reasons(club: RunningClub) -> list[str]:
    assert club.opened is not None
    club_id = club.club.club_id
    return [row["reason"] for row in club.opened.database.read(lambda c: parked_entries(c, club_id))]


def push_another(till: LinkedTill, seq: int) -> int:
    """Offer another payload under the hash of a withheld entry; the status of the answer."""
    before, withheld = till.store.reader().entries(seq - 2, 2)
    forged = WireEntry(seq, withheld.hash.hex(), withheld.payload.decode().replace("poison", "posion"))
    client = ClubClient(till.linked.address)
    try:
        return client.push(PushRequest(before.epoch, before.seq, before.hash.hex(), (forged,))).answer.status
    finally:
        client.close()


def test_a_club_that_fails_on_everything_withholds_nothing_for_good(
    till: LinkedTill, club: RunningClub, proxy: FaultProxy, clock: FakeClock
) -> None:
    """Positive control of the above: whatever was withheld while the club itself was ill is delivered after all."""
    member = till.enrol_member()
    eventually(lambda: till.port.queue() == 0)
    proxy.poison = b'"after_seq"'
    proxy.fault = Fault.POISON
    till.sell(member, 3)
    eventually(lambda: till.port.link.stuck_seq == 2, DRAIN_S)
    clock.advance_ms(round(WITHHOLD_AFTER_S * 1000))
    eventually(lambda: len(till.port.withheld()) == 1, DRAIN_S)
    assert till.port.queue() == 1
    proxy.fault = Fault.NONE
    eventually(lambda: till.port.queue() == 0, DRAIN_S)
    till.port.sync_now()
    eventually(lambda: till.port.withheld() == (), DRAIN_S)
    assert at_club(club) == at_till(till)


def test_a_restart_remembers_what_is_withheld(till: LinkedTill) -> None:
    member = till.enrol_member()
    eventually(lambda: till.port.queue() == 0)
    assert till.worker.stop() == []
    till.sell(member, 1)
    entry = till.store.reader().entries(1, 1)[0]
    till.port.withhold(entry.seq, till.port.attempts().reason)
    acked = till.port.acked_head()
    client = ClubClient(till.linked.address)
    reply = client.push(PushRequest.of(acked, (entry,), {entry.seq})).value
    client.close()
    assert reply is not None
    till.port.acknowledge(Head(entry.epoch, reply.acked_seq, entry.hash), reply.dispositions)
    assert till.store.reader().withheld() == (entry,), "it is still in the outbox"


def test_members_stay_usable_while_a_feed_that_is_gone_is_read_anew(till: LinkedTill, club: RunningClub) -> None:
    """The club was restored from a backup: its feed has another name and every cursor is answered 410."""
    member = till.enrol_member()
    till.sell(member, 4)
    eventually(lambda: till.club_balance() == 4)
    cursor = till.port.cursor()
    assert club.opened is not None
    club.opened.database.write(lambda connection: connection.execute(update(clubs).values(feed="ab" * 4)))

    def moved_on() -> bool:
        assert till.club_balance() == 4, "at every moment"
        return (till.port.cursor() or cursor or "").startswith("abab")

    till.port.sync_now()
    eventually(moved_on, DRAIN_S)
    assert till.club_balance() == 4


def test_health_is_reached_through_the_proxy(proxy: FaultProxy) -> None:
    """Positive control of the proxy: without a fault it is not there."""
    assert requests.get(f"{proxy.url}/health", timeout=5).json() == {"status": "ok"}
