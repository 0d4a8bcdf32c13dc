"""The behaviour of a till: each key and card in each state, and properties over random days."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.cards.reads import Medium, RejectReason
from posd.events import DeviceClass, DeviceState, DeviceStatus
from posd.ledger.entries import Kind
from posd.ledger.members import MemberRow, Standing
from posd.till.effects import CancelTimer, Commit, StartTimer
from posd.till.happenings import (
    ActionMisunderstood,
    AmountTyped,
    CardPresented,
    CardRejected,
    CommitFailed,
    Committed,
    Confirmed,
    EnrolStarted,
    EnrolSubmitted,
    FindStarted,
    Happening,
    LanguageChosen,
    MemberChanged,
    MemberSwitched,
    Occurrence,
    PhoneEntered,
    RefundAllChosen,
    RefundLineChosen,
    RefundStarted,
    Skipped,
    TimerFired,
    UndoPressed,
    UseChosen,
    WentBack,
    WorldChanged,
)
from posd.till.states import (
    BankCard,
    CardSeen,
    Committing,
    Customer,
    Done,
    Enrolling,
    Facts,
    Finding,
    Idle,
    Link,
    LinkState,
    Refunding,
    SaleRecord,
    Selling,
    Till,
    Tone,
)
from posd.till.step import Step, step
from posd.till.view import Frame, support_code, view_of
from posd.units import DISPLAY_UNITS, UNITS
from posd.words import Words
from tests.fakes.clock import FakeClock
from tests.fakes.shop_programs import both_on_one_card

CLOCK = FakeClock()
IDS = (n.to_bytes(16, "big") for n in itertools.count(1))
ONLINE = Link(LinkState.ONLINE)
FACTS = Facts(currency="IRR", shop="Narenj", programs=both_on_one_card(), link=ONLINE)
OFFLINE = replace(FACTS, link=Link(LinkState.OFFLINE))
FRAME = Frame("Narenj", "Till 2", "Mina", "persian", UNITS["IRR"], DISPLAY_UNITS["toman"])

PARISA = Standing(
    MemberRow("a1" * 16, "Parisa M.", "0912 *** **34", "silver", {}, ("k1",), 1), {"PTS": 1284, "CREDIT": 1_860_000}
)
KAVEH = Standing(MemberRow("b2" * 16, "Kaveh D.", "0935 *** **11", None, {}, ("k2",), 1), {"PTS": 5})
HER_CARD = CardSeen("k1", Medium.MAGSTRIPE, "2345")
HIS_CARD = CardSeen("k2", Medium.BARCODE, "7719")
NEW_CARD = CardSeen("k9", Medium.CHIP, "0001")


def walk(*happenings: Happening, till: Till | None = None, facts: Facts = FACTS) -> Step:
    """Feed happenings; an entry that is to be written is durable at once."""
    result = Step(till or Till())
    for what in happenings:
        result = step(result.till, Occurrence(what, CLOCK.now(), next(IDS)), facts)
        commits = [effect for effect in result.effects if isinstance(effect, Commit)]
        for commit in commits:
            done = Committed(commit.draft.entry_id, "AAAA BBBB", PARISA if commit.draft.member else None)
            answer = step(result.till, Occurrence(done, CLOCK.now(), next(IDS)), facts)
            result = Step(answer.till, (*result.effects, *answer.effects))
    return result


def booked(result: Step) -> list[Commit]:
    return [effect for effect in result.effects if isinstance(effect, Commit)]


def notice_key(result: Step) -> str | None:
    return result.till.notice.words.key if result.till.notice else None


def sale_of(*happenings: Happening) -> SaleRecord:
    (commit,) = booked(walk(*happenings))
    return SaleRecord(commit.draft, (), "Parisa M.")


SOLD = sale_of(CardPresented(HER_CARD, PARISA), AmountTyped(12_880_000), Confirmed())


def test_card_then_amount_then_confirm_books_the_sale() -> None:
    result = walk(CardPresented(HER_CARD, PARISA), AmountTyped(12_880_000), Confirmed())
    (commit,) = booked(result)
    assert commit.draft.kind is Kind.SALE
    assert commit.draft.member == PARISA.row.member_id
    assert commit.draft.body["total_minor"] == 12_880_000
    assert {item["unit"] for item in commit.draft.body["earnings"]} == {"PTS", "CREDIT"}
    assert isinstance(result.till.state, Done)
    assert result.till.state.receipt_code == "AAAA BBBB"
    assert result.till.tone is Tone.DONE
    assert StartTimer("done", 3) in result.effects


def test_amount_first_then_card_is_the_same_sale() -> None:
    (commit,) = booked(walk(AmountTyped(12_880_000), CardPresented(HER_CARD, PARISA), Confirmed()))
    assert commit.draft.body == SOLD.draft.body
    assert commit.draft.legs == SOLD.draft.legs


def test_sale_without_a_card_earns_nothing_and_moves_no_points() -> None:
    (commit,) = booked(walk(AmountTyped(500_000), Confirmed()))
    assert commit.draft.member is None
    assert {leg.unit for leg in commit.draft.legs} == {"IRR"}


def test_credit_is_spent_only_when_switched_on() -> None:
    kept = walk(CardPresented(HER_CARD, PARISA), AmountTyped(12_880_000), Confirmed())
    used = walk(CardPresented(HER_CARD, PARISA), AmountTyped(12_880_000), UseChosen("CREDIT", on=True), Confirmed())
    assert booked(kept)[0].draft.body["payable_minor"] == 12_880_000
    assert booked(used)[0].draft.body["payable_minor"] == 12_880_000 - 1_860_000


def test_offline_earns_but_does_not_spend() -> None:
    happenings = (CardPresented(HER_CARD, PARISA), AmountTyped(12_880_000), UseChosen("CREDIT", on=True), Confirmed())
    result = walk(*happenings, facts=OFFLINE)
    body = booked(result)[0].draft.body
    assert body["payable_minor"] == 12_880_000
    assert body["earnings"] and not body["redemptions"]
    assert body["offline"] is True
    assert result.till.tone is Tone.DONE_OFFLINE


def test_going_offline_in_the_middle_takes_the_switch_back_and_says_so() -> None:
    selling = walk(CardPresented(HER_CARD, PARISA), AmountTyped(12_880_000), UseChosen("CREDIT", on=True)).till
    result = walk(WorldChanged(), till=selling, facts=OFFLINE)
    assert isinstance(result.till.state, Selling) and not result.till.state.use
    assert notice_key(result) == "quote.why_not.offline"


def test_a_number_on_plastic_earns_but_does_not_spend() -> None:
    uid = replace(HER_CARD, earn_only=True)
    result = walk(CardPresented(uid, PARISA), AmountTyped(12_880_000), UseChosen("CREDIT", on=True), Confirmed())
    assert booked(result)[0].draft.body["payable_minor"] == 12_880_000


def test_confirm_without_an_amount_asks_for_it() -> None:
    assert notice_key(walk(CardPresented(HER_CARD, PARISA), Confirmed())) == "amount.prompt"


def test_a_second_card_asks_and_never_replaces() -> None:
    both = walk(CardPresented(HER_CARD, PARISA), AmountTyped(100), CardPresented(HIS_CARD, KAVEH))
    assert isinstance(both.till.state, Selling)
    assert both.till.state.customer == Customer(PARISA, HER_CARD)
    assert notice_key(both) == "card.second_card"
    switched = walk(MemberSwitched(), till=both.till)
    assert isinstance(switched.till.state, Selling)
    assert switched.till.state.customer == Customer(KAVEH, HIS_CARD)
    assert switched.till.state.amount_minor == 100


def test_a_card_during_done_starts_the_next_customer() -> None:
    result = walk(AmountTyped(100), Confirmed(), CardPresented(HER_CARD, PARISA))
    assert isinstance(result.till.state, Selling)
    assert CancelTimer("done") in result.effects


def test_done_leaves_by_itself() -> None:
    assert walk(AmountTyped(100), Confirmed(), TimerFired("done")).till.state == Idle()


def test_an_unknown_card_offers_to_enrol_and_keeps_the_amount() -> None:
    result = walk(AmountTyped(700_000), CardPresented(NEW_CARD, None))
    assert result.till.state == Enrolling(NEW_CARD, 700_000)
    assert notice_key(result) == "card.unknown"
    assert notice_key(walk(CardPresented(NEW_CARD, None), facts=OFFLINE)) == "card.unknown.offline"


def enrolment(**changes: object) -> EnrolSubmitted:
    plain = EnrolSubmitted("phonekey", "0935 *** **72", "یلدا", consent=True, link=False, sealed="s", holder=None)
    return replace(plain, **changes)  # type: ignore[arg-type]  # names are checked by replace


def test_enrolment_books_card_phone_and_gift_and_goes_on_with_the_sale() -> None:
    result = walk(AmountTyped(700_000), CardPresented(NEW_CARD, None), enrolment())
    (commit,) = booked(result)
    assert commit.draft.kind is Kind.ENROL
    assert commit.draft.body["keys"] == ["k9", "phonekey"]
    assert commit.draft.member == commit.draft.entry_id.hex()
    assert commit.provisional is not None and commit.provisional.name == "یلدا"
    assert isinstance(result.till.state, Selling)
    assert result.till.state.amount_minor == 700_000
    assert notice_key(result) == "enrol.done"


@pytest.mark.parametrize(
    ("submitted", "problem"),
    [
        (enrolment(problem=Words("enrol.phone_wrong")), "enrol.phone_wrong"),
        (enrolment(holder=KAVEH), "enrol.phone_taken"),
        (enrolment(link=True), "member.not_found"),
    ],
)
def test_enrolment_that_cannot_be_says_why_and_books_nothing(submitted: EnrolSubmitted, problem: str) -> None:
    result = walk(CardPresented(NEW_CARD, None), submitted)
    assert not booked(result)
    assert isinstance(result.till.state, Enrolling)
    assert result.till.state.problem == Words(problem)


def test_a_new_card_can_be_added_to_an_old_account() -> None:
    result = walk(CardPresented(NEW_CARD, None), enrolment(link=True, holder=KAVEH))
    (commit,) = booked(result)
    assert commit.draft.kind is Kind.LINK
    assert commit.draft.body == {"member_id": KAVEH.row.member_id, "key": "k9"}


def test_find_by_phone() -> None:
    assert isinstance(walk(FindStarted()).till.state, Finding)
    missing = walk(FindStarted(), PhoneEntered(None))
    assert missing.till.state == Finding(problem=Words("member.not_found"))
    found = walk(FindStarted(), PhoneEntered(KAVEH))
    assert isinstance(found.till.state, Selling) and found.till.state.customer == Customer(KAVEH)


def test_a_bank_card_has_its_page_and_never_disturbs_a_sale() -> None:
    refused = CardRejected(RejectReason.PAYMENT_CARD, Medium.MAGSTRIPE)
    assert walk(refused).till.state == BankCard()
    during = walk(CardPresented(HER_CARD, PARISA), AmountTyped(100), refused)
    assert isinstance(during.till.state, Selling) and during.till.state.amount_minor == 100
    assert notice_key(during) == "card.refused.payment"
    assert walk(refused, Skipped()).till.state == Idle()


def test_noise_changes_nothing() -> None:
    till = walk(CardPresented(HER_CARD, PARISA)).till
    assert walk(CardRejected(RejectReason.NOISE, Medium.BARCODE), till=till).till == till


def test_refund_by_line_takes_back_and_gives_back() -> None:
    result = walk(RefundStarted(SOLD), RefundLineChosen(1, 1000), Confirmed())
    (commit,) = booked(result)
    assert commit.draft.kind is Kind.REFUND
    assert commit.draft.body["pay_back_minor"] == 12_880_000
    whole = walk(RefundStarted(SOLD), RefundAllChosen(everything=True), Confirmed())
    assert booked(whole)[0].draft.body == commit.draft.body
    assert isinstance(result.till.state, Done) and result.till.state.refund is not None


def test_what_came_back_does_not_come_back_twice() -> None:
    (commit,) = booked(walk(RefundStarted(SOLD), RefundAllChosen(everything=True), Confirmed()))
    again = walk(RefundStarted(replace(SOLD, returns=(commit.draft,))))
    assert again.till.state == Idle()
    assert notice_key(again) == "refund.not_found"


def test_refund_of_nothing_is_refused() -> None:
    result = walk(RefundStarted(SOLD), Confirmed())
    assert not booked(result)
    assert isinstance(result.till.state, Refunding)
    too_much = walk(RefundStarted(SOLD), RefundLineChosen(1, 1001))
    assert isinstance(too_much.till.state, Refunding) and not too_much.till.state.chosen


def test_undo_voids_the_sale_just_made() -> None:
    done = walk(CardPresented(HER_CARD, PARISA), AmountTyped(12_880_000), Confirmed())
    assert isinstance(done.till.state, Done)
    result = walk(UndoPressed(SaleRecord(done.till.state.draft)), till=done.till)
    (commit,) = booked(result)
    assert commit.draft.kind is Kind.VOID
    assert {(leg.account, leg.unit): leg.amount for leg in commit.draft.legs} == {
        (leg.account, leg.unit): -leg.amount for leg in done.till.state.draft.legs
    }


def test_while_committing_nothing_else_is_taken() -> None:
    writing = step(walk(AmountTyped(100)).till, Occurrence(Confirmed(), CLOCK.now(), next(IDS)), FACTS).till
    assert isinstance(writing.state, Committing)
    for what in (Confirmed(), CardPresented(HER_CARD, PARISA), AmountTyped(5), WentBack()):
        result = step(writing, Occurrence(what, CLOCK.now(), next(IDS)), FACTS)
        assert result.till == writing and not result.effects


def test_a_failed_commit_leads_back_to_the_sale_and_says_so() -> None:
    writing = step(walk(AmountTyped(100)).till, Occurrence(Confirmed(), CLOCK.now(), next(IDS)), FACTS).till
    assert isinstance(writing.state, Committing)
    failed = CommitFailed(writing.state.draft.entry_id, Words("sale.not_recorded"))
    result = step(writing, Occurrence(failed, CLOCK.now(), next(IDS)), FACTS)
    assert result.till.state == Selling(None, 100)
    assert notice_key(result) == "sale.not_recorded"
    assert result.till.tone is Tone.ERROR


def test_a_broken_ledger_takes_no_sale() -> None:
    result = walk(AmountTyped(100), Confirmed(), facts=replace(FACTS, fault="disk full"))
    assert not booked(result)
    assert notice_key(result) == "till.stopped"


def test_a_lost_reader_shows_until_esc_and_again_when_lost_again() -> None:
    lost = DeviceStatus("desk", DeviceClass.MSR, DeviceState.LOST, CLOCK.now())
    gone = replace(FACTS, readers=(lost,))
    there = replace(FACTS, readers=(replace(lost, state=DeviceState.READY),))
    till = walk(CardPresented(HER_CARD, PARISA)).till
    assert view_of(till, gone, FRAME, 0)["screen"] == "lost"
    closed = walk(WentBack(), till=till, facts=gone).till
    assert view_of(closed, gone, FRAME, 0)["screen"] == "member", "Esc closes the page, not the sale below"
    back = walk(WorldChanged(), till=closed, facts=there).till
    assert view_of(back, gone, FRAME, 0)["screen"] == "lost"


def test_member_changes_reach_the_screen() -> None:
    richer = replace(PARISA, balances={"PTS": 2000})
    till = walk(CardPresented(HER_CARD, PARISA)).till
    result = walk(MemberChanged(richer), till=till)
    assert isinstance(result.till.state, Selling) and result.till.state.customer == Customer(richer, HER_CARD)
    other = walk(MemberChanged(KAVEH), till=till)
    assert other.till == till


def test_support_codes_are_stable_and_readable() -> None:
    assert support_code("till.stopped") == support_code("till.stopped")
    assert support_code("till.stopped") != support_code("card.unknown")
    assert len(support_code("x")) == 4 and set(support_code("x")) <= set("BCDFGHJKLMNPQRSTVWXZ")


# Every happening in every state: total, and nothing is booked that was not asked for.

HAPPENINGS: list[Happening] = [
    CardPresented(HER_CARD, PARISA),
    CardPresented(HIS_CARD, KAVEH),
    CardPresented(NEW_CARD, None),
    CardPresented(replace(HER_CARD, earn_only=True), replace(PARISA, row=replace(PARISA.row, state="suspended"))),
    *(CardRejected(reason, Medium.MAGSTRIPE) for reason in RejectReason),
    AmountTyped(12_880_000),
    AmountTyped(0),
    AmountTyped(-5),
    AmountTyped(None),
    UseChosen("CREDIT", on=True),
    UseChosen("PTS", on=True),
    UseChosen("nothing", on=False),
    Confirmed(),
    WentBack(),
    Skipped(),
    MemberSwitched(),
    FindStarted(),
    PhoneEntered(KAVEH),
    PhoneEntered(None),
    EnrolStarted(),
    enrolment(),
    enrolment(holder=KAVEH, link=True),
    RefundStarted(SOLD),
    RefundStarted(None),
    RefundLineChosen(1, 400),
    RefundLineChosen(7, 1000),
    RefundAllChosen(everything=True),
    RefundAllChosen(everything=False),
    UndoPressed(SOLD),
    UndoPressed(None),
    LanguageChosen("ar"),
    Committed(b"x" * 16, "", None),
    CommitFailed(b"x" * 16, Words("sale.not_recorded")),
    TimerFired("done"),
    MemberChanged(PARISA),
    WorldChanged(),
    ActionMisunderstood(),
]
BOOKING = (Confirmed, EnrolSubmitted, UndoPressed)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.booleans()), max_size=25))
def test_any_day_at_the_till(day: list[tuple[Happening, bool]]) -> None:
    """Whatever happens: no exception, the view can always be drawn, entries balance (no other Draft can be built),
    nothing is booked without a key that books, and what a member pays with he had."""
    till = Till()
    for what, online in day:
        facts = FACTS if online else OFFLINE
        result = walk(what, till=till, facts=facts)
        for commit in booked(result):
            assert isinstance(what, BOOKING)
            spent = {item["unit"]: item["spent"] for item in commit.draft.body.get("redemptions", ())}
            assert not spent or online
            assert all(amount <= PARISA.balances[unit] for unit, amount in spent.items())
        till = result.till
        view = view_of(till, facts, FRAME, CLOCK.now().wall_ms)
        assert view["screen"] in {"idle", "member", "amount", "done", "enrol", "find", "bank", "refund"}
