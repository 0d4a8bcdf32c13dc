"""What is booked: bodies that the club reads, legs that balance, drafts that survive the ledger's own bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given

from posd.ledger.accounts import ISSUED, REDEEMED, REWARDS, TENDER, TURNOVER, member_account
from posd.ledger.entries import Draft, Kind, Leg, encode_payload, parse_payload
from posd.loyalty.evaluation import quote
from posd.loyalty.model import Basket, Line, MemberView, RefundLine, RefundQuote
from posd.loyalty.programs import Program
from posd.loyalty.refunds import refund_quote, whole_rest
from posd.till.booking import (
    SaleContext,
    enrol_draft,
    link_draft,
    quote_from_body,
    receipt_lines,
    refund_draft,
    sale_draft,
    void_draft,
)
from posd.words import Words, quantity
from tests.fakes.clock import FakeClock
from tests.fakes.shop_programs import (
    MEMBER,
    NOW_MS,
    UNHURRIED,
    any_basket,
    any_member,
    any_programs,
    basket,
    both_on_one_card,
    member,
)

AT = FakeClock().now()
ONE, TWO = bytes(15) + b"\x01", bytes(15) + b"\x02"
ACCOUNT = member_account(MEMBER)
GOODS = Basket(
    "IRR",
    (Line(1, 300_000, "Tea", "T1", "drinks", 2000), Line(2, 100_000, "Dates", "D1", "sweets", 500)),
    {"PTS": 200, "CREDIT": 10_000},
)
RICH = member(PTS=1284, CREDIT=10_000)


def sale(goods: Basket = GOODS, who: MemberView | None = RICH, **context: Any) -> Draft:
    answer = quote(both_on_one_card(), who, goods, NOW_MS)
    return sale_draft(
        ONE,
        AT,
        member=who.member_id if who else None,
        lines=goods.lines,
        quote=answer,
        context=SaleContext(**context),
    )


def refund_of(sold: Draft, *wanted: RefundLine) -> tuple[Draft, RefundQuote]:
    answer = refund_quote(sold.body, [], wanted or whole_rest(sold.body, []))
    assert isinstance(answer, RefundQuote)
    return refund_draft(TWO, AT, sale=sold, quote=answer), answer


def net(*drafts: Draft) -> dict[tuple[str, str], int]:
    totals: dict[tuple[str, str], int] = {}
    for draft in drafts:
        for leg in draft.legs:
            totals[leg.account, leg.unit] = totals.get((leg.account, leg.unit), 0) + leg.amount
    return {key: amount for key, amount in totals.items() if amount}


def test_the_body_of_a_sale_is_what_the_club_expects() -> None:
    draft = sale(cashier="Sara", medium="magstripe", offline=True, register_ref="R-77")
    assert (draft.kind, draft.member, draft.ref) == (Kind.SALE, MEMBER, None)
    assert draft.body == {
        "currency": "IRR",
        "total_minor": 400_000,
        "payable_minor": 190_000,
        "lines": [
            {"n": 1, "name": "Tea", "sku": "T1", "category": "drinks", "quantity_milli": 2000, "amount_minor": 300_000},
            {
                "n": 2,
                "name": "Dates",
                "sku": "D1",
                "category": "sweets",
                "quantity_milli": 500,
                "amount_minor": 100_000,
            },
        ],
        "redemptions": [
            {
                "program": "points",
                "version": 1,
                "rule": "use",
                "unit": "PTS",
                "spent": 200,
                "value_minor": 200_000,
                "spent_shares": [[1, 150], [2, 50]],
                "value_shares": [[1, 150_000], [2, 50_000]],
            },
            {
                "program": "credit",
                "version": 1,
                "rule": "use",
                "unit": "CREDIT",
                "spent": 10_000,
                "value_minor": 10_000,
                "spent_shares": [[1, 7500], [2, 2500]],
                "value_shares": [[1, 7500], [2, 2500]],
            },
        ],
        "earnings": [
            {
                "program": "credit",
                "version": 1,
                "rule": "one-percent",
                "unit": "CREDIT",
                "earned": 1900,
                "shares": [[1, 1425], [2, 475]],
            },
            {"program": "points", "version": 1, "rule": "base", "unit": "PTS", "earned": 1, "shares": [[1, 1]]},
        ],
        "register_ref": "R-77",
        "cashier": "Sara",
        "medium": "magstripe",
        "offline": True,
    }


def test_the_legs_of_a_sale_keep_spending_and_earning_apart() -> None:
    assert sale().legs == (
        Leg(TURNOVER, "IRR", -400_000),
        Leg(TENDER, "IRR", 190_000),
        Leg(REWARDS, "IRR", 210_000),
        Leg(ACCOUNT, "PTS", -200),
        Leg(REDEEMED, "PTS", 200),
        Leg(ACCOUNT, "CREDIT", -10_000),
        Leg(REDEEMED, "CREDIT", 10_000),
        Leg(ACCOUNT, "CREDIT", 1900),
        Leg(ISSUED, "CREDIT", -1900),
        Leg(ACCOUNT, "PTS", 1),
        Leg(ISSUED, "PTS", -1),
    )


def test_a_sale_without_a_member_moves_money_only() -> None:
    draft = sale(basket(50_000), who=None)
    assert draft.member is None
    assert draft.legs == (Leg(TURNOVER, "IRR", -50_000), Leg(TENDER, "IRR", 50_000))
    assert (draft.body["redemptions"], draft.body["earnings"]) == ([], [])


def test_a_sale_of_nothing_has_no_legs() -> None:
    assert sale(basket(0), who=None).legs == ()


def test_a_sale_paid_wholly_with_points_has_no_tender() -> None:
    draft = sale(basket(200_000, PTS=200))
    assert {leg.account for leg in draft.legs} == {TURNOVER, REWARDS, ACCOUNT, REDEEMED}


def test_lines_that_were_not_quoted_are_not_booked() -> None:
    answer = quote((), None, basket(100), NOW_MS)
    with pytest.raises(ValueError, match="quote again"):
        sale_draft(ONE, AT, member=None, lines=basket(101).lines, quote=answer, context=SaleContext())


def test_points_are_not_booked_without_a_member() -> None:
    answer = quote(both_on_one_card(), RICH, GOODS, NOW_MS)
    with pytest.raises(ValueError, match="only a member"):
        sale_draft(ONE, AT, member=None, lines=GOODS.lines, quote=answer, context=SaleContext())


def test_the_body_and_legs_of_a_return() -> None:
    sold = sale()
    draft, _ = refund_of(sold, RefundLine(2, 500))
    assert (draft.kind, draft.member, draft.ref) == (Kind.REFUND, MEMBER, ONE)
    assert draft.body == {
        "sale": ONE.hex(),
        "currency": "IRR",
        "lines": [{"n": 2, "quantity_milli": 500}],
        "gross_minor": 100_000,
        "pay_back_minor": 47_500,
        "taken_back": {"CREDIT": 475},
        "given_back": {"PTS": 50, "CREDIT": 2500},
    }
    assert draft.legs == (
        Leg(TURNOVER, "IRR", 100_000),
        Leg(TENDER, "IRR", -47_500),
        Leg(REWARDS, "IRR", -52_500),
        Leg(ACCOUNT, "CREDIT", 2500),
        Leg(REDEEMED, "CREDIT", -2500),
        Leg(ACCOUNT, "PTS", 50),
        Leg(REDEEMED, "PTS", -50),
        Leg(ACCOUNT, "CREDIT", -475),
        Leg(ISSUED, "CREDIT", 475),
    )


def test_a_return_without_a_member_moves_money_only() -> None:
    draft, _ = refund_of(sale(basket(50_000), who=None))
    assert draft.legs == (Leg(TURNOVER, "IRR", 50_000), Leg(TENDER, "IRR", -50_000))


def test_a_void_is_the_sale_turned_round() -> None:
    sold = sale()
    draft = void_draft(TWO, AT, sale=sold)
    assert isinstance(draft, Draft)
    assert (draft.kind, draft.member, draft.ref) == (Kind.VOID, MEMBER, ONE)
    assert draft.body == {"sale": ONE.hex(), "currency": "IRR", "total_minor": 400_000}
    assert net(sold, draft) == {}


def test_a_sale_of_which_something_came_back_is_not_voided() -> None:
    sold = sale()
    returned, _ = refund_of(sold, RefundLine(1, 1))
    assert void_draft(TWO, AT, sale=sold, returns=[returned]) == Words("void.returned")


def test_joining_books_the_welcome_gift() -> None:
    draft = enrol_draft(
        ONE, AT, member_id=MEMBER, keys=("ab" * 16, "cd" * 16), sealed="sealed", consent=True, gift={"PTS": 50}
    )
    assert draft.body == {"member_id": MEMBER, "keys": ["ab" * 16, "cd" * 16], "sealed": "sealed", "consent": True}
    assert (draft.kind, draft.member) == (Kind.ENROL, MEMBER)
    assert draft.legs == (Leg(ACCOUNT, "PTS", 50), Leg(ISSUED, "PTS", -50))


def test_joining_without_a_gift_and_linking_a_card_have_no_legs() -> None:
    joined = enrol_draft(ONE, AT, member_id=MEMBER, keys=(), sealed="", consent=False, gift={})
    linked = link_draft(TWO, AT, member_id=MEMBER, key="ab" * 16)
    assert (joined.legs, linked.legs) == ((), ())
    assert (linked.kind, linked.member) == (Kind.LINK, MEMBER)
    assert linked.body == {"member_id": MEMBER, "key": "ab" * 16}


@UNHURRIED
@given(any_programs(), any_member(), any_basket())
def test_returning_everything_leads_every_account_back(
    programs: tuple[Program, ...], who: MemberView, goods: Basket
) -> None:
    answer = quote(programs, who, goods, NOW_MS)
    sold = sale_draft(ONE, AT, member=MEMBER, lines=goods.lines, quote=answer, context=SaleContext())
    assert parse_payload(encode_payload(sold)) == sold
    returned, _ = refund_of(sold)
    assert net(sold, returned) == {}
    assert parse_payload(encode_payload(returned)) == returned


@UNHURRIED
@given(any_programs(), any_member(), any_basket())
def test_a_booked_sale_gives_its_figures_again(programs: tuple[Program, ...], who: MemberView, goods: Basket) -> None:
    answer = quote(programs, who, goods, NOW_MS)
    sold = sale_draft(ONE, AT, member=MEMBER, lines=goods.lines, quote=answer, context=SaleContext())
    again = quote_from_body(parse_payload(encode_payload(sold)).body)
    assert (again.total_minor, again.payable_minor) == (answer.total_minor, answer.payable_minor)
    assert again.redemptions == answer.redemptions
    assert [(it.rule, it.unit, it.earned, it.shares) for it in again.earnings] == [
        (it.rule, it.unit, it.earned, it.shares) for it in answer.earnings
    ]


def printed(draft: Draft, balances: Mapping[str, int], **keys: Any) -> list[Words]:
    return list(receipt_lines(draft, name="Parisa M", balances=balances, **keys))


def test_the_receipt_of_a_sale() -> None:
    silver = {"en": "Silver", "fa": "نقره‌ای"}
    assert printed(sale(offline=True), {"CREDIT": 1900, "PTS": 1085}, tier=silver) == [
        Words("receipt.member", {"member": "Parisa M", "tier": silver}),
        Words("receipt.used", {"spent": quantity(200, "PTS"), "value": quantity(200_000, "IRR")}),
        Words("receipt.used", {"spent": quantity(10_000, "CREDIT"), "value": quantity(10_000, "IRR")}),
        Words("receipt.earned", {"earned": quantity(1900, "CREDIT")}),
        Words("receipt.earned", {"earned": quantity(1, "PTS")}),
        Words("receipt.balance", {"balance": quantity(1085, "PTS")}),
        Words("receipt.balance", {"balance": quantity(1900, "CREDIT")}),
        Words("receipt.offline"),
    ]


def test_the_receipt_of_a_return_names_the_sale() -> None:
    returned, _ = refund_of(sale(), RefundLine(2, 500))
    figures = [
        {"earned": quantity(0, "PTS"), "spent": quantity(50, "PTS")},
        {"earned": quantity(475, "CREDIT"), "spent": quantity(2500, "CREDIT")},
    ]
    member_line = Words("receipt.member.plain", {"member": "Parisa M"})
    assert printed(returned, {}, code="9F3A 77C1") == [
        member_line,
        *(Words("receipt.returned", {"code": "9F3A 77C1", **figure}) for figure in figures),
    ]
    assert printed(returned, {}) == [member_line, *(Words("receipt.returned.plain", figure) for figure in figures)]


def test_the_receipt_of_a_void_and_of_joining() -> None:
    void = void_draft(TWO, AT, sale=sale())
    assert isinstance(void, Draft)
    assert receipt_lines(void, name=None, balances={"PTS": 7}) == (
        Words("receipt.voided"),
        Words("receipt.balance", {"balance": quantity(7, "PTS")}),
    )
    joined = enrol_draft(ONE, AT, member_id=MEMBER, keys=(), sealed="", consent=False, gift={})
    assert printed(joined, {}) == [Words("receipt.member.plain", {"member": "Parisa M"})]


def test_who_has_no_card_has_no_club_lines() -> None:
    assert receipt_lines(sale(basket(5), who=None), name=None, balances={}) == ()
