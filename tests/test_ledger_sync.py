"""What the sync side writes: acknowledgements, attempts, the club's changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from posd.ledger.members import DeltaPage, MemberRow
from posd.ledger.store import LedgerForked, Store
from posd.sync.wire import Disposition
from tests.fakes.clock import FakeClock
from tests.fakes.sales import enrolment, member, open_store, sale


def book(store: Store, count: int, member_id: str = "m1") -> None:
    for future in [store.append(sale(member_id)) for _ in range(count)]:
        future.result()


def acknowledge(store: Store, seq: int, *verdicts: Disposition) -> int:
    entry = store.reader().entry_by_seq(seq)
    return store.acknowledge(seq, entry.hash if entry else bytes(32), verdicts).result()


def page(*rows: MemberRow, posted_seq: int = 0, cursor: str = "c", more: bool = False) -> DeltaPage:
    return DeltaPage(cursor, posted_seq, rows, more=more)


def points(store: Store, member_id: str = "m1") -> int | None:
    standing = store.reader().standing(member_id)
    return None if standing is None else standing.balances.get("PTS", 0)


def test_acknowledging_empties_the_outbox_up_to_there(tmp_path: Path) -> None:
    """I7, I10."""
    with open_store(tmp_path) as store:
        book(store, 5)
        assert acknowledge(store, 3) == 3
        reader = store.reader()
        assert [entry.seq for entry in reader.pending()] == [4, 5]
        assert reader.outbox_depth() == reader.backlog().depth == 2
        assert reader.acked_seq() == reader.acked_head().seq == 3
        assert acknowledge(store, 2) == 3, "an older acknowledgement that comes late changes nothing"
        assert acknowledge(store, 0) == 3


def test_another_hash_is_a_fork_and_writes_nothing(tmp_path: Path) -> None:
    """I8."""
    with open_store(tmp_path) as store:
        book(store, 2)
        for seq, digest in ((1, bytes(32)), (3, bytes(32)), (0, b"x" * 32)):
            with pytest.raises(LedgerForked):
                store.acknowledge(seq, digest).result()
        assert store.reader().outbox_depth() == 2
        assert store.fault is None
        book(store, 1)


def test_what_the_club_parked_is_shown_until_it_is_posted(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        book(store, 3)
        acknowledge(
            store, 3, Disposition(1, "posted"), Disposition(2, "parked", "unknown member"), Disposition(9, "parked")
        )
        (parked,) = store.reader().parked()
        assert (parked.seq, parked.reason) == (2, "unknown member")
        assert store.reader().outbox_depth() == 0
        assert store.metrics()["posd_ledger_parked"] == 1
        acknowledge(store, 3, Disposition(2, "posted"))
        assert store.reader().parked() == ()


def test_attempts_survive_a_restart_but_their_waiting_time_not_a_reboot(tmp_path: Path) -> None:
    clock = FakeClock()
    with open_store(tmp_path) as store:
        book(store, 3)
        for _ in range(2):
            later = replace(clock.now(), mono_ns=clock.mono_ns + 7 * 10**9)
            store.record_attempt(2, reason="timeout", next_at=later).result()
    with open_store(tmp_path) as store:
        backlog = store.reader().backlog()
        assert (backlog.depth, backlog.attempts, backlog.reason) == (3, 2, "timeout")
        assert backlog.wait_ns(clock.now()) == 7 * 10**9
        assert backlog.wait_ns(FakeClock(boot="b1" * 16).now()) == 0
        acknowledge(store, 2)
        assert store.reader().backlog().attempts == 0
        acknowledge(store, 3)
        assert store.reader().backlog().depth == 0


def test_a_standing_is_the_clubs_balance_plus_own_later_legs(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        book(store, 3)  # ten points each
        assert points(store) is None
        store.apply_deltas(page(member(points=110), posted_seq=1)).result()
        assert points(store) == 130
        acknowledge(store, 3)
        assert points(store) == 130, "acknowledged is not yet posted"
        store.apply_deltas(page(member(points=130, version=2), posted_seq=3)).result()
        assert points(store) == 130
        book(store, 1)
        assert points(store) == 140


def test_an_older_version_never_overwrites(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert store.apply_deltas(page(member(points=20, version=5))).result() == 1
        assert store.apply_deltas(page(member(points=10, version=4), cursor="d")).result() == 0
        assert points(store) == 20
        assert store.reader().cursor() == "d"


def test_a_page_that_comes_twice_changes_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        book(store, 2)
        newer = page(member(points=20), posted_seq=2)
        store.apply_deltas(newer).result()
        store.apply_deltas(page(member(points=20), posted_seq=0)).result()
        assert points(store) == 20, "the same version holds the same entries, whichever page told it"


def test_keys_follow_the_club(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.apply_deltas(page(member(keys=("k1", "k2")))).result()
        store.apply_deltas(page(member(keys=("k2", "k3"), version=2))).result()
        found = {key: store.reader().member_by_key(key) for key in ("k1", "k2", "k3")}
        assert found["k1"] is None
        assert found["k2"] == found["k3"]
        assert found["k2"] is not None
        assert found["k2"].row.keys == ("k2", "k3")


def test_an_erased_member_leaves_no_name_and_no_key(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append(enrolment("m1"), provisional=member(keys=("own",))).result()
        store.apply_deltas(page(member(keys=("k1",), points=5))).result()
        store.apply_deltas(page(replace(member(version=2, points=5), state="erased"))).result()
        standing = store.reader().standing("m1")
        assert standing is not None
        assert standing.row == MemberRow("m1", "", "", None, {}, (), 2, state="erased")
        assert store.reader().member_by_key("k1") is None
        assert store.reader().member_by_key("own") is None
        store.apply_deltas(page(member(keys=("k1",)))).result()
        assert store.reader().member_by_key("k1") is None, "an older page does not bring him back"


def test_a_member_enrolled_here_is_known_at_once_and_replaced_by_the_clubs_word(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append(enrolment("m1"), provisional=member(version=0, keys=("k1",))).result()
        book(store, 1)
        known = store.reader().member_by_key("k1")
        assert known is not None
        assert known.balances == {"PTS": 10}
        store.apply_deltas(
            page(replace(member(points=10, version=0, keys=("k1",)), name="Sara M."), posted_seq=2)
        ).result()
        known = store.reader().member_by_key("k1")
        assert known is not None
        assert (known.row.name, known.balances) == ("Sara M.", {"PTS": 10})


def test_a_further_card_stays_until_the_club_has_posted_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.apply_deltas(page(member(points=50, keys=("k1",), version=3))).result()
        linked = store.append(enrolment("m1"), provisional=member(version=3, keys=("k1", "k2"))).result()
        store.apply_deltas(page(member(points=50, keys=("k1",), version=4), posted_seq=linked.seq - 1)).result()
        assert points(store) == 50
        assert store.reader().member_by_key("k2") == store.reader().member_by_key("k1")
        store.apply_deltas(page(member(keys=("k1",), version=5), posted_seq=linked.seq)).result()
        assert store.reader().member_by_key("k2") is None, "the club posted it and says otherwise"


def test_programs_are_replaced_as_a_whole(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.apply_deltas(DeltaPage("a", 0, programs=({"id": "p1"}, {"id": "p2", "name": "امتیاز"}))).result()
        store.apply_deltas(DeltaPage("b", 0)).result()
        assert store.reader().programs() == ({"id": "p1"}, {"id": "p2", "name": "امتیاز"})
        store.apply_deltas(DeltaPage("c", 0, programs=())).result()
        assert store.reader().programs() == ()


def test_a_broken_page_leaves_cursor_and_members_as_they_were(tmp_path: Path) -> None:
    broken = replace(member("m2"), name=None)  # type: ignore[arg-type] # what a defect would hand in
    with open_store(tmp_path) as store:
        store.apply_deltas(page(member(points=1), cursor="a")).result()
        with pytest.raises(ValueError, match="cannot hold"):
            store.apply_deltas(page(member(points=2, version=2), broken, cursor="b")).result()
        assert (store.reader().cursor(), points(store)) == ("a", 1)


def test_a_feed_read_anew_swaps_at_its_end(tmp_path: Path) -> None:
    """410: members stay known meanwhile; who is not told again is gone; provisional ones stay."""
    with open_store(tmp_path) as store:
        store.apply_deltas(page(member("m1", points=1, version=9), member("m2", points=2))).result()
        store.append(enrolment("m3"), provisional=member("m3")).result()
        store.clear_cursor().result()
        assert store.reader().cursor() is None
        store.apply_deltas(page(member("m1", points=7, version=3), cursor="n1", more=True)).result()
        assert (points(store, "m1"), points(store, "m2")) == (7, 2)
        store.apply_deltas(page(cursor="n2")).result()
        assert (points(store, "m1"), points(store, "m2"), points(store, "m3")) == (7, None, 0)
