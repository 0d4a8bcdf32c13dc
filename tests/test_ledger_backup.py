"""A copy of a ledger that is in use: one state of it, checked, durable, or none."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from posd.errors import LedgerBroken, LedgerError, LedgerUnwritable
from posd.ledger import backup
from posd.ledger.backup import back_up
from posd.ledger.store import Store
from posd.ledger.verify import verify_ledger
from tests.fakes.clock import FakeClock
from tests.fakes.sales import open_store, sale


def test_the_copy_is_a_ledger_like_the_one_it_was_made_of(tmp_path: Path) -> None:
    copy = tmp_path / "stick" / "ledger.db"
    copy.parent.mkdir()
    with open_store(tmp_path) as store:
        booked = [store.append(sale()).result() for _ in range(3)]
        report = back_up(store.path, copy)
        assert (report.ok, report.head.seq) == (True, 3)
        store.append(sale()).result()
    assert [path.name for path in copy.parent.iterdir()] == ["ledger.db"], "one file, nothing beside it"
    assert copy.stat().st_mode & 0o777 == 0o600
    restored = Store.open(copy, clock=FakeClock(), ballast_bytes=0)
    assert restored.reader().entries() == tuple(booked)
    restored.close()


def test_a_copy_is_of_one_moment_and_does_not_begin_again_when_something_is_sold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "STEP_PAGES", 1)
    monkeypatch.setattr(backup, "BREATHER_S", 0)
    with open_store(tmp_path) as store:
        for _ in range(20):
            store.append(sale()).result()
        done, sold = Event(), 0

        def sell() -> int:
            count = 0
            while not done.is_set():
                store.append(sale()).result()
                count += 1
            return count

        with ThreadPoolExecutor(1) as pool:
            selling = pool.submit(sell)
            report = back_up(store.path, tmp_path / "copy.db")
            done.set()
            sold = selling.result()
        assert report.ok
        assert 20 <= report.head.seq < 20 + sold == store.reader().head().seq


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with open_store(tmp_path) as store, pytest.raises(LedgerError, match="choose another name"):
        back_up(store.path, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_of_a_broken_ledger_no_copy_is_kept(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append(sale()).result()
        path = store.path
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("drop trigger leg_unchanged")
        connection.execute("update leg set amount = 2 * amount")
    with pytest.raises(LedgerBroken, match=r"no copy was kept: entry 1: I3"):
        back_up(path, tmp_path / "copy.db")
    assert not [found for found in tmp_path.iterdir() if "copy" in found.name]


@pytest.mark.parametrize("place", ["missing/copy.db", "ledger.db/copy.db"])
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, place: str) -> None:
    with open_store(tmp_path) as store, pytest.raises(LedgerUnwritable, match="cannot write at"):
        back_up(store.path, tmp_path / place)


@pytest.mark.slow
def test_sales_are_not_held_up_by_a_copy(tmp_path: Path) -> None:
    """Beside a copy the slowest sale is hardly slower than without one. The bound is loose, since other tests share the
    disk; the figure of a quiet machine is in docs/ledger.md."""
    with open_store(tmp_path) as store:
        for future in [store.append(sale(f"m{n}")) for n in range(4000)]:
            future.result()

        def slowest(until: Event) -> float:
            worst = 0.0
            while not until.is_set():
                start = monotonic()
                store.append(sale()).result()
                worst = max(worst, monotonic() - start)
                until.wait(0.003)
            return worst

        done = Event()
        with ThreadPoolExecutor(1) as pool:
            selling = pool.submit(slowest, done)
            assert back_up(store.path, tmp_path / "copy.db").head.seq >= 4000
            done.set()
            print(f"slowest sale beside a copy: {selling.result() * 1000:.1f} ms")
            assert selling.result() < 0.5
        assert (tmp_path / "copy.db").stat().st_size > 2**20
    assert verify_ledger(tmp_path / "copy.db").ok
