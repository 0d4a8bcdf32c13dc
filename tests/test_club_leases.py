"""Leases at the club: what is set apart is nobody else's, and comes back by the till's own report alone. Over HTTP, on
SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from posd.club.leases import open_leases, write_off
from posd.club.owner import held_by_tills, set_offline_share, write_off_till
from posd.errors import ConfigError
from posd.ledger.accounts import ISSUED, LEASED, lease_account, member_account
from posd.ledger.entries import Kind, Leg
from posd.ledger.leases import Held, Lease, drawn, lease_draft
from posd.machine import SystemClock
from posd.sync.wire import LeaseAsk, LeaseReply, WireError
from tests.fakes.journal import FakeTill, new_id
from tests.fakes.postgres import ENGINES, database_url
from tests.fakes.running_club import RunningClub

KEY = "ab" * 16
CLOCK = SystemClock()


class Till(FakeTill):
    """A till that asks for leases."""

    incarnation = "a0" * 8

    def ask(self, member: str, lease_id: str = "", epoch: int | None = None, seq: int | None = None) -> LeaseReply:
        place = self.grant.epoch if epoch is None else epoch, len(self.entries) if seq is None else seq
        ask = LeaseAsk(lease_id or new_id().hex(), member, *place, self.incarnation)
        answer = self.send(ask.as_json(), "leases")
        assert answer.status_code == 200, answer.text
        return LeaseReply.from_json(answer.json())

    def take_up(self, lease: Lease) -> None:
        self.append(lease_draft(lease, CLOCK.now(), self.incarnation))

    def spend(self, member: str, points: int, lease: Lease | None) -> None:
        """A sale of 100,000 that points pay a part of, out of the lease."""
        before = self.head
        self.sell(member, 100_000, spent={"PTS": points}, value_minor=points)
        if lease is not None:
            self.head, draft = before, self.entries.pop().draft
            out = drawn([Held(lease.lease_id, {"PTS": points})], {"PTS": points})
            self.append(replace(draft, legs=(*draft.legs, *out)))

    def give_back(self, member: str, lease: Lease, points: int) -> None:
        account = lease_account(lease.lease_id)
        self.write(Kind.RELEASE, {}, member=member, legs=(Leg(account, "PTS", -points), Leg(LEASED, "PTS", points)))


class Shop:
    """A club with two tills and a member who has 100 points."""

    def __init__(self, club: RunningClub) -> None:
        self.club = club
        self.one, self.two = (Till(club.url, club.enrol(name)) for name in ("Till 1", "Till 2"))
        self.member = self.one.enrol(KEY, gift=100)
        assert self.push() == [("posted", "")]

    def push(self, till: Till | None = None) -> list[tuple[str, str]]:
        return [(d.state, d.reason) for d in (till or self.one).push().dispositions]

    def last(self, till: Till | None = None) -> tuple[str, str]:
        return self.push(till)[-1]

    def leased(self, till: Till | None = None) -> Lease:
        """A lease of all that is free, taken up."""
        till = till or self.one
        (lease,) = till.ask(self.member).leases
        till.take_up(lease)
        assert self.last(till) == ("posted", "")
        return lease

    def points(self) -> int:
        return next(row for row in self.one.pull().members if row.member_id == self.member).balances["PTS"]

    def rests(self) -> list[int]:
        opened = self.club.opened
        assert opened is not None
        rows = opened.database.read(lambda c: open_leases(c, self.club.club.club_id))
        return [row["rest"] for row in rows if row["written_off_ms"] is None]


@pytest.fixture(params=ENGINES)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with RunningClub(tmp_path / "club", database_url=database_url(request.param)) as club:
        shop = Shop(club)
        yield shop
        shop.one.close()
        shop.two.close()


def test_what_is_set_apart_for_one_till_is_not_free_for_another(shop: Shop) -> None:
    lease = shop.leased()
    assert lease.amounts == {"PTS": 100}
    assert shop.points() == 100, "a member's balance is what it was"
    assert shop.two.ask(shop.member).leases == ()
    shop.one.spend(shop.member, 30, lease)
    assert shop.last() == ("posted", "")
    assert (shop.points(), shop.rests()) == (70, [70])


def test_only_the_till_s_own_report_sets_free(shop: Shop) -> None:
    lease = shop.leased()
    shop.one.spend(shop.member, 30, lease)
    shop.one.give_back(shop.member, lease, 70)
    assert shop.two.ask(shop.member).leases == (), "nobody has told the club yet"
    assert shop.push()[-2:] == [("posted", "")] * 2
    (theirs,) = shop.two.ask(shop.member).leases
    assert theirs.amounts == {"PTS": 70}


def test_the_same_question_grants_once_and_a_lost_answer_comes_with_the_next(shop: Shop) -> None:
    lease_id = new_id().hex()
    first = shop.one.ask(shop.member, lease_id)
    assert shop.one.ask(shop.member, lease_id) == first
    assert shop.one.ask("").leases == first.leases, "asked for nobody: what was not taken up"
    assert shop.one.ask(shop.member).leases == first.leases
    shop.one.take_up(first.leases[0])
    shop.push()
    assert shop.one.ask(shop.member).leases == ()
    shop.one.spend(shop.member, 100, first.leases[0])
    shop.one.sell(shop.member, 100_000, earned={"PTS": 5})
    shop.push()
    assert shop.one.ask(shop.member, lease_id).leases == (), "an old question that arrives late grants nothing"
    (again,) = shop.one.ask(shop.member).leases
    assert again.amounts == {"PTS": 5}


@pytest.mark.parametrize(("epoch", "seq"), [(7, None), (None, 0)], ids=["another epoch", "behind itself"])
def test_a_till_that_is_not_what_it_was_gets_nothing(shop: Shop, epoch: int | None, seq: int | None) -> None:
    assert shop.one.ask(shop.member, epoch=epoch, seq=seq) == LeaseReply()
    assert shop.one.ask(shop.member).leases, "positive control"


def test_a_lease_of_an_earlier_incarnation_is_not_told_again(shop: Shop) -> None:
    """The till may have taken it up and spent it, and lost the ledger that says so."""
    assert shop.one.ask(shop.member).leases
    assert shop.one.ask("").leases, "positive control"
    shop.one.incarnation = "b0" * 8
    assert shop.one.ask("").leases == shop.one.ask(shop.member).leases == ()
    assert shop.rests() == [100], "it stays set apart until somebody writes it off"


def test_nobody_who_is_unknown_or_without_points_gets_a_lease(shop: Shop) -> None:
    poor = shop.one.enrol("cd" * 16)
    shop.push()
    assert shop.one.ask(poor).leases == shop.one.ask("0" * 32).leases == ()


@pytest.mark.parametrize(
    ("points", "of"), [(101, "own"), (1, "theirs"), (1, "nobody's")], ids=["too much", "another till's", "made up"]
)
def test_spending_what_is_not_held_is_parked(shop: Shop, points: int, of: str) -> None:
    lease = shop.leased(shop.two if of == "theirs" else shop.one)
    shop.one.spend(shop.member, points, replace(lease, lease_id="ee" * 16) if of == "nobody's" else lease)
    assert shop.last() == ("parked", "lease_not_held")
    assert shop.points() == 100


def test_spending_without_a_lease_is_judged_by_what_is_free(shop: Shop) -> None:
    """A till of an older release, or one with a floor limit."""
    shop.leased(shop.two)
    shop.one.spend(shop.member, 1, None)
    assert shop.last() == ("parked", "overdrawn")


def test_a_lease_covers_only_what_is_taken_out_of_it(shop: Shop) -> None:
    lease = shop.leased()
    shop.one.spend(shop.member, 60, None)
    assert shop.last() == ("parked", "overdrawn"), "the till holds it, but did not take it out"
    shop.one.spend(shop.member, 60, lease)
    assert shop.last() == ("posted", "")


def test_a_lease_that_was_not_taken_up_as_granted_counts_for_nothing(shop: Shop) -> None:
    (lease,) = shop.one.ask(shop.member).leases
    shop.one.take_up(replace(lease, amounts={"PTS": 1000}))
    shop.one.spend(shop.member, 1000, lease)
    assert shop.push()[-2:] == [("parked", "lease_not_held")] * 2


@pytest.mark.parametrize("kind", [Kind.LEASE, Kind.RELEASE, Kind.REFUND, Kind.SALE])
def test_entries_that_would_make_something_of_nothing_are_not_read(shop: Shop, kind: Kind) -> None:
    account, name = member_account(shop.member), new_id()
    own = (Leg(account, "PTS", 50), Leg(ISSUED, "PTS", -50))
    filled = (Leg(lease_account("ee" * 16), "PTS", 50), Leg(LEASED, "PTS", -50))
    legs = own if kind in (Kind.LEASE, Kind.RELEASE) else filled
    shop.one.write(kind, {}, member=shop.member, legs=legs, entry_id=name)
    assert shop.last() == ("parked", "unreadable")
    assert (shop.points(), shop.rests()) == (100, [])


def test_another_till_is_asked_back_once(shop: Shop) -> None:
    lease = shop.leased()
    page = shop.one.pull()
    assert page.recalled == ()
    shop.two.ask(shop.member)
    page = shop.one.pull(page.cursor)
    assert page.recalled == (lease.lease_id,)
    shop.two.ask(shop.member)
    assert shop.one.pull(page.cursor).recalled == (), "told once"
    assert shop.two.pull().recalled == ()


def test_a_lost_till_is_written_off_and_its_late_spending_is_parked(shop: Shop) -> None:
    lease = shop.leased()
    opened = shop.club.opened
    assert opened is not None
    club_id, till_id = shop.club.club.club_id, shop.one.grant.till_id
    assert opened.database.write(lambda c: write_off(c, club_id, till_id, 1)) == {"PTS": 100}
    assert opened.database.write(lambda c: write_off(c, club_id, till_id, 2)) == {}
    (theirs,) = shop.two.ask(shop.member).leases
    assert theirs.amounts == {"PTS": 100}
    shop.one.spend(shop.member, 30, lease)
    shop.one.give_back(shop.member, lease, 70)
    assert shop.push()[-2:] == [("parked", "lease_not_held")] * 2
    rows = opened.database.read(lambda c: open_leases(c, club_id))
    assert [(row["till_id"], row["rest"]) for row in rows if row["written_off_ms"]] == [(till_id, 100)], "visible"


def test_the_owner_s_commands(tmp_path: Path) -> None:
    with RunningClub(tmp_path / "club") as club:
        shop = Shop(club)
        assert shop.one.ask("").keep_permille == 500
        shop.leased()
        set_offline_share(club.state_dir, 20)
        assert shop.one.ask("").keep_permille == 200
        with pytest.raises(ConfigError, match="between 0 and 100"):
            set_offline_share(club.state_dir, 101)
        assert [row["rest"] for row in held_by_tills(club.state_dir)] == [100]
        assert write_off_till(club.state_dir, shop.one.grant.till_id) == {"PTS": 100}
        shop.one.close()
        shop.two.close()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"v": 1, "lease_id": "AB" * 16, "member_id": "m", "epoch": 1, "seq": 1, "incarnation": ""},
        {"v": 1, "lease_id": "ab", "member_id": "m", "epoch": 1, "seq": 1, "incarnation": ""},
        {"v": 1, "lease_id": "zz" * 16, "member_id": "m", "epoch": 1, "seq": 1, "incarnation": ""},
        {"v": 1, "lease_id": "ab" * 16, "member_id": "m", "epoch": 1, "seq": True, "incarnation": ""},
    ],
)
def test_questions_that_are_none(document: object) -> None:
    with pytest.raises(WireError):
        LeaseAsk.from_json(document)


@pytest.mark.parametrize("amounts", [{}, {"PTS": 0}, {"PTS": -1}, {"PTS": 1.5}, []])
def test_leases_of_nothing_are_no_answer(amounts: object) -> None:
    lease = {"lease_id": "ab" * 16, "member_id": "m", "amounts": amounts}
    with pytest.raises(WireError):
        LeaseReply.from_json({"v": 1, "leases": [lease], "keep_permille": 0})


def test_messages_come_back_as_they_were() -> None:
    ask = LeaseAsk("ab" * 16, "m1", 2, 7, "cd" * 8)
    reply = LeaseReply((Lease("cd" * 16, "m1", {"PTS": 5, "CREDIT": 7}),), 500)
    assert LeaseAsk.from_json(ask.as_json()) == ask
    assert LeaseReply.from_json(reply.as_json()) == reply
