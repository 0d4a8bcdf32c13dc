"""The till thread on a real ledger: reads become cards, actions become entries, registers get what is theirs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from posd.api.port import Caller, Refused, SaleRequest
from posd.cards.identity import card_key, phone_identity
from posd.cards.rules import CardRules
from posd.clock import Instant
from posd.drivers.base import Health, HealthLevel
from posd.drivers.selftest import ReaderReport
from posd.events import DeviceClass, DeviceState, DeviceStatus, RawRead
from posd.ledger.entries import Kind
from posd.ledger.members import DeltaPage, MemberRow
from posd.ledger.store import Store
from posd.machine import Uuid7Source
from posd.till.desk import Edges, TillDesk
from posd.till.lookup import Lookup
from posd.till.loop import STALE_NS, ClubTold, LinkChanged, TillLoop
from posd.till.states import Facts, Link, LinkState
from posd.till.view import Frame
from posd.units import DISPLAY_UNITS, UNITS
from tests.fakes.clock import FakeClock
from tests.fakes.shop_programs import both_on_one_card

CLUB_KEY = bytes(range(32))
CARD = "9800000000012345"
REGISTER = Caller("register", frozenset())
NOBODY: dict[str, Any] = {"member_id": None, "phone": None, "read_id": None}


class Counter:
    """A till on a shop's counter: loop, ledger, desk, one club that is online."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.store = Store.open(directory / "ledger.db", till_id="till-1", clock=self.clock)
        self.published: list[tuple[str, Mapping[str, Any]]] = []
        self.simulated: list[tuple[str, str]] = []
        self.turns = 0
        inbox: queue.Queue[Any] = queue.Queue()
        self.inbox = inbox
        facts = Facts("IRR", "Narenj", both_on_one_card(), Link(LinkState.ONLINE), done_s=3)
        self.loop = TillLoop(
            ledger=self.store,
            lookup=Lookup(self.store.reader, CLUB_KEY, "IR", lambda text: f"sealed {len(text)}"),
            card_rules=CardRules(),
            facts=facts,
            frame=Frame("Narenj", "2", "Mina", "persian", UNITS["IRR"], DISPLAY_UNITS["toman"]),
            clock=self.clock,
            new_id=Uuid7Source(),
            publish=lambda kind, data: self.published.append((kind, data)),
            language="fa",
            inbox=inbox,
            every_turn=self._turn,
            turn_s=0.01,
        )
        self.desk = TillDesk(
            self.loop,
            Edges(
                ledger=self.store,
                readers=OneReader(self.clock.now()),
                sync=NoSync(),
                simulate=lambda kind, data: self.simulated.append((kind, data)),
                run_aside=_at_once,
                new_id=Uuid7Source(),
                clock=self.clock,
                about={"version": "test"},
            ),
        )
        self.loop.start_up()
        self._thread = threading.Thread(target=self.loop.run)
        self._thread.start()

    def _turn(self) -> None:
        self.turns += 1

    def swipe(self, number: str = CARD, *, age_ns: int = 0) -> None:
        now = self.clock.now()
        at = Instant(now.wall_ms, now.boot, now.mono_ns - age_ns)
        self.inbox.put(RawRead("desk", DeviceClass.MSR, f";{number}?".encode(), at))
        self.settle()

    def settle(self) -> None:
        """Everything that was in the inbox is done and drawn."""
        self.loop.act({"do": "language", "language": "fa"}).result(5)

    def act(self, do: str, **fields: Any) -> Mapping[str, Any]:
        return self.loop.act({"do": do, **fields}).result(5)

    def events(self, kind: str) -> list[Mapping[str, Any]]:
        return [data for name, data in self.published if name == kind]

    def close(self) -> None:
        self.loop.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()
        self.store.close()


class OneReader:
    def __init__(self, at: Instant) -> None:
        self.status = DeviceStatus("desk", DeviceClass.MSR, DeviceState.READY, at, name="the desk")

    def statuses(self) -> list[DeviceStatus]:
        return [self.status]

    def last_read_age_s(self, reader_id: str) -> int | None:
        return 3

    def check(self, reader_id: str, level: HealthLevel) -> ReaderReport:
        checks = (Health(True, f"{reader_id} {level.value}", "fine"), Health(False, "reads", "4111 came"))
        return ReaderReport(reader_id, "the desk", "hid_keyboard", "usb-1#S12", level, checks)


class NoSync:
    def status(self) -> Mapping[str, Any]:
        return {"state": "online", "queue": 0}

    def now(self) -> None:
        """Nothing waits."""


def _at_once(work: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(work())
    return future


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    counter = Counter(tmp_path)
    yield counter
    counter.close()


@pytest.fixture
def member(counter: Counter) -> str:
    """Parisa has joined with CARD and been posted by the club with some credit."""
    counter.swipe()
    counter.act("enrol", phone="۰۹۱۲۰۰۰۱۲۳۴", name=" پریسا   م ", consent=True, link=False)
    member_id = str(counter.loop.view()["member"]["member_id"])
    phone_key = card_key(CLUB_KEY, phone_identity("+989120001234"))
    (key,) = set(counter.store.reader().standing(member_id).row.keys) - {phone_key}  # type: ignore[union-attr]
    row = MemberRow(
        member_id, "پریسا م", "0912 *** **34", "bronze", {"PTS": 500, "CREDIT": 900_000}, (key, phone_key), 1
    )
    counter.store.apply_deltas(DeltaPage("c1", 1, (row,))).result(5)
    counter.loop.tell(ClubTold())
    counter.act("back")
    return member_id


def sale(**changes: Any) -> SaleRequest:
    return replace(SaleRequest("IRR", ({"amount_minor": 1_000_000, "name": "Saffron"},)), **changes)


def test_an_unknown_card_is_enrolled_and_known_from_then_on(counter: Counter) -> None:
    counter.swipe()
    (read,) = counter.events("card.read")
    assert read["known"] is False and read["tail"] == "2345" and CARD not in str(counter.published)
    view = counter.act("enrol", phone="0912 000 1234", name=" پریسا   م ", consent=False)
    assert view["screen"] == "member"
    assert view["member"]["name"] == "پریسا م"
    counter.act("back")
    counter.swipe()
    assert counter.loop.view()["member"]["name"] == "پریسا م"
    (entry,) = counter.store.reader().entries()
    assert entry.draft.body["sealed"].startswith("sealed ")
    assert "9120001234" not in entry.payload.decode() and "پریسا" not in entry.payload.decode()


@pytest.mark.parametrize("phone", ["", "12", "abc", "0912000123456789"])
def test_a_number_that_is_none_is_refused(counter: Counter, phone: str) -> None:
    counter.swipe()
    view = counter.act("enrol", phone=phone, name="", consent=False)
    assert view["enrol"]["problem"]["key"] == "enrol.phone_wrong"
    assert not counter.store.reader().entries()


def test_a_stale_read_is_nobodys(counter: Counter, member: str) -> None:
    counter.swipe(age_ns=STALE_NS + 1)
    assert counter.loop.view()["screen"] == "idle"
    assert counter.loop.counters.stale == 1
    counter.swipe(age_ns=STALE_NS - 1)
    assert counter.loop.view()["screen"] == "member"


def test_the_wall_clock_may_jump_as_it_likes(counter: Counter, member: str) -> None:
    """I11: a read is fresh by the machine's own clock, a timer runs by it, an entry keeps what the wall said."""
    counter.clock.step_wall_ms(-400 * 24 * 3600 * 1000)
    counter.swipe()
    counter.act("amount", amount_minor=1_000_000)
    assert counter.act("confirm")["screen"] == "done"
    counter.clock.step_wall_ms(900 * 24 * 3600 * 1000)
    counter.settle()
    assert counter.loop.view()["screen"] == "done", "the wall clock fires no timer"
    counter.clock.advance_ms(3001)
    counter.settle()
    assert counter.loop.view()["screen"] == "idle"
    assert [entry.seq for entry in counter.store.reader().entries()] == [1, 2]


def test_a_payment_card_leaves_a_reason_only(counter: Counter) -> None:
    counter.swipe("4111111111111111")
    assert counter.loop.view()["screen"] == "bank"
    (refused,) = counter.events("card.refused")
    assert refused["reason"] == "refused.payment"
    assert "41111" not in str(counter.published)
    assert counter.desk.metrics()['posd_reads_refused_total{reason="refused.payment"}'] == 1


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"do": "sing"},
        {"do": "amount"},
        {"do": "amount", "amount_minor": 1.5},
        {"do": "amount", "amount_minor": True},
        {"do": "amount", "amount_minor": 10**16},
        {"do": "use", "unit": "CREDIT", "on": 1},
        {"do": "language", "language": "xx"},
        {"do": "enrol", "phone": 5},
        {"do": "refund_line", "n": -1, "quantity_milli": 5},
    ],
)
def test_actions_out_of_the_contract_change_nothing(counter: Counter, action: dict[str, Any]) -> None:
    before = counter.loop.view()
    view = counter.loop.act(action).result(5)
    assert view["screen"] == before["screen"] == "idle"
    assert view["notice"]["words"]["key"] == "key.nothing"


def test_a_request_that_a_browser_repeats_is_one_press_of_a_key(counter: Counter) -> None:
    counter.act("amount", amount_minor=1000)
    views = [counter.loop.act({"do": "confirm"}, "press-1").result(5) for _ in range(3)]
    assert [view["screen"] for view in views] == ["done"] * 3
    assert len(counter.store.reader().entries()) == 1
    assert counter.loop.act({"do": "confirm"}, "press-2").result(5)["screen"] == "idle", "positive control: a new press"


def test_view_versions_rise_and_are_published(counter: Counter, member: str) -> None:
    versions = [view["version"] for view in counter.events("view")]
    assert versions == sorted(set(versions))
    published = len(versions)
    counter.settle()
    assert len(counter.events("view")) == published, "nothing changed, nothing is told"


def test_link_and_programs_reach_the_screen(counter: Counter, member: str) -> None:
    counter.swipe()
    counter.loop.tell(LinkChanged(Link(LinkState.OFFLINE, queue=7)))
    counter.loop.tell(ClubTold(programs=()))
    counter.settle()
    view = counter.loop.view()
    assert view["link"] == {"state": "offline", "queue": 7, "last_sync_ms": None}
    assert [item["usable"] for item in view["member"]["balances"]] == [0, 0]
    counter.act("amount", amount_minor=5000)
    assert counter.loop.view()["sale"]["earnings"] == []


def test_reader_status_reaches_screen_and_events(counter: Counter) -> None:
    lost = DeviceStatus("desk", DeviceClass.MSR, DeviceState.LOST, counter.clock.now(), "unplugged", "the desk")
    counter.inbox.put(lost)
    counter.settle()
    assert counter.loop.view()["screen"] == "lost"
    assert counter.loop.view()["lost"]["name"] == "the desk"
    assert counter.act("back")["screen"] == "idle"
    assert counter.events("reader.status")[0]["state"] == "lost"


def test_a_lost_reader_stays_on_the_screen_until_it_reads_again(counter: Counter) -> None:
    def becomes(state: DeviceState, detail: str = "") -> str:
        counter.inbox.put(DeviceStatus("desk", DeviceClass.MSR, state, counter.clock.now(), detail))
        counter.settle()
        return str(counter.loop.view()["screen"])

    assert becomes(DeviceState.ABSENT) == "idle", "a reader that was never there is not missed"
    assert becomes(DeviceState.READY) == "idle"
    for state in (DeviceState.LOST, DeviceState.WAITING, DeviceState.ABSENT, DeviceState.OPENING, DeviceState.FAULT):
        assert becomes(state, f"now {state}") == "lost"
        assert counter.loop.view()["lost"]["detail"] == f"now {state}"
    assert becomes(DeviceState.READY) == "idle", "it closes by itself"
    assert becomes(DeviceState.LOST) == "lost"
    counter.act("back")
    assert becomes(DeviceState.WAITING) == "idle", "what the cashier closed stays closed"
    becomes(DeviceState.READY)
    assert becomes(DeviceState.LOST) == "lost", "and is told when it is lost anew"


def test_a_ledger_that_is_closed_books_nothing_and_says_so(counter: Counter) -> None:
    counter.act("amount", amount_minor=1000)
    counter.store.close()
    view = counter.act("confirm")
    assert view["done"] is None
    assert view["notice"]["words"]["key"] == "sale.not_recorded"
    assert view["signal"]["tone"] == "error"


def test_the_watchdog_hears_of_every_turn(counter: Counter) -> None:
    counter.settle()
    seen = counter.turns
    deadline = threading.Event()
    deadline.wait(0.2)
    assert counter.turns > seen, "also when nothing happens"


# Registers.


def test_a_register_sells_by_read_and_by_member(counter: Counter, member: str) -> None:
    counter.swipe()
    read_id = counter.events("card.read")[-1]["read_id"]
    request = sale(read_id=read_id, redeem={"CREDIT": 100_000})
    quote = counter.desk.quote(request)
    assert quote["payable_minor"] == 900_000
    first = counter.desk.sell(request, REGISTER, "key-1").result(5)
    again = counter.desk.sell(request, REGISTER, "key-1").result(5)
    assert first["body"]["payable_minor"] == 900_000
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert first["seq"] == again["seq"] and first["receipt_code"] == again["receipt_code"]
    assert first["balances"]["CREDIT"] == 800_000 + 9_000
    by_id = counter.desk.sell(sale(member_id=member), REGISTER, "key-2").result(5)
    assert by_id["seq"] == first["seq"] + 1
    assert by_id["receipt"][0]["key"] == "receipt.member"


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (sale(currency="EUR"), 422, "wrong_currency"),
        (sale(member_id="none"), 404, "member_unknown"),
        (sale(read_id="none"), 404, "read_gone"),
        (sale(expect_payable_minor=5), 409, "quote_changed"),
        (sale(lines=({"amount_minor": -5},)), 422, "bad_basket"),
    ],
)
def test_refusals_have_stable_codes(counter: Counter, request_: SaleRequest, status: int, code: str) -> None:
    with pytest.raises(Refused) as caught:
        counter.desk.sell(request_, REGISTER, "key").result(5)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert not counter.store.reader().entries()


def test_one_key_is_one_request(counter: Counter) -> None:
    counter.desk.sell(sale(), REGISTER, "key").result(5)
    with pytest.raises(Refused) as caught:
        counter.desk.sell(sale(register_ref="other"), REGISTER, "key").result(5)
    assert caught.value.code == "idempotency_conflict"
    other_caller = counter.desk.sell(sale(register_ref="other"), Caller("kiosk", frozenset()), "key").result(5)
    assert other_caller["repeated"] is False


def test_two_registers_never_spend_the_same_point(counter: Counter, member: str) -> None:
    request = sale(member_id=member, redeem={"CREDIT": 900_000})
    both = [counter.desk.sell(request, REGISTER, f"key-{n}") for n in range(8)]
    spent = [sum(item["spent"] for item in done.result(5)["body"]["redemptions"]) for done in both]
    earned_back = 900_000 + 8 * 10_000
    assert sum(spent) <= earned_back
    standing = counter.store.reader().standing(member)
    assert standing is not None and standing.balances["CREDIT"] >= 0


def test_refund_and_void_over_the_desk(counter: Counter, member: str) -> None:
    two_lines = ({"amount_minor": 600_000}, {"amount_minor": 400_000, "quantity_milli": 2000})
    sold = counter.desk.sell(sale(member_id=member, lines=two_lines), REGISTER, "s").result(5)
    part = counter.desk.refund(sold["sale_id"], [{"n": 2, "quantity_milli": 1000}], REGISTER, "r").result(5)
    assert part["body"]["pay_back_minor"] == 200_000
    with pytest.raises(Refused, match="refund the rest"):
        counter.desk.void(sold["sale_id"], REGISTER, "v").result(5)
    shown = counter.desk.sale(sold["sale_id"])
    assert shown is not None and [item["kind"] for item in shown["returns"]] == ["refund"]
    other = counter.desk.sell(sale(), REGISTER, "s2").result(5)
    assert counter.desk.void(other["sale_id"], REGISTER, "v2").result(5)["kind"] == "void"
    with pytest.raises(Refused, match="voided"):
        counter.desk.refund(other["sale_id"], [{"n": 1, "quantity_milli": 1000}], REGISTER, "r2").result(5)
    with pytest.raises(Refused) as caught:
        counter.desk.void("00" * 16, REGISTER, "v3").result(5)
    assert caught.value.code == "sale_unknown"


def test_members_are_found_by_phone_read_and_id(counter: Counter, member: str) -> None:
    by_phone = counter.desk.member(**{**NOBODY, "phone": "+98 912 000 1234"})
    assert by_phone is not None and by_phone["member_id"] == member
    assert by_phone["phone_mask"] == "0912 *** **34"
    assert counter.desk.member(**{**NOBODY, "phone": "09350000000"}) is None
    assert counter.desk.member(**{**NOBODY, "member_id": "nobody"}) is None
    with pytest.raises(Refused) as caught:
        counter.desk.member(**{**NOBODY, "phone": "5"})
    assert caught.value.code == "bad_phone"


def test_desk_tells_of_readers_and_checks_them(counter: Counter) -> None:
    assert counter.desk.readers()[0]["name"] == "the desk"
    assert counter.desk.readers()[0]["last_read_age_s"] == 3
    check, _ = counter.desk.check_reader("desk", "internal").result(5)
    assert check == {"ok": True, "name": "desk internal", "detail": "fine", "fix": ""}
    with pytest.raises(LookupError):
        counter.desk.check_reader("none", "internal")
    counter.settle()
    (entry,) = [entry for entry in counter.store.reader().entries(0, 100) if entry.draft.kind is Kind.READER_CHECK]
    assert entry.draft.body == {
        "reader": "desk",
        "driver": "hid_keyboard",
        "identity": "usb-1#S12",
        "level": "internal",
        "results": [{"name": "desk internal", "ok": True}, {"name": "reads", "ok": False}],
    }, "evidence says what was tested, and nothing of what was read"
    counter.desk.simulate("scan", "5")
    assert counter.simulated == [("scan", "5")]
    assert counter.desk.status()["link"]["state"] == "online"


def test_only_the_last_reads_are_remembered(counter: Counter) -> None:
    for n in range(70):
        counter.swipe(f"98000000000{n:05}")
    ids = [event["read_id"] for event in counter.events("card.read")]
    assert counter.loop.read_card(ids[0]) is None
    assert counter.loop.read_card(ids[-1]) is not None
