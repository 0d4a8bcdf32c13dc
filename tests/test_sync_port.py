"""The contract of the port, kept by the ledger's own and by the one over the till's socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from posd.clock import Instant
from posd.errors import SyncError
from posd.ledger.accounts import ISSUED, member_account
from posd.ledger.entries import GENESIS, Draft, Entry, Head, Kind, Leg
from posd.ledger.members import DeltaPage, MemberRow
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source
from posd.sync.link import Link, LinkState
from posd.sync.local_port import LocalPort
from posd.sync.outcomes import Reason
from posd.sync.policy import Attempts
from posd.sync.port import SyncPort, Work
from posd.sync.port_messages import serve_port
from posd.sync.socket_port import SocketPort, TillUnreachable
from posd.sync.wire import Disposition, ReaderStatus, TillStatus
from tests.fakes.clock import FakeClock
from tests.fakes.local_api import local_api
from tests.fakes.till_socket import TillSocket
from tests.fakes.waiting import eventually, stays

NEW_ID = Uuid7Source()
CLOCK = SystemClock()
SARA = MemberRow("m1", "سارا", "0912•••4567", "gold", {"PTS": 7}, ("k1",), 3, {"IRR": 5})


def book(store: Store, points: int = 5) -> Entry:
    legs = (Leg(member_account("m1"), "PTS", points), Leg(ISSUED, "PTS", -points))
    return store.append(Draft(NEW_ID(), Kind.SALE, CLOCK.now(), "m1", legs, {"note": "فروش"})).result(10)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    ledger = Store.open(tmp_path / "ledger.db", till_id="till-1", clock=CLOCK, epoch=1, ballast_bytes=0)
    yield ledger
    ledger.close()


@pytest.fixture
def local(store: Store) -> Iterator[LocalPort]:
    port = LocalPort(store)
    yield port
    port.cancel()


@pytest.fixture(params=["local", "socket", "api"])
def port(request: pytest.FixtureRequest, local: LocalPort, tmp_path: Path) -> Iterator[SyncPort]:
    """The ledger's own; the same behind a bare socket; the same behind the till's whole API with its gate."""
    if request.param == "local":
        yield local
        return
    path = tmp_path / "posd.sock"
    served: AbstractContextManager[object] = (
        TillSocket(path, local)
        if request.param == "socket"
        else local_api(tmp_path, sync_port=partial(serve_port, local))
    )
    with served:
        yield SocketPort(path)
        local.cancel()


class TestSyncPort:
    """What `posd.sync.port.SyncPort` promises."""

    def test_an_empty_ledger_has_nothing_to_send(self, port: SyncPort) -> None:
        assert port.acked_head() == Head(1, 0, GENESIS)
        assert list(port.pending(0, 500, 1000)) == []
        assert port.queue() == 0
        assert port.cursor() is None
        assert port.attempts() == Attempts()

    def test_pending_comes_in_order_within_limits_and_byte_for_byte(self, port: SyncPort, store: Store) -> None:
        entries = [book(store) for _ in range(5)]
        assert list(port.pending(0, 500, 10**6)) == entries
        assert list(port.pending(2, 2, 10**6)) == entries[2:4]
        assert list(port.pending(0, 500, 1)) == entries[:1], "one at least"
        assert port.queue() == 5

    def test_an_acknowledgement_is_cumulative_and_may_come_twice(self, port: SyncPort, store: Store) -> None:
        entries = [book(store) for _ in range(3)]
        head = Head(1, 2, entries[1].hash)
        for _ in range(2):
            port.acknowledge(head, [Disposition(1, "posted"), Disposition(2, "parked", "unknown member")])
            assert port.acked_head() == head
            assert list(port.pending(2, 10, 10**6)) == entries[2:]
            assert port.queue() == 1
        assert [(parked.seq, parked.reason) for parked in store.reader().parked()] == [(2, "unknown member")]

    def test_a_page_is_applied_with_its_cursor_and_may_come_twice(self, port: SyncPort, store: Store) -> None:
        programs = ({"id": "points", "rules": [{"per": 1000}]},)
        for _ in range(2):
            port.apply_deltas(DeltaPage("c1", 0, (SARA,), programs))
            assert port.cursor() == "c1"
        standing = store.reader().standing("m1")
        assert standing is not None and standing.row == SARA
        assert store.reader().programs() == programs

    def test_beginning_anew_forgets_the_cursor_and_keeps_members_until_the_feed_is_through(
        self, port: SyncPort, store: Store
    ) -> None:
        port.apply_deltas(DeltaPage("c1", 0, (SARA,)))
        port.begin_anew()
        assert port.cursor() is None
        assert store.reader().standing("m1") is not None
        port.apply_deltas(DeltaPage("c2", 0, ()))
        assert store.reader().standing("m1") is None, "the club has not told her again"

    def test_attempts_are_those_of_the_oldest_entry_and_end_with_it(self, port: SyncPort, store: Store) -> None:
        entry = book(store)
        due = Instant(0, "ab" * 16, 10**15)
        for _ in range(3):
            port.record_attempt(1, Reason.TIMEOUT, due)
        assert port.attempts() == Attempts(3, due, Reason.TIMEOUT)
        port.acknowledge(Head(1, 1, entry.hash), [])
        assert port.attempts() == Attempts()

    def test_the_till_s_status_is_what_was_last_reported(self, port: SyncPort, local: LocalPort) -> None:
        assert port.till_status() is None
        status = TillStatus(2, 1763, (ReaderStatus("اسکنر", "scanner", "ready"),), "1.0")
        local.report_status(status)
        assert port.till_status() == status

    def test_the_link_is_told_to_the_till(self, port: SyncPort, local: LocalPort) -> None:
        for link in (
            Link(LinkState.HALTED, Reason.FORK, 7, Instant(1, "aa", 2), 4),
            Link(LinkState.ONLINE, None, 0, None, None),
        ):
            port.report_link(link)
            assert local.link == link

    def test_waiting_ends_with_an_entry_a_hurry_and_a_report(
        self, port: SyncPort, store: Store, local: LocalPort
    ) -> None:
        seen = port.wait_for_work(Work(), 0.0)
        for happens, expected in (
            (lambda: book(store), Work(1, 0, 0)),
            (local.sync_now, Work(1, 1, 0)),
            (lambda: local.report_status(TillStatus(1)), Work(1, 1, 1)),
        ):
            timer = threading.Timer(0.05, happens)
            timer.start()
            seen = port.wait_for_work(seen, 10.0)
            assert seen == expected
            timer.join()

    def test_what_happened_before_waiting_is_not_missed(self, port: SyncPort, local: LocalPort) -> None:
        local.sync_now()
        assert port.wait_for_work(Work(), 10.0).hurries == 1

    def test_waiting_ends_when_time_is_up(self, port: SyncPort) -> None:
        assert port.wait_for_work(Work(), 0.05) == Work()

    def test_cancel_ends_a_wait_and_every_later_one(self, port: SyncPort) -> None:
        waiting = threading.Thread(target=port.wait_for_work, args=(Work(), 25.0))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive(), "positive control: it waits"
        port.cancel()
        waiting.join(2)
        assert not waiting.is_alive()
        assert port.wait_for_work(Work(), 25.0) == Work()


def test_a_status_that_says_the_same_wakes_nobody(local: LocalPort) -> None:
    local.report_status(TillStatus(1))
    seen = local.wait_for_work(Work(), 10.0)
    local.report_status(TillStatus(1))
    assert local.wait_for_work(seen, 0.05) == seen


def test_an_online_that_nobody_stands_behind_any_more_ends(store: Store) -> None:
    """The process was killed after it said "online": spending must not go on for ever because of it."""
    clock, told = FakeClock(), list[Link]()
    port = LocalPort(store, told.append, clock)
    online = Link(LinkState.ONLINE, None)

    port.wait_for_work(Work(), 0.0)
    port.report_link(online)
    clock.advance_ms(4_000)
    book(store)
    assert stays(lambda: port.link == online, 0.2), "positive control: within the time it is believed"
    clock.advance_ms(2_000)
    book(store)
    eventually(lambda: port.link.reason is Reason.NOBODY_SYNCS)
    assert (port.link.state, port.link.queue) == (LinkState.OFFLINE, 2)
    assert "posd-sync" in port.link.advice
    port.report_link(online)
    assert told == [online, told[1], online], "one that comes back repeats what it said"
    port.cancel()


def test_a_till_that_does_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(TillUnreachable, match=r"is posd\.service running\?"):
        SocketPort(tmp_path / "posd.sock").queue()


def test_an_unknown_method_and_a_malformed_document_are_refused(local: LocalPort) -> None:
    with pytest.raises(LookupError):
        serve_port(local, "__class__", {})
    with pytest.raises(SyncError, match="install the same version"):
        serve_port(local, "pending", {"after_seq": 0})


def test_a_ledger_that_refuses_says_why_over_the_socket(local: LocalPort, store: Store, tmp_path: Path) -> None:
    book(store)
    with TillSocket(tmp_path / "posd.sock", local), pytest.raises(SyncError, match="another entry 1"):
        SocketPort(tmp_path / "posd.sock").acknowledge(Head(1, 1, bytes(32)), [])
