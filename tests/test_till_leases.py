"""When a till asks for leases and when it gives them back, on a real ledger."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from posd.cards.reads import Medium
from posd.cards.rules import CardRules
from posd.club_link import NewsPort
from posd.errors import LedgerUnwritable
from posd.ledger.entries import Draft, Kind
from posd.ledger.leases import LONGEST_MS, Lease, lease_draft, rights
from posd.ledger.members import DeltaPage
from posd.ledger.store import Store
from posd.till.lease_desk import LeaseDesk
from posd.till.lookup import Lookup
from posd.till.loop import LinkChanged, TillLoop
from posd.till.states import CardSeen, Customer, Facts, Link, LinkState
from posd.till.view import Frame
from posd.units import DISPLAY_UNITS, UNITS
from tests.fakes.clock import FakeClock
from tests.fakes.sales import member, new_id, open_store

ONLINE, OFFLINE = (Facts("IRR", "Narenj", link=Link(state)) for state in (LinkState.ONLINE, LinkState.OFFLINE))
CARD = CardSeen("k1", Medium.MAGSTRIPE)


class Desk:
    """A lease desk on a ledger, and what it wished for."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.facts = ONLINE
        self.wishes: list[str] = []
        self.broken = False
        lookup = Lookup(store.reader, b"k" * 32, "IR", str)
        self.leases = LeaseDesk(lookup, self._book, lambda: self.facts, clock, new_id)
        self.leases.wish = self.wishes.append

    def _book(self, draft: Draft) -> object:
        if self.broken:
            raise LedgerUnwritable("the disk is full")
        return self.store.append(draft).result()

    def customer(self, member_id: str = "m1", card: CardSeen | None = CARD) -> Customer:
        standing = self.store.reader().standing(member_id)
        assert standing is not None
        return Customer(standing, card)

    def told(self, points: int, version: int, *recalled: str) -> None:
        page = DeltaPage(f"c{version}", 0, (member(points=points, version=version),), recalled=recalled)
        self.store.apply_deltas(page).result()

    def lease(self, points: int = 100, lease_id: str = "c1" * 16) -> None:
        lease = Lease(lease_id, "m1", {"PTS": points})
        self.store.append(lease_draft(lease, self.clock.now(), self.store.incarnation)).result()

    def visit(self) -> None:
        """The member comes and goes."""
        self.leases.tidy(self.customer())
        self.leases.tidy(None)

    def held(self) -> int:
        return rights(self.customer().standing.leases).get("PTS", 0)

    def releases(self) -> int:
        return sum(entry.draft.kind is Kind.RELEASE for entry in self.store.reader().entries())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = FakeClock()
    with open_store(tmp_path, clock=clock) as store:
        desk = Desk(store, clock)
        desk.told(100, 1)
        yield desk


def test_the_same_question_is_not_asked_again_at_once(desk: Desk) -> None:
    desk.leases.ask_for(desk.customer())
    desk.leases.ask_for(desk.customer())
    assert desk.wishes == ["m1"]
    desk.told(101, 2)
    desk.leases.ask_for(desk.customer())
    assert desk.wishes == ["m1"] * 2, "the club said something new"
    desk.clock.advance_ms(2_000)
    desk.leases.ask_for(desk.customer())
    assert desk.wishes == ["m1"] * 3


def test_nothing_is_asked_for_in_vain(desk: Desk) -> None:
    desk.leases.ask_for(desk.customer(card=replace(CARD, earn_only=True)))
    desk.facts = OFFLINE
    desk.leases.ask_for(desk.customer())
    desk.facts = ONLINE
    desk.lease(100)
    desk.leases.ask_for(desk.customer())
    assert desk.wishes == []
    desk.leases.ask_for(desk.customer(card=None))
    desk.told(150, 2)
    desk.leases.ask_for(desk.customer(card=None))
    assert desk.wishes == ["m1"], "positive control: found by phone, and there is more"


def test_many_customers_are_not_remembered_for_ever(desk: Desk) -> None:
    customer = desk.customer()
    for n in range(200):
        row = replace(customer.standing.row, member_id=f"n{n}")
        desk.leases.ask_for(Customer(replace(customer.standing, row=row)))
    assert len(desk.wishes) == 200
    assert len(desk.leases._asked) <= 64


@pytest.mark.parametrize(("permille", "kept"), [(0, 0), (500, 50), (1000, 100)])
def test_after_the_visit_the_share_stays_that_the_club_allows(desk: Desk, permille: int, kept: int) -> None:
    desk.lease(60)
    desk.lease(40, "c2" * 16)
    desk.leases.keep_permille = permille
    desk.leases.tidy(desk.customer())
    assert desk.held() == 100, "he is still here"
    desk.leases.tidy(None)
    assert desk.held() == kept
    assert desk.releases() == (0 if permille == 1000 else 1)
    desk.visit()
    assert desk.held() == kept


def test_offline_everything_stays(desk: Desk) -> None:
    desk.lease()
    desk.facts, desk.leases.keep_permille = OFFLINE, 0
    desk.visit()
    assert desk.held() == 100


def test_the_next_customer_ends_the_visit_of_the_one_before(desk: Desk) -> None:
    desk.store.apply_deltas(DeltaPage("x", 0, (member("m2"),))).result()
    desk.lease()
    desk.leases.keep_permille = 0
    desk.leases.tidy(desk.customer())
    desk.leases.tidy(desk.customer("m2"))
    assert desk.held() == 0


def test_a_lease_that_comes_when_the_member_has_left_goes_back_too(desk: Desk) -> None:
    desk.lease()
    desk.leases.keep_permille = 0
    desk.leases.served("m1")
    desk.leases.tidy(None)
    assert desk.held() == 0


def test_what_the_club_asks_for_is_given_back_whole_when_its_member_has_left(desk: Desk) -> None:
    desk.lease()
    desk.leases.tidy(desk.customer())
    desk.told(100, 2, "c1" * 16)
    desk.leases.look_now()
    desk.leases.tidy(desk.customer())
    assert desk.held() == 100, "he stands here now"
    desk.leases.tidy(None)
    assert desk.held() == 0


def test_what_the_club_asks_for_of_somebody_who_is_not_here_is_given_back_at_once(desk: Desk) -> None:
    desk.lease()
    desk.told(100, 2, "c1" * 16)
    assert not desk.leases.tidy(None), "positive control: nobody has told it to look"
    desk.leases.look_now()
    assert desk.leases.tidy(None)
    assert desk.held() == 0


def test_after_72_hours_a_lease_goes_back_also_offline(desk: Desk) -> None:
    desk.lease()
    desk.facts = OFFLINE
    desk.clock.advance_ms(LONGEST_MS - 1)
    desk.leases.tidy(None)
    assert desk.held() == 100
    desk.clock.advance_ms(60_000)
    desk.leases.tidy(None)
    assert desk.held() == 0


def test_a_ledger_that_refuses_keeps_the_lease_and_the_till(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.lease()
    desk.leases.keep_permille, desk.broken = 0, True
    desk.visit()
    assert desk.held() == 100
    assert "not given back" in caplog.text
    desk.broken = False
    desk.visit()
    assert desk.held() == 0


def test_many_old_leases_go_back_by_and_by(desk: Desk) -> None:
    for n in range(45):
        desk.lease(1, f"{n:032x}")
    desk.clock.advance_ms(LONGEST_MS)
    turns = 0
    while desk.leases.tidy(None):
        turns += 1
    assert (desk.held(), turns) == (0, 3)


def loop_of(store: Store, clock: FakeClock) -> TillLoop:
    inbox: queue.Queue[object] = queue.Queue()
    return TillLoop(
        ledger=store,
        lookup=Lookup(store.reader, b"k" * 32, "IR", str),
        card_rules=CardRules(),
        facts=replace(ONLINE, programs=()),
        frame=Frame("Narenj", "2", "Mina", "persian", UNITS["IRR"], DISPLAY_UNITS["toman"]),
        clock=clock,
        new_id=new_id,
        publish=lambda _kind, _data: None,
        language="fa",
        inbox=inbox,
    )


def test_a_club_that_asks_for_a_lease_is_heard_by_the_till(tmp_path: Path) -> None:
    """From the page of changes to the release, through port and loop."""
    clock = FakeClock()
    with open_store(tmp_path, clock=clock) as store:
        desk = Desk(store, clock)
        desk.told(100, 1)
        desk.lease()
        loop = loop_of(store, clock)
        port = NewsPort(store, loop)
        assert loop.leases.wish == port.wish_lease
        port.apply_deltas(DeltaPage("c2", 0, recalled=("c1" * 16,)))
        loop.tell(LinkChanged(ONLINE.link))
        loop.stop()
        loop.run()
        assert desk.held() == 0


def test_a_copy_of_the_ledger_is_heard_of_by_the_till_and_nothing_is_held_meanwhile(tmp_path: Path) -> None:
    clock = FakeClock()
    with open_store(tmp_path, clock=clock) as store:
        desk = Desk(store, clock)
        desk.told(100, 1)
        desk.lease()
        loop, held = loop_of(store, clock), desk.held()
        port = NewsPort(store, loop)
        seen = []
        for said in (DeltaPage("c2", 0, epoch=port.epoch(), frozen=True), DeltaPage("c3", 0, epoch=port.epoch())):
            port.apply_deltas(said)
            loop.stop()
            loop.run()
            seen.append((loop.facts.link.frozen, desk.held()))
        assert seen == [(True, 0), (False, held)] and held > 0
        port.doubt()
        port.begin_epoch(port.epoch() + 1, port.acked_head())
        port.apply_deltas(DeltaPage("c4", 0, epoch=port.epoch()))
        assert desk.held() == 0, "what was held in the epoch before is void"
