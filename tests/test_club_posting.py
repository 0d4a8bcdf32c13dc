"""Posting: what entries do to members and balances, and what happens to those that a person must look at. Over HTTP,
on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from posd.club.journal import take_in
from posd.club.owner import parked_entries, report
from posd.club.posting import post_pending, tills_behind
from posd.club.tables import day_total, head, movement, sale, spend
from posd.ledger.entries import Entry, Head, Kind, Leg, chain_hash
from posd.ledger.members import MemberRow
from posd.till.evidence import reader_check_draft
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeTill, new_id
from tests.fakes.postgres import ENGINES, database_url
from tests.fakes.running_club import RunningClub

KEY, OTHER_KEY, PHONE_KEY = "ab" * 16, "cd" * 16, "ef" * 16


class Shop:
    """A club with two tills, and short ways to ask what it thinks."""

    def __init__(self, club: RunningClub) -> None:
        self.club = club
        self.one = FakeTill(club.url, club.enrol("Till 1"))
        self.two = FakeTill(club.url, club.enrol("Till 2"))

    def push(self, till: FakeTill | None = None) -> list[tuple[str, str]]:
        """Push everything; what became of each entry."""
        return [(d.state, d.reason) for d in (till or self.one).push().dispositions]

    def member(self, member_id: str) -> MemberRow:
        return next(row for row in self.one.pull().members if row.member_id == member_id)

    def points(self, member_id: str) -> int:
        return self.member(member_id).balances.get("PTS", 0)

    def rows(self, table: Any) -> list[dict[str, Any]]:
        assert self.club.opened is not None
        return self.club.opened.database.read(lambda c: [dict(row) for row in c.execute(select(table)).mappings()])


@pytest.fixture(params=ENGINES)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with RunningClub(tmp_path / "club", database_url=database_url(request.param)) as club:
        shop = Shop(club)
        yield shop
        shop.one.close()
        shop.two.close()


# ---- what is posted ----


def test_a_day_of_a_member(shop: Shop) -> None:
    member = shop.one.enrol(KEY, PHONE_KEY, gift=50)
    sold = shop.one.sell(member, 20_000_000, earned={"PTS": 200, "CREDIT": 200_000})
    shop.one.sell(member, 5_000_000, earned={"PTS": 40}, spent={"PTS": 100}, value_minor=100_000)
    shop.one.refund(member, sold, 4_000_000, taken_back=40)
    assert set(shop.push()) == {("posted", "")}
    row = shop.member(member)
    assert row.balances == {"PTS": 50 + 200 + 40 - 100 - 40, "CREDIT": 200_000}
    assert set(row.keys) == {KEY, PHONE_KEY}
    assert row.progress == {"IRR": 21_000_000}


def test_void_takes_back_what_the_sale_did_and_its_turnover(shop: Shop) -> None:
    member = shop.one.enrol(KEY)
    sold = shop.one.sell(member, 40_000_000, earned={"PTS": 400})
    shop.push()
    assert shop.member(member).tier == "silver"
    shop.one.void(member, sold, 40_000_000, {"PTS": -400})
    assert shop.push()[-1] == ("posted", "")
    row = shop.member(member)
    assert (row.balances, row.tier, row.progress) == ({"PTS": 0}, "bronze", {"IRR": 0})
    totals = [(r["sales"], r["total_minor"]) for r in shop.rows(day_total)]
    assert totals == [(0, 0)]


def test_refunds_and_voids_may_take_a_balance_below_zero(shop: Shop) -> None:
    """The goods are back; what was earned by them is owed, even when it is spent."""
    member = shop.one.enrol(KEY)
    sold = shop.one.sell(member, 10_000_000, earned={"PTS": 100})
    shop.one.sell(member, 10_000_000, spent={"PTS": 100}, value_minor=100_000)
    shop.one.refund(member, sold, 10_000_000, taken_back=100)
    assert shop.push()[-1] == ("posted", "")
    assert shop.points(member) == -100
    shop.one.sell(member, 10_000_000, earned={"PTS": 70})
    assert shop.push()[-1] == ("posted", ""), "earning is never stopped by a debt"
    assert shop.points(member) == -30


def test_sales_without_a_card_are_counted_and_touch_nobody(shop: Shop) -> None:
    shop.one.sell(None, 640_000)
    shop.one.sell(None, 360_000)
    assert shop.push() == [("posted", "")] * 2
    (total,) = shop.rows(day_total)
    assert (total["carded"], total["sales"], total["total_minor"]) == (0, 2, 1_000_000)
    assert shop.one.pull().members == ()


def test_a_card_is_added_to_a_member(shop: Shop) -> None:
    member = shop.one.enrol(PHONE_KEY)
    shop.one.link(member, KEY)
    assert shop.push() == [("posted", "")] * 2
    assert set(shop.member(member).keys) == {KEY, PHONE_KEY}


def test_a_tier_is_left_when_purchases_leave_the_window(tmp_path: Path) -> None:
    """No entry is needed for it: the calendar does it, once a day."""
    clock = FakeClock(wall_ms=1_795_291_200_000)
    with RunningClub(tmp_path / "club", clock=clock) as club:
        shop = Shop(club)
        member = shop.one.enrol(KEY, at_ms=clock.wall_ms)
        shop.one.sell(member, 30_000_000, at_ms=clock.wall_ms)
        shop.push()
        page = shop.one.pull()
        assert page.members[0].tier == "silver"
        clock.advance_ms(364 * 86_400_000)
        shop.two.sell(None, 10_000, at_ms=clock.wall_ms)
        shop.two.push()
        assert shop.one.pull(page.cursor).members == (), "the last day of the window"
        clock.advance_ms(86_400_000)
        shop.two.sell(None, 10_000, at_ms=clock.wall_ms)
        shop.two.push(after=1)
        (row,) = shop.one.pull(page.cursor).members
        assert (row.tier, row.progress) == ("bronze", {})
        shop.one.close()
        shop.two.close()


# ---- what waits for a person ----


def test_an_overdrawn_sale_is_parked_and_blocks_nothing(shop: Shop) -> None:
    member = shop.one.enrol(KEY, gift=50)
    shop.one.sell(member, 5_000_000, earned={"PTS": 30}, spent={"PTS": 60}, value_minor=60_000)
    shop.one.sell(member, 1_000_000, earned={"PTS": 10})
    assert shop.push() == [("posted", ""), ("parked", "overdrawn"), ("posted", "")]
    assert shop.points(member) == 60, "nothing of the parked sale moved"
    assert sum(row["total_minor"] for row in shop.rows(day_total)) == 6_000_000, "but the goods were sold"
    assert {row["state"] for row in shop.rows(sale)} == {"parked", "posted"}


def test_two_offline_tills_that_spend_the_same_points(shop: Shop) -> None:
    member = shop.one.enrol(KEY, gift=100)
    shop.push()
    for till in (shop.one, shop.two):
        till.sell(member, 1_000_000, spent={"PTS": 100}, value_minor=100_000)
    assert shop.one.push(after=1).dispositions[0].state == "posted"
    assert shop.push(shop.two) == [("parked", "overdrawn")]
    assert shop.points(member) == 0


def test_an_unknown_members_sale_waits_for_the_member(shop: Shop) -> None:
    """The till that enrolled him was cut off; his sale at another till came first."""
    member = new_id().hex()
    sold = shop.two.sell(member, 2_000_000, earned={"PTS": 20})
    shop.two.refund(member, sold, 500_000, taken_back=5)
    assert shop.push(shop.two) == [("parked", "unknown_member")] * 2
    shop.one.enrol(KEY, member=member, gift=50)
    assert shop.push(shop.one) == [("posted", "")]
    assert shop.points(member) == 65
    assert shop.push(shop.two) == [("posted", "")] * 2, "asked again, the club says what became of them"
    assert sum(row["total_minor"] for row in shop.rows(day_total)) == 1_500_000, "counted once"


def test_a_refund_waits_for_a_sale_that_is_parked(shop: Shop) -> None:
    """What was never given is not taken back."""
    member = shop.one.enrol(KEY)
    sold = shop.one.sell(member, 1_000_000, spent={"PTS": 10}, value_minor=10_000)
    shop.one.void(member, sold, 1_000_000, {"PTS": 10})
    assert shop.push() == [("posted", ""), ("parked", "overdrawn"), ("parked", "unknown_sale")]
    assert shop.points(member) == 0
    assert sum(row["total_minor"] for row in shop.rows(day_total)) == 0


def test_a_sale_is_voided_once(shop: Shop) -> None:
    member = shop.one.enrol(KEY)
    sold = shop.one.sell(member, 1_000_000, earned={"PTS": 10})
    for _ in range(2):
        shop.one.void(member, sold, 1_000_000, {"PTS": -10})
    assert shop.push()[2:] == [("posted", ""), ("parked", "already_voided")]
    assert shop.points(member) == 0
    assert sum(row["total_minor"] for row in shop.rows(day_total)) == 0


def test_an_id_is_booked_once_for_ever(shop: Shop) -> None:
    """Till 2 is a clone that reports till 1's sale as its own."""
    member = shop.one.enrol(KEY)
    sold = shop.one.sell(member, 1_000_000, earned={"PTS": 10})
    shop.push()
    shop.two.sell(member, 1_000_000, earned={"PTS": 10}, entry_id=sold)
    assert shop.push(shop.two) == [("parked", "duplicate_entry")]
    assert shop.points(member) == 10


def test_a_person_who_joined_at_two_cut_off_tills(shop: Shop) -> None:
    """Both memberships live and keep their sales; the phone stays with the first until somebody merges them."""
    first = shop.one.enrol(KEY, PHONE_KEY, gift=50)
    second = shop.two.enrol(OTHER_KEY, PHONE_KEY, gift=50)
    shop.two.sell(second, 1_000_000, earned={"PTS": 10})
    shop.push(shop.one)
    assert shop.push(shop.two) == [("parked", "key_taken"), ("posted", "")]
    assert set(shop.member(first).keys) == {KEY, PHONE_KEY}
    assert shop.member(second).keys == (OTHER_KEY,)
    assert shop.points(second) == 60


def test_a_card_of_somebody_else_is_not_given_away(shop: Shop) -> None:
    owner, thief = shop.one.enrol(KEY), shop.one.enrol(OTHER_KEY)
    shop.one.link(thief, KEY)
    assert shop.push()[-1] == ("parked", "key_taken")
    assert shop.member(owner).keys == (KEY,)


def test_a_member_id_is_enrolled_once(shop: Shop) -> None:
    member = shop.one.enrol(KEY, gift=50)
    shop.one.enrol(OTHER_KEY, member=member, gift=50)
    assert shop.push()[-1] == ("parked", "member_exists")
    assert shop.points(member) == 50


def test_what_the_club_does_not_understand_is_kept_and_shown(shop: Shop) -> None:
    member = shop.one.enrol(KEY)
    good = {"currency": "IRR", "total_minor": 1, "payable_minor": 1, "redemptions": [], "earnings": []}
    stranger = [Leg("member:somebody-else", "PTS", 5), Leg("club:issued", "PTS", -5)]
    shop.one.write(Kind.SALE, {}, member=member)
    shop.one.write(Kind.SALE, {**good, "total_minor": "1"}, member=member)
    shop.one.write(Kind.SALE, {**good, "total_minor": 2**80}, member=member)
    shop.one.write(Kind.SALE, {**good, "currency": "I\x00R"}, member=member)
    shop.one.write(Kind.SALE, good, member=member, legs=stranger)
    shop.one.write(Kind.ENROL, {"member_id": "x", "keys": [], "sealed": "", "consent": True}, member="y")
    shop.one.sell(member, 100_000, earned={"PTS": 1})
    assert shop.push() == [("posted", ""), *[("parked", "unreadable")] * 6, ("posted", "")]
    assert shop.points(member) == 1


def test_evidence_of_a_reader_check_is_kept_and_moves_nothing(shop: Shop) -> None:
    member = shop.one.enrol(KEY, gift=50)
    checked = reader_check_draft(
        new_id(),
        FakeClock().now(),
        reader="desk",
        driver="hid_keyboard",
        identity="usb-1#S12",
        level="external",
        results=[("present", True), ("answers", False)],
    )
    shop.one.append(checked)
    shop.one.append(replace(checked, entry_id=new_id(), member=member))
    shop.one.sell(member, 100_000, earned={"PTS": 1})
    assert shop.push() == [("posted", ""), ("posted", ""), ("parked", "unreadable"), ("posted", "")]
    assert shop.points(member) == 51
    (total,) = shop.rows(day_total)
    assert (total["sales"], total["total_minor"]) == (1, 100_000)


def test_a_kind_of_a_newer_till_is_parked_not_refused(shop: Shop) -> None:
    identity, till = new_id(), shop.one
    payload = json.dumps({"v": 1, "id": identity.hex(), "kind": "gift_card"}).encode()
    digest = chain_hash(till.grant.till_id, 1, 1, identity, till.head.hash, payload)
    till.entries.append(Entry(1, 1, identity, payload, till.head.hash, digest))
    till.head = Head(1, 1, digest)
    till.sell(None, 100_000)
    assert shop.push() == [("parked", "unreadable"), ("posted", "")]


def test_a_person_sealed_for_another_club_is_a_member_without_a_name(shop: Shop) -> None:
    member = new_id().hex()
    body = {"member_id": member, "keys": [KEY], "sealed": "posd-seal-1.AAAA", "consent": True}
    shop.one.write(Kind.ENROL, body, member=member)
    assert shop.push() == [("parked", "person_unreadable")]
    assert (shop.member(member).name, shop.member(member).keys) == ("", (KEY,))


def test_parked_entries_are_listed_for_people(shop: Shop) -> None:
    shop.one.sell("nobody", 1_000_000, earned={"PTS": 10})
    shop.push()
    assert shop.club.opened is not None
    listed = shop.club.opened.database.read(lambda c: parked_entries(c, shop.club.club.club_id))
    assert [(row["seq"], row["reason"]) for row in listed] == [(1, "unknown_member")]
    shown = report(shop.club.state_dir, shop.club.database_url)
    assert [row["reason"] for row in shown["parked"]] == ["unknown_member"]


# ---- stop and go ----


def test_a_restart_posts_what_was_stored_and_not_posted(shop: Shop) -> None:
    """The club was killed between storing and posting: nothing is lost, nothing is done twice."""
    member = shop.one.enrol(KEY)
    for _ in range(250):
        shop.one.sell(member, 100_000, earned={"PTS": 1})
    opened, till_id = shop.club.opened, shop.one.grant.till_id
    assert opened is not None
    club_id = opened.club.club_id
    opened.database.write(lambda c: take_in(c, club_id, till_id, shop.one.request(), 1_795_000_000_000))
    assert opened.database.read(lambda c: tills_behind(c, club_id)) == [till_id]
    assert shop.one.pull().members == ()
    shop.club.stop()
    shop.club.start()
    assert shop.points(member) == 250
    assert set(shop.push()) == {("posted", "")}
    assert shop.points(member) == 250


def test_posting_again_finds_nothing_to_do(shop: Shop) -> None:
    member = shop.one.enrol(KEY)
    shop.one.sell(member, 100_000, earned={"PTS": 1})
    shop.push()
    opened = shop.club.opened
    assert opened is not None
    assert post_pending(opened.database, opened.club, opened.keys, shop.one.grant.till_id) == 0
    assert shop.points(member) == 1


def test_balances_are_the_sum_of_movements(shop: Shop) -> None:
    """The projection can be reckoned anew at any time."""
    member = shop.one.enrol(KEY, gift=50)
    for n in range(1, 8):
        shop.one.sell(member, 100_000 * n, earned={"PTS": n, "CREDIT": 10 * n}, spent={"PTS": n % 3} if n % 3 else {})
    shop.push()
    sums: dict[str, int] = {}
    for row in shop.rows(movement):
        sums[row["unit"]] = sums.get(row["unit"], 0) + row["amount"]
    assert shop.member(member).balances == sums
    assert sum(row["amount_minor"] for row in shop.rows(spend)) == sum(100_000 * n for n in range(1, 8))
    assert {row["posted_seq"] for row in shop.rows(head)} == {8}
