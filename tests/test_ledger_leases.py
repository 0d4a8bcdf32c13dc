"""Leases in the ledger: the database lets nobody take out of one what was not put in, and a copy of yesterday takes
nothing at all."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from posd.clock import Instant
from posd.ledger.accounts import LEASED, lease_account
from posd.ledger.connection import connect_writer
from posd.ledger.entries import Draft, Entry, Head, Kind, Leg
from posd.ledger.export import export_json_lines
from posd.ledger.leases import LONGEST_MS, Held, Lease, OpenLease, drawn, lease_draft, release_draft, rights
from posd.ledger.mark import Mark
from posd.ledger.members import DeltaPage
from posd.ledger.store import Store
from posd.ledger.verify import verify_journal, verify_ledger
from tests.fakes.clock import FakeClock
from tests.fakes.sales import member, new_id, open_store, sale

CLOCK = FakeClock()
FIRST, SECOND = "01" * 16, "02" * 16


def take_up(store: Store, lease_id: str = FIRST, member_id: str = "m1", **amounts: int) -> Entry:
    return store.append(lease_draft(Lease(lease_id, member_id, amounts), CLOCK.now(), store.incarnation)).result()


def spend(amount: int, lease_id: str = FIRST, member_id: str = "m1") -> Draft:
    """A sale that spends points out of a lease."""
    plain = sale(member_id, earned=0, spent=amount)
    legs = (*plain.legs, *drawn([Held(lease_id, {"PTS": amount})], {"PTS": amount}))
    return Draft(plain.entry_id, plain.kind, plain.at, member_id, legs, plain.body)


def held(store: Store, member_id: str = "m1") -> dict[str, int]:
    standing = store.reader().standing(member_id)
    return rights(standing.leases) if standing else {}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path) as opened:
        opened.apply_deltas(DeltaPage("c", 0, (member(points=100), member("m2", points=100)))).result()
        yield opened


def test_a_lease_is_spent_and_given_back(store: Store) -> None:
    take_up(store, PTS=60, CREDIT=500)
    store.append(spend(20)).result()
    assert held(store) == {"PTS": 40, "CREDIT": 500}
    standing = store.reader().standing("m1")
    assert standing is not None and standing.balances["PTS"] == 80, "a lease is a part of the balance, not more of it"
    back = release_draft(new_id(), CLOCK.now(), "m1", standing.leases)
    assert back is not None
    store.append(back).result()
    assert held(store) == {}
    assert verify_ledger(store.path).ok


def test_two_leases_are_spent_from_the_oldest_and_given_back_from_the_newest(store: Store) -> None:
    take_up(store, FIRST, PTS=10)
    take_up(store, SECOND, PTS=10)
    standing = store.reader().standing("m1")
    assert standing is not None
    assert [(leg.account, leg.amount) for leg in drawn(standing.leases, {"PTS": 15})][::2] == [
        (lease_account(FIRST), -10),
        (lease_account(SECOND), -5),
    ]
    back = release_draft(new_id(), CLOCK.now(), "m1", standing.leases, {"PTS": 12})
    assert back is not None and [leg.account for leg in back.legs] == [lease_account(SECOND), LEASED]
    assert release_draft(new_id(), CLOCK.now(), "m1", standing.leases, {"PTS": 20}) is None


def other(kind: Kind, *legs: Leg, entry_id: bytes | None = None, member_id: str | None = "m1") -> Draft:
    return Draft(entry_id or new_id(), kind, CLOCK.now(), member_id, legs, {})


def filling(amount: int, kind: Kind = Kind.RELEASE) -> Draft:
    return other(kind, Leg(lease_account(FIRST), "PTS", amount), Leg(LEASED, "PTS", -amount))


@pytest.mark.parametrize(
    "draft",
    [
        spend(61),
        spend(1, SECOND),
        spend(1, member_id="m2"),
        filling(-61),
        filling(5),
        filling(5, Kind.LEASE),
        other(Kind.LEASE, Leg(lease_account(SECOND), "PTS", 5), Leg(LEASED, "PTS", -5), member_id=None,
              entry_id=bytes.fromhex(SECOND)),
    ],
    ids=["too much", "no such lease", "another's", "gives back too much", "fills it", "fills another's", "nobody's"],
)  # fmt: skip
def test_the_ledger_refuses_what_a_lease_does_not_hold(store: Store, draft: Draft) -> None:
    take_up(store, PTS=60)
    with pytest.raises(ValueError, match=r"I6|NOT NULL"):
        store.append(draft).result()
    assert held(store) == {"PTS": 60}
    store.append(spend(60)).result()
    assert held(store) == {}, "positive control: what it holds is not refused"
    with pytest.raises(ValueError, match="I6"):
        store.append(spend(1)).result()


def test_a_lease_that_is_told_twice_is_taken_up_once(store: Store) -> None:
    first = take_up(store, PTS=60)
    store.append(spend(60)).result()
    assert take_up(store, PTS=60) == first
    assert held(store) == {}


def test_what_the_club_asks_for_comes_first_and_is_remembered(store: Store) -> None:
    take_up(store, FIRST, PTS=1)
    take_up(store, SECOND, PTS=1, CREDIT=2)
    page = DeltaPage("c2", 0, recalled=(SECOND, "ff" * 16))
    for _ in range(2):
        store.apply_deltas(page).result()
    first, last = store.reader().open_leases(9)
    assert (first.held, first.recalled) == (Held(SECOND, {"CREDIT": 2, "PTS": 1}), True)
    assert (last.held, last.recalled) == (Held(FIRST, {"PTS": 1}), False)


def test_after_72_hours_a_lease_is_due_and_a_wall_clock_that_jumps_does_not_hurry_it() -> None:
    clock = FakeClock()
    lease = OpenLease("m1", Held(FIRST, {"PTS": 1}), clock.now(), "")
    clock.step_wall_ms(10 * LONGEST_MS)
    clock.advance_ms(LONGEST_MS - 1)
    assert not lease.is_due(clock.now())
    clock.advance_ms(1)
    assert lease.is_due(clock.now())
    restarted = Instant(lease.taken_at.wall_ms + LONGEST_MS // 2, "b1" * 16, 5)
    assert not lease.is_due(restarted)


def exported(store: Store) -> list[str]:
    out = io.StringIO()
    export_json_lines(store.reader(), out)
    return out.getvalue().splitlines()


# ---- I6 without the database's help ----


def test_verify_finds_an_overdrawn_lease_in_the_file_and_in_an_export(store: Store) -> None:
    take_up(store, PTS=60)
    store.append(spend(20)).result()
    good = exported(store)
    assert verify_journal(good).ok, "positive control"
    store._writing.submit(lambda books: books.db.execute("drop trigger lease_drawn")).result()
    store.append(spend(41)).result()
    for report in (verify_ledger(store.path), verify_journal(exported(store))):
        assert report.broken is not None and report.broken.promise == "I6"
        assert report.broken.seq == 3


def test_verify_finds_a_rest_that_was_put_up(store: Store) -> None:
    take_up(store, PTS=60)
    store._writing.submit(lambda books: books.db.execute("update lease set rest = 61")).result()
    report = verify_ledger(store.path)
    assert report.broken is not None and (report.broken.promise, report.broken.seq) == ("I6", 1)


# ---- machines that came back from a backup ----


def test_a_restart_keeps_leases(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.apply_deltas(DeltaPage("c", 0, (member(points=100),))).result()
        take_up(store, PTS=60)
        store.append(spend(20)).result()
    with open_store(tmp_path) as store:
        assert held(store) == {"PTS": 40}


@pytest.mark.parametrize("what", ["the ledger alone", "mark and ledger", "the mark is gone"])
def test_a_ledger_from_a_backup_spends_nothing_and_gives_nothing_back(tmp_path: Path, what: str) -> None:
    till, backup = tmp_path / "till", tmp_path / "backup"
    till.mkdir()
    with open_store(till) as store:
        store.apply_deltas(DeltaPage("c", 0, (member(points=100),))).result()
        first = store.incarnation
        take_up(store, PTS=60)
    shutil.copytree(till, backup)
    with open_store(till) as store:
        store.append(spend(50)).result()
    if what == "the mark is gone":
        (till / "ledger.db.mark").unlink()
    else:
        shutil.copy(backup / "ledger.db", till / "ledger.db")
    if what == "mark and ledger":
        aside = till / "ledger.db.mark"
        aside.rename(till / "old")  # as unpacking an archive does it: a new file takes the name
        shutil.copy(backup / "ledger.db.mark", aside)
    for _ in range(2):
        with open_store(till) as store:
            assert held(store) == {}
            with pytest.raises(ValueError, match="I6"):
                store.append(spend(1)).result()
            assert verify_ledger(store.path).ok
    with open_store(till) as store:
        assert store.incarnation != first
        take_up(store, SECOND, PTS=5)
    with open_store(till) as store:
        assert held(store) == {"PTS": 5}, "what is granted afterwards counts"


def test_a_ledger_that_forgot_a_lease_altogether_is_found_out_too(tmp_path: Path) -> None:
    """It holds none; but the club may think that it was never taken up, and name it again."""
    with open_store(tmp_path) as store:
        incarnation = store.incarnation
    shutil.copy(tmp_path / "ledger.db", tmp_path / "backup")
    with open_store(tmp_path) as store:
        assert store.incarnation == incarnation, "positive control: a restart changes nothing"
        take_up(store, PTS=60)
    shutil.copy(tmp_path / "backup", tmp_path / "ledger.db")
    with open_store(tmp_path) as store:
        assert store.incarnation != incarnation


def test_the_same_backup_put_back_twice_is_found_out_twice(tmp_path: Path) -> None:
    """After the first time the mark names an entry that the backup holds."""
    with open_store(tmp_path) as store:
        store.apply_deltas(DeltaPage("c", 0, (member(points=100),))).result()
        take_up(store, PTS=60)
    shutil.copy(tmp_path / "ledger.db", tmp_path / "backup")
    with open_store(tmp_path) as store:
        store.append(spend(50)).result()
    for _ in range(2):
        shutil.copy(tmp_path / "backup", tmp_path / "ledger.db")
        with open_store(tmp_path) as store:
            assert held(store) == {}


def test_a_backup_that_comes_to_a_new_machine_spends_nothing(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for place in (old, new):
        place.mkdir()
        with open_store(place) as store:
            store.apply_deltas(DeltaPage("c", 0, (member(points=100),))).result()
    with open_store(old) as store:
        take_up(store, PTS=60)
    shutil.copy(old / "ledger.db", new / "ledger.db")
    with open_store(new) as store:
        assert held(store) == {}


def test_leases_end_with_their_epoch(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.apply_deltas(DeltaPage("c", 0, (member(points=100),))).result()
        take_up(store, PTS=60)
    store = Store.open(tmp_path / "ledger.db", till_id="till-1", clock=CLOCK, epoch=5, ballast_bytes=0)
    assert held(store) == {}
    store.close()


def test_a_torn_mark_is_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    heads = [Head(1, n, bytes([n]) * 32) for n in (1, 2, 3)]
    mark = Mark(path)
    for head in heads:
        mark.put(head)
        assert (Mark(path).head, Mark(path).incarnation) == (head, mark.incarnation)
    content = bytearray(path.read_bytes())
    content[256 + 10] ^= 1  # the third lies in the slot of the first
    path.write_bytes(content)
    assert Mark(path).head == heads[1]
    assert Mark(tmp_path / "none").head is None


def test_a_mark_that_cannot_be_written_stops_no_sale(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ledger.db.mark").mkdir()
    with open_store(tmp_path) as store:
        store.apply_deltas(DeltaPage("c", 0, (member(points=100),))).result()
        take_up(store, PTS=60)
    assert "cannot be written" in caplog.text


def test_sales_without_a_lease_touch_no_mark(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        before = (tmp_path / "ledger.db.mark").read_bytes()
        store.append(sale()).result()
        assert (tmp_path / "ledger.db.mark").read_bytes() == before
        take_up(store, PTS=60)
        assert (tmp_path / "ledger.db.mark").read_bytes() != before, "positive control"


def test_the_table_of_leases_holds_nothing_that_is_used_up(store: Store) -> None:
    take_up(store, PTS=60)
    store.append(spend(60)).result()
    db = connect_writer(store.path)
    assert db.execute("select count(*) from lease").fetchone() == (0,)
    db.close()
