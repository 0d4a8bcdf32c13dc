"""The store: what is booked once stays booked, for every caller, whatever the neighbours do."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from posd.errors import LedgerError, LedgerUnwritable
from posd.ledger.accounts import ISSUED, member_account
from posd.ledger.entries import Kind, Leg
from posd.ledger.reader import Reader
from posd.ledger.stats import stats, trial_balance
from posd.ledger.store import AlreadyResolved, RequestConflict, RequestKey, Store
from posd.ledger.verify import verify_ledger
from tests.fakes.clock import FakeClock
from tests.fakes.sales import back, enrolment, held_writer, member, new_id, open_store, sale


def test_an_entry_is_read_back_by_every_name_it_has(tmp_path: Path) -> None:
    draft = sale()
    with open_store(tmp_path) as store:
        entry = store.append(draft).result()
        reader = store.reader()
        assert entry.seq == 1
        assert entry.draft == draft
        assert reader.entry(draft.entry_id) == reader.entry_by_seq(1) == entry
        assert reader.entries() == reader.pending() == reader.recent(5) == (entry,)
        assert (reader.head().seq, reader.head().hash) == (1, entry.hash)
        assert reader.entry(new_id()) is None
        assert reader.entry_by_seq(2) is None


def test_the_same_id_is_booked_once_by_many_threads(tmp_path: Path) -> None:
    """I4."""
    draft = sale()
    with open_store(tmp_path) as store, ThreadPoolExecutor(8) as pool:
        entries = set(pool.map(lambda _: store.append(draft).result().hash, range(64)))
        assert len(entries) == 1
        assert store.reader().head().seq == 1


def test_a_retry_may_carry_another_time_but_not_another_fact(tmp_path: Path) -> None:
    draft = sale(earned=10)
    later = FakeClock()
    later.advance_ms(5_000)
    with open_store(tmp_path) as store:
        entry = store.append(draft).result()
        assert store.append(replace(draft, at=later.now())).result() == entry
        with pytest.raises(RequestConflict):
            store.append(sale(earned=11, entry_id=draft.entry_id)).result()


def test_a_request_books_once(tmp_path: Path) -> None:
    key, other_body = RequestKey.of("reg-1\nk1", b"body"), RequestKey.of("reg-1\nk1", b"other")
    with open_store(tmp_path) as store:
        entry = store.append(sale(), request=key).result()
        assert store.append(sale(), request=key).result() == entry
        assert store.request(key) == entry
        assert store.request(RequestKey.of("reg-2\nk1", b"body")) is None
        with pytest.raises(RequestConflict):
            store.append(sale(), request=other_body).result()
        with pytest.raises(RequestConflict):
            store.request(other_body)
        assert store.reader().head().seq == 1


def test_a_request_that_was_refused_may_book_later(tmp_path: Path) -> None:
    key = RequestKey.of("k", b"")
    sold = sale()
    with open_store(tmp_path) as store:
        store.append(sold).result()
        store.append(back(sold)).result()
        with pytest.raises(AlreadyResolved):
            store.append(back(sold), request=key).result()
        assert store.request(key) is None


def test_a_sale_is_voided_once(tmp_path: Path) -> None:
    """I5."""
    sold = sale()
    with open_store(tmp_path) as store:
        store.append(sold).result()
        void = store.append(back(sold)).result()
        with pytest.raises(AlreadyResolved) as caught:
            store.append(back(sold)).result()
        assert caught.value.entry == void
        assert isinstance(caught.value, LedgerError)


def test_refunds_of_a_sale_are_found(tmp_path: Path) -> None:
    sold = sale()
    with open_store(tmp_path) as store:
        store.append(sold).result()
        refunds = tuple(store.append(back(sold, Kind.REFUND)).result() for _ in range(2))
        store.append(sale()).result()
        assert store.reader().returned(sold.entry_id) == refunds


def test_one_bad_draft_does_not_sink_its_neighbours(tmp_path: Path) -> None:
    """All of them share one commit."""
    sold, huge = sale(), 2**63
    too_big = replace(sale(), legs=(Leg("a", "PTS", huge), Leg("b", "PTS", -huge)))
    nameless = replace(member("m9"), keys=("k9",), name=None)  # type: ignore[arg-type] # what a defect would hand in
    with open_store(tmp_path) as store:
        store.append(sold).result()
        store.append(back(sold)).result()
        with held_writer(store):
            good = [store.append(sale()) for _ in range(3)]
            bad = [store.append(too_big), store.append(back(sold)), store.append(enrolment("m9"), provisional=nameless)]
            good += [store.append(sale()) for _ in range(3)]
        assert [future.result().seq for future in good] == [3, 4, 5, 6, 7, 8]
        assert [type(future.exception()) for future in bad] == [ValueError, AlreadyResolved, ValueError]
        assert store.fault is None
        assert store.reader().head().seq == 8
    assert verify_ledger(tmp_path / "ledger.db").ok


def test_a_draft_that_cannot_be_written_down_is_refused_at_once(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, pytest.raises(TypeError, match="integers and text"):
        store.append(replace(sale(), body={"price": 1.5}))


def test_a_cancelled_draft_is_not_booked(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        with held_writer(store):
            cancelled = store.append(sale())
            assert cancelled.cancel()
        assert store.append(sale()).result().seq == 1


def test_readers_of_many_threads_see_what_was_acknowledged(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, ThreadPoolExecutor(8) as pool:

        def book_and_look(_: int) -> bool:
            entry = store.append(sale()).result()
            return store.reader().entry(entry.entry_id) == entry

        assert all(pool.map(book_and_look, range(100)))
        assert [entry.seq for entry in store.reader().entries()] == list(range(1, 101))


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.reader().db.execute("delete from outbox")


def test_waiting_for_entries(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, ThreadPoolExecutor(1) as pool:
        assert store.wait_for_entries(0, timeout_s=0) == 0
        waiter = pool.submit(store.wait_for_entries, 0, 30)
        store.append(sale()).result()
        assert waiter.result(timeout=10) == 1
        waiter = pool.submit(store.wait_for_entries, 1, 30)
        while not waiter.done():
            store.wake_waiters()
        assert waiter.result() == 1


def test_the_head_is_told_after_a_restart(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append(sale()).result()
    with open_store(tmp_path) as store:
        assert store.wait_for_entries(0, timeout_s=0) == 1
        assert store.append(sale()).result().seq == 2


def test_pending_is_bounded_but_never_empty_handed(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        entries = [store.append(sale()).result() for _ in range(6)]
        reader, size = store.reader(), len(entries[0].payload)
        assert reader.pending(limit=4) == tuple(entries[:4])
        assert reader.pending(2, max_bytes=2 * size + 10) == tuple(entries[2:4])
        assert reader.pending(max_bytes=1) == tuple(entries[:1])
        assert reader.pending(6) == ()


def test_figures(tmp_path: Path) -> None:
    clock = FakeClock()
    with open_store(tmp_path, clock=clock) as store:
        store.append(sale("m1", earned=10)).result()
        store.append(sale("m1", earned=5, spent=3)).result()
        store.append(enrolment("m2"), provisional=member("m2")).result()
        reader = store.reader()
        assert reader.balance(member_account("m1")) == {"PTS": 12}
        assert reader.balance(ISSUED) == {"PTS": -15}
        totals: dict[str, int] = {}
        for units in trial_balance(reader).values():
            for unit, amount in units.items():
                totals[unit] = totals.get(unit, 0) + amount
        assert totals == {"IRR": 0, "PTS": 0}
        told = stats(reader)
        assert (told.entries, told.by_kind, told.legs) == (3, {"enrol": 1, "sale": 2}, 10)
        assert told.as_json()["first"]["wall_ms"] == clock.wall_ms
        clock.advance_ms(61_000)
        assert store.metrics() == {
            "posd_ledger_entries": 3,
            "posd_ledger_members": 1,
            "posd_ledger_parked": 0,
            "posd_ledger_fault": 0,
            "posd_queue_depth": 3,
            "posd_queue_oldest_seconds": 61,
        }


def test_the_wall_clock_decides_nothing(tmp_path: Path) -> None:
    """I11: a day back, a year on, and back again: order, ages and waiting times stay."""
    clock = FakeClock()
    with open_store(tmp_path, clock=clock) as store:
        for jump_ms in (0, -86_400_000, 365 * 86_400_000, -400 * 86_400_000):
            clock.step_wall_ms(jump_ms)
            store.append(replace(sale(), at=clock.now())).result()
        store.record_attempt(4, reason="timeout", next_at=replace(clock.now(), mono_ns=clock.mono_ns + 10**9)).result()
        clock.step_wall_ms(10**10)
        backlog = store.reader().backlog()
        assert backlog.wait_ns(clock.now()) == 10**9
        assert backlog.age_s(clock.now()) == 0
        assert [entry.seq for entry in store.reader().recent(9)] == [4, 3, 2, 1]
    assert verify_ledger(tmp_path / "ledger.db").ok


def test_nothing_is_taken_after_closing(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        pass
    with pytest.raises(LedgerUnwritable, match="closed"):
        store.append(sale()).result()
    store.close()


def test_closing_books_what_was_handed_in(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        futures = [store.append(sale()) for _ in range(200)]
    assert [future.result().seq for future in futures] == list(range(1, 201))
    reader = Reader(tmp_path / "ledger.db")
    assert reader.head().seq == 200
    reader.close()


def test_a_new_ledger_mints_its_till_id_once(tmp_path: Path) -> None:
    with open_store(tmp_path, till_id=None) as store:
        minted = store.till_id
        store.append(sale()).result()
    with open_store(tmp_path, till_id=None) as store:
        assert store.till_id == minted
    with pytest.raises(LedgerError, match=f"belongs to till {minted}"), open_store(tmp_path, till_id="other"):
        pass


def test_an_empty_ledger_takes_the_name_that_the_club_gives(tmp_path: Path) -> None:
    with open_store(tmp_path, till_id=None):
        pass
    with open_store(tmp_path, till_id="given") as store:
        store.append(sale()).result()
    report = verify_ledger(tmp_path / "ledger.db")
    assert (report.till_id, report.ok) == ("given", True)


def test_a_higher_epoch_begins_a_new_chain_and_cannot_be_left(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_store(tmp_path) as store:
        store.append(sale()).result()
    store = Store.open(path, clock=FakeClock(), epoch=1, ballast_bytes=0)
    entry = store.append(sale()).result()
    store.close()
    assert (entry.epoch, entry.seq, entry.prev) == (1, 2, bytes(32))
    with pytest.raises(LedgerError, match="epoch"):
        Store.open(path, clock=FakeClock(), epoch=0)
    assert verify_ledger(path).ok


def test_nothing_that_is_handed_in_is_forgotten(tmp_path: Path) -> None:
    """Whoever comes while another writes must not wait for a third: many callers, pauses of every length, no hang."""
    with open_store(tmp_path) as store, ThreadPoolExecutor(6) as pool:

        def book(caller: int) -> list[int]:
            pause = Event()
            seqs = []
            for n in range(60):
                seqs.append(store.append(sale()).result(20).seq)
                if n % (caller + 2) == 0:
                    pause.wait(caller / 1000)
            return seqs

        booked = [seq for seqs in pool.map(book, range(6)) for seq in seqs]
    assert sorted(booked) == list(range(1, 361))


def test_a_lone_caller_writes_for_himself(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert store.append(sale()).done(), "no other thread had to wake up"
        with held_writer(store):
            assert not store.append(sale()).done(), "positive control: while another writes, one waits"
