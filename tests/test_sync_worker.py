"""Till and club kept in step over a faulty network, with a real ledger and real HTTP: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from posd.clock import Instant
from posd.ledger.entries import Draft, Entry, Kind
from posd.ledger.members import MemberRow
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source
from posd.sync.client import ClubClient, Timeouts
from posd.sync.grant import ClubAddress
from posd.sync.line import Address, Line
from posd.sync.link import Link, LinkState
from posd.sync.local_port import LocalPort
from posd.sync.outcomes import Reason
from posd.sync.policy import MAX_BATCH, not_before
from posd.sync.port import SyncPort
from posd.sync.socket_port import SocketPort
from posd.sync.wire import Disposition, PushReply, PushRequest, TillStatus
from posd.sync.worker import SyncWorker
from tests.fakes.club_server import GRANT, TOKEN, Bad, ClubServer
from tests.fakes.fault_proxy import Fault, FaultProxy
from tests.fakes.till_socket import TillSocket
from tests.fakes.waiting import eventually, stays

pytestmark = pytest.mark.slow

NEW_ID = Uuid7Source()
CLOCK = SystemClock()
FAST = Timeouts(connect_s=0.5, read_s=0.4, deadline_s=1.0)
DRAIN_S = 15.0
"""I9: faults stop, and this much later the queue is empty. With the jitter of these tests a retry comes in 0.1 s."""


class Till:
    """A ledger, its port, and any number of workers one after the other."""

    def __init__(self, directory: Path, url: str) -> None:
        self.store = Store.open(directory / "ledger.db", till_id=GRANT.till_id, clock=CLOCK, epoch=1, ballast_bytes=0)
        self.links: list[Link] = []
        self.port = LocalPort(self.store, self.links.append)
        self.url = url
        self.workers: list[SyncWorker] = []

    def connect(self) -> ClubClient:
        return ClubClient(ClubAddress(self.url, GRANT.till_id, TOKEN), FAST)

    def work(self, *, jitter: float = 0.0, poll_s: int = 1, port: SyncPort | None = None) -> SyncWorker:
        worker = SyncWorker(port or self.port, self.connect, CLOCK, jitter=lambda: jitter, poll_s=poll_s)
        self.workers.append(worker)
        worker.start()
        return worker

    def sell(self, count: int = 1) -> list[Entry]:
        drafts = [Draft(NEW_ID(), Kind.SALE, CLOCK.now(), None, (), {"total_minor": n}) for n in range(count)]
        return [future.result(10) for future in [self.store.append(draft) for draft in drafts]]

    @property
    def link(self) -> Link:
        return self.port.link

    @property
    def queue(self) -> int:
        return self.port.queue()

    def close(self) -> None:
        late = [name for worker in self.workers for name in worker.stop()]
        self.port.cancel()
        self.store.close()
        assert not late, f"did not stop: {late}"


@pytest.fixture
def club() -> Iterator[ClubServer]:
    with ClubServer() as server:
        yield server


@pytest.fixture
def proxy(club: ClubServer) -> Iterator[FaultProxy]:
    with FaultProxy(club.port) as faulty:
        yield faulty


@pytest.fixture
def till(tmp_path: Path, proxy: FaultProxy) -> Iterator[Till]:
    one = Till(tmp_path, proxy.url)
    yield one
    one.close()


def online(till: Till) -> Callable[[], bool]:
    return lambda: till.link.state is LinkState.ONLINE


def test_a_sale_is_at_the_club_at_once(till: Till, club: ClubServer) -> None:
    till.work(poll_s=25)
    eventually(online(till))
    for n in range(1, 6):
        till.sell()
        assert eventually(lambda n=n: len(club.seqs) == n) < 1.0  # type: ignore[misc]  # a bound default
    eventually(lambda: till.queue == 0)
    assert [e.payload.decode() for e in till.store.reader().entries()] == [payload for _, _, payload in club.entries]


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
def test_nothing_is_lost_or_doubled_by_any_fault(till: Till, club: ClubServer, proxy: FaultProxy, fault: Fault) -> None:
    till.work()
    eventually(online(till))
    proxy.delay_s = 0.6  # longer than the read timeout
    proxy.fault = fault
    proxy.cut()
    till.sell(20)
    if fault is not Fault.DUPLICATE:
        eventually(lambda: till.link.state is LinkState.OFFLINE)
        assert till.queue > 0, "positive control: the fault does hold entries up"
        till.sell(10)
    else:
        till.sell(10)
        eventually(lambda: till.queue == 0)
        assert len(club.pushes) > len({(p.after_seq, len(p.entries)) for p in club.pushes}), "positive control"
    proxy.fault = Fault.NONE
    eventually(lambda: till.queue == 0, DRAIN_S)
    assert club.seqs == list(range(1, 31))
    eventually(online(till))


def test_a_lost_acknowledgement_of_a_long_run_is_made_good_by_a_short_one(
    till: Till, club: ClubServer, proxy: FaultProxy
) -> None:
    """The club holds 9 entries, the till knows of none and, started anew, sends one: the club names the ninth."""
    proxy.fault = Fault.DROP_ANSWER
    till.sell(9)
    first = till.connect()
    first.push(PushRequest.of(till.port.acked_head(), tuple(till.port.pending(0, 9, 10**6))))
    first.close()
    assert club.seqs == list(range(1, 10)) and till.queue == 9
    proxy.fault = Fault.NONE
    till.work()
    eventually(lambda: till.queue == 0)
    assert [len(push.entries) for push in club.pushes] == [9, 1]
    assert club.seqs == list(range(1, 10))


def test_a_conflict_that_names_our_own_chain_is_only_a_lost_acknowledgement(till: Till, club: ClubServer) -> None:
    entries = till.sell(3)
    head = PushReply(2, entries[1].hash.hex()).as_json()
    club.entries.extend((e.seq, e.hash.hex(), e.payload.decode()) for e in entries[:2])
    club.bad.append(Bad(409, json.dumps(head).encode(), only="/entries"))
    till.work()
    eventually(lambda: till.queue == 0)
    assert club.seqs == [1, 2, 3]
    assert all(link.state is not LinkState.HALTED for link in till.links)


def test_a_fork_halts_sending_but_not_selling(till: Till, club: ClubServer) -> None:
    club.entries.append((1, "ff" * 32, "{}"))
    till.sell(2)
    till.work()
    eventually(lambda: till.link.state is LinkState.HALTED)
    assert till.link.reason is Reason.FORK and "support" in till.link.advice
    sent = len(club.pushes)
    till.sell(3)
    assert stays(lambda: len(club.pushes) == sent, 0.5), "nothing more is sent"
    assert till.queue == 5
    club.entries.clear()
    till.port.sync_now()
    eventually(lambda: till.queue == 0)
    eventually(online(till))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_till_pauses_and_goes_on_by_hand(till: Till, club: ClubServer, status: int) -> None:
    club.always = Bad(status)
    till.sell(2)
    till.work()
    eventually(lambda: till.link.state is LinkState.PAUSED)
    assert till.link.reason is Reason.NOT_ACCEPTED
    asked = len(club.seen)
    assert stays(lambda: len(club.seen) <= asked + 2, 0.5), "it does not hammer"
    assert till.port.attempts().failures == 0, "a refusal is no failed attempt"
    club.always = None
    till.port.sync_now()
    eventually(lambda: till.queue == 0)
    eventually(online(till))


def test_what_the_club_parks_never_blocks(till: Till, club: ClubServer) -> None:
    entries = till.sell(3)
    club.entries.extend((e.seq, e.hash.hex(), e.payload.decode()) for e in entries[:1])
    parked = PushReply(1, entries[0].hash.hex(), (Disposition(1, "parked", "unknown member"),)).as_json()
    club.bad.append(Bad(200, json.dumps(parked).encode(), only="/entries"))
    till.work()
    eventually(lambda: till.queue == 0)
    assert club.seqs == [1, 2, 3]
    assert [(p.seq, p.reason) for p in till.store.reader().parked()] == [(1, "unknown member")]


def test_a_change_at_the_club_is_at_the_till_within_a_second(till: Till, club: ClubServer) -> None:
    till.work(poll_s=25)
    eventually(lambda: any("cursor=0&wait=25" in path for _, path, _ in club.seen))
    for n in range(3):
        club.tell(MemberRow(f"m{n}", "Sara", "", None, {"PTS": 1}, (), n + 1))
        assert eventually(lambda n=n: till.store.reader().standing(f"m{n}")) < 1.0  # type: ignore[misc]  # a bound default
    assert till.port.cursor() == "3"


def test_a_cursor_that_is_too_old_starts_the_feed_again(till: Till, club: ClubServer) -> None:
    club.tell(MemberRow("m1", "Sara", "", None, {"PTS": 1}, (), 1))
    till.work()
    eventually(lambda: till.port.cursor() == "1")
    with club.lock:
        club.members[:] = [MemberRow("m2", "Reza", "", None, {}, (), 2)]
        club.forgets = True
    eventually(lambda: till.store.reader().standing("m2"))
    assert till.store.reader().standing("m1") is None


def test_a_club_without_memory_is_not_hammered(till: Till, club: ClubServer) -> None:
    club.always = Bad(410, only="/deltas")
    till.work(jitter=0.999)
    eventually(lambda: till.link.reason is Reason.CLUB_FAULT)
    assert len(club.seen) <= 3


def test_retry_after_is_kept_and_survives_a_restart(till: Till, club: ClubServer) -> None:
    club.always = Bad(503, headers={"Retry-After": "60"}, only="/entries")
    till.sell()
    till.work()
    eventually(lambda: till.port.attempts().failures == 1)
    due = till.port.attempts().not_before
    assert due is not None
    left_s = (due.mono_ns - CLOCK.now().mono_ns) / 1e9
    assert 58 < left_s <= 60.2
    assert till.workers.pop().stop() == []
    club.always = None
    pushed = len(club.pushes)
    till.port = LocalPort(till.store, till.links.append)
    till.work()
    eventually(lambda: till.link.last_contact is not None)
    assert stays(lambda: len(club.pushes) == pushed, 0.5), "the rest goes on after the restart"
    assert till.link.reason is Reason.CLUB_BUSY
    till.port.sync_now()
    eventually(lambda: till.queue == 0)


def test_contact_of_one_lane_ends_the_rest_of_the_other(till: Till, club: ClubServer) -> None:
    till.sell()
    till.port.record_attempt(1, Reason.UNREACHABLE, not_before(CLOCK.now(), 200.0))
    till.work()
    assert eventually(lambda: till.queue == 0) < 5.0
    assert club.seqs == [1]


def test_batches_grow_while_a_backlog_drains(till: Till, club: ClubServer) -> None:
    till.sell(700)
    till.work()
    eventually(lambda: till.queue == 0, DRAIN_S)
    assert [len(push.entries) for push in club.pushes] == [1, 8, 64, MAX_BATCH, 127]


def test_a_request_that_is_too_large_is_halved(till: Till, club: ClubServer, proxy: FaultProxy) -> None:
    till.sell(9)
    till.work()
    eventually(lambda: till.queue == 0)
    proxy.fault = Fault.REFUSE
    proxy.cut()
    till.sell(40)
    club.bad.append(Bad(413, only="/entries"))
    club.pushes.clear()
    proxy.fault = Fault.NONE
    eventually(lambda: till.queue == 0)
    assert club.pushes[0].after_seq == 9 and len(club.pushes[0].entries) == 20
    assert club.seqs == list(range(1, 50))


def test_one_entry_that_makes_the_club_stumble_is_found_named_and_kept(till: Till, club: ClubServer) -> None:
    club.poison = 7
    till.sell(12)
    till.work()
    eventually(lambda: till.link.stuck_seq == 7)
    assert club.seqs == [1, 2, 3, 4, 5, 6], "all before it has passed"
    assert till.queue == 6, "nothing is dropped"
    assert "entry 7" in till.link.advice
    club.poison = None
    till.port.sync_now()
    eventually(lambda: till.queue == 0)
    assert club.seqs == list(range(1, 13))
    eventually(lambda: till.link.stuck_seq is None and till.link.state is LinkState.ONLINE)


def test_a_club_that_fails_altogether_is_not_an_entry_s_fault(till: Till, club: ClubServer) -> None:
    club.always = Bad(500)
    till.sell(3)
    till.work()
    eventually(lambda: till.port.attempts().failures > 6)
    assert all(link.stuck_seq is None for link in till.links)


def test_the_till_s_status_reaches_the_club(till: Till, club: ClubServer) -> None:
    till.work()
    till.port.report_status(TillStatus(queue=0, version="1"))
    eventually(lambda: club.statuses == [TillStatus(queue=0, version="1")])
    club.bad.append(Bad(500, only="/status"))
    till.port.report_status(TillStatus(queue=1, version="1"))
    till.sell()
    eventually(lambda: till.queue == 0)
    assert TillStatus(queue=0) not in club.statuses


def test_the_link_is_told_once_for_each_change(till: Till, club: ClubServer) -> None:
    till.work()
    eventually(online(till))
    assert stays(lambda: len(till.links) == 1, 1.5), "polls that find nothing tell nobody"
    assert till.links[0].last_contact is not None
    del club


# ---- the separate process's form ----


def test_the_same_over_the_till_s_socket_with_a_till_that_restarts(
    till: Till, club: ClubServer, tmp_path: Path
) -> None:
    path = tmp_path / "posd.sock"
    worker = till.work(port=SocketPort(path))
    with TillSocket(path, till.port):
        till.sell(3)
        eventually(lambda: till.queue == 0)
        eventually(online(till))
    till.sell(2)
    with TillSocket(path, till.port):
        eventually(lambda: till.queue == 0, DRAIN_S)
    assert club.seqs == [1, 2, 3, 4, 5]
    assert worker.stop() == []


# ---- stopping ----


def hanging(host: str, port: int) -> list[Address]:
    threading.Event().wait(5)
    return []


def silent(till: Till, club: ClubServer, proxy: FaultProxy) -> None:
    till.work()
    eventually(online(till))
    proxy.fault = Fault.SILENCE
    till.sell()
    eventually(lambda: till.queue == 1)


def resting(till: Till, club: ClubServer, proxy: FaultProxy) -> None:
    proxy.fault = Fault.REFUSE
    till.sell()
    till.port.record_attempt(1, Reason.CLUB_FAULT, not_before(CLOCK.now(), 200.0))
    till.work(jitter=0.999)
    eventually(lambda: till.link.reason is not Reason.NOT_TRIED)


def polling(till: Till, club: ClubServer, proxy: FaultProxy) -> None:
    till.work(poll_s=25)
    eventually(lambda: any("wait=25" in path for _, path, _ in club.seen))


def paused(till: Till, club: ClubServer, proxy: FaultProxy) -> None:
    club.always = Bad(401)
    till.sell()
    till.work()
    eventually(lambda: till.link.state is LinkState.PAUSED)


def halted(till: Till, club: ClubServer, proxy: FaultProxy) -> None:
    club.always = Bad(409, only="/entries")
    till.sell()
    till.work()
    eventually(lambda: till.link.state is LinkState.HALTED)


def looking_up(till: Till, club: ClubServer, proxy: FaultProxy) -> None:
    till.sell()
    address = ClubAddress("http://club.example", GRANT.till_id, TOKEN)
    worker = SyncWorker(till.port, lambda: ClubClient(address, Timeouts(), Line(hanging)), CLOCK)
    till.workers.append(worker)
    worker.start()
    eventually(lambda: any(thread.name == "sync-dns" for thread in threading.enumerate()))


def trickled(till: Till, club: ClubServer, proxy: FaultProxy) -> None:
    proxy.fault = Fault.TRICKLE
    till.sell()
    till.work()
    eventually(lambda: proxy.connections)


@pytest.mark.parametrize("state", [silent, resting, polling, paused, halted, looking_up, trickled])
def test_stop_takes_less_than_two_seconds(
    till: Till, club: ClubServer, proxy: FaultProxy, state: Callable[[Till, ClubServer, FaultProxy], None]
) -> None:
    state(till, club, proxy)
    before: Instant = CLOCK.now()
    assert till.workers[-1].stop() == []
    assert (CLOCK.now().mono_ns - before.mono_ns) / 1e9 < 2.0
    running = {thread.name for thread in threading.enumerate()}
    assert not running & {"sync-push", "sync-pull", "sync-ear"}


def test_a_worker_that_never_ran_can_be_stopped(till: Till) -> None:
    worker = SyncWorker(till.port, till.connect, CLOCK)
    assert worker.stop() == []
