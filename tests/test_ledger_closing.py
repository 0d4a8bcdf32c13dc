"""Day close: an entry that states what was booked, once for each period, and `verify` believes no false one."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from posd.ledger.accounts import ISSUED, REDEEMED, TENDER, TURNOVER
from posd.ledger.closing import NothingToClose, read_period
from posd.ledger.entries import Draft, Entry, Kind
from posd.ledger.export import export_json_lines
from posd.ledger.stats import trial_balance
from posd.ledger.store import Store
from posd.ledger.totals import close_body, summary
from posd.ledger.verify import verify_journal, verify_ledger
from tests.fakes.clock import FakeClock
from tests.fakes.sales import back, enrolment, held_writer, new_id, open_store, sale


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path, till_id="t") as store:
        yield store


def close(store: Store) -> Entry:
    return store.close_period(new_id(), FakeClock().now())


def test_a_close_states_what_was_booked_since_the_last_one(store: Store) -> None:
    sold = sale(earned=10, spent=4)
    for draft in (enrolment("m1"), sold, sale("m2", earned=5), back(sold)):
        store.append(draft).result()
    first = close(store)
    moved = {"club:issued": -15, "club:redeemed": 4, "member:*": 11}
    money = {"shop:tender": 200_000, "shop:turnover": -200_000}
    assert first.draft.body == {
        "first": 1,
        "last": 4,
        "hash": first.prev.hex(),
        "entries": {"enrol": 1, "sale": 2, "void": 1},
        "totals": {
            "enrol": {},
            "sale": {"IRR": money, "PTS": moved},
            "void": {
                "IRR": {"shop:tender": -100_000, "shop:turnover": 100_000},
                "PTS": {"club:issued": 10, "club:redeemed": -4, "member:*": -6},
            },
        },
        "perpetual": {
            "IRR": {"shop:tender": 100_000, "shop:turnover": -100_000},
            "PTS": {"club:issued": -5, "member:*": 5},
        },
    }
    store.append(sale("m2", earned=7)).result()
    second = close(store).draft.body
    assert (second["first"], second["last"], second["entries"]) == (5, 6, {"close": 1, "sale": 1})
    assert second["perpetual"]["PTS"] == {ISSUED: -12, "member:*": 12}
    assert second["perpetual"]["IRR"] == {TENDER: 200_000, TURNOVER: -200_000}
    assert REDEEMED not in second["perpetual"]["PTS"], "it came to nothing"
    assert verify_ledger(store.path).ok


def test_closing_twice_with_nothing_new_is_the_same_close(store: Store) -> None:
    store.append(sale()).result()
    standing = close(store)
    assert close(store) == standing == close(store)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: close(store), range(8))) == {standing}
    assert store.reader().head().seq == 2
    store.append(sale()).result()
    assert close(store).seq == 4


def test_an_empty_journal_has_nothing_to_close(store: Store) -> None:
    with pytest.raises(NothingToClose, match="nothing was booked"):
        close(store)
    assert store.reader().head().seq == 0


def test_what_is_sold_while_it_adds_up_is_in_the_close_or_after_it(store: Store) -> None:
    """The sums made beside the writer are older than the moment of the close."""
    for _ in range(3):
        store.append(sale()).result()
    with ThreadPoolExecutor(1) as pool:
        with held_writer(store):
            closing = pool.submit(close, store)
            sales = [store.append(sale()) for _ in range(5)]
        closing.result()
    for sold in sales:
        sold.result()
    close(store)
    assert verify_ledger(store.path).ok


def test_many_who_close_at_once_while_others_sell_make_closes_that_are_true(store: Store) -> None:
    def work(n: int) -> None:
        store.append(sale()).result() if n % 3 else close(store)

    store.append(sale()).result()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(60)))
    assert verify_ledger(store.path).ok


def test_a_restart_and_a_new_epoch_change_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path, till_id="t") as store:
        store.append(sale()).result()
        standing = close(store)
    store = Store.open(tmp_path / "ledger.db", clock=FakeClock(), epoch=1, ballast_bytes=0)
    assert close(store) == standing
    store.append(sale()).result()
    assert close(store).draft.body["first"] == 2
    store.close()
    assert verify_ledger(tmp_path / "ledger.db").ok


def true_body(store: Store, first: int) -> dict[str, Any]:
    """What a close now would state."""
    reader = store.reader()
    head, accounts = reader.head(), trial_balance(reader)
    held = (((account, unit), n) for account, units in accounts.items() for unit, n in units.items())
    return close_body(read_period(reader.db, first, head.seq), head.hash, summary(held))


LIES: dict[str, dict[str, Any]] = {
    "totals": {"totals": {"close": {}, "sale": {}}},
    "perpetual": {"perpetual": {"PTS": {"member:*": 10**6, ISSUED: -(10**6)}}},
    "entries": {"entries": {"close": 1, "sale": 2}},
    "hash": {"hash": "00" * 32},
    "last": {"last": 3},
    "first": {"first": 1},
    "more": {"more": 1},
}


@pytest.mark.parametrize("lie", ["none", *LIES])
def test_a_close_that_lies_is_named(store: Store, lie: str) -> None:
    """Its chain is whole: the till itself booked it. In the file and in an export; the truth is the control."""
    for _ in range(2):
        store.append(sale()).result()
    standing = close(store)
    store.append(sale()).result()
    body = true_body(store, standing.seq) | LIES.get(lie, {})
    seq = store.append(Draft(new_id(), Kind.CLOSE, FakeClock().now(), None, (), body)).result().seq
    out = io.StringIO()
    export_json_lines(store.reader(), out)
    for broken in (verify_ledger(store.path).broken, verify_journal(out.getvalue().splitlines()).broken):
        assert (broken is None) is (lie == "none")
        assert broken is None or (broken.seq, broken.promise) == (seq, "close")


def test_every_entry_says_what_the_clocks_said(store: Store) -> None:
    """Wall clock, boot and monotonic time are hashed with everything else; a step back is told and stops nothing."""
    clock = FakeClock()
    first = store.append(replace(sale(), at=clock.now())).result()
    clock.step_wall_ms(-86_400_000)
    clock.mono_ns += 5_000_000_000
    second = store.append(replace(sale(), at=clock.now())).result()
    assert second.draft.at.wall_ms < first.draft.at.wall_ms
    assert second.draft.at.mono_ns - first.draft.at.mono_ns == 5_000_000_000
    assert first.draft.at.boot == second.draft.at.boot == clock.boot
    connection = sqlite3.connect(store.path)
    (payload,) = connection.execute("select payload from entry where seq = 2").fetchone()
    connection.close()
    assert f'"wall_ms":{clock.wall_ms}'.encode() in payload
