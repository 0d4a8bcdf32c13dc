"""Returns: whatever comes back, in whatever pieces, adds up to what was sold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.ledger.entries import Draft
from posd.loyalty.evaluation import quote
from posd.loyalty.model import Basket, Line, MemberView, RefundLine, RefundQuote
from posd.loyalty.programs import Program
from posd.loyalty.refunds import refund_quote, returned_before, whole_rest
from posd.till.booking import SaleContext, sale_draft
from posd.words import Words, quantity
from tests.fakes.clock import FakeClock
from tests.fakes.shop_programs import (
    MEMBER,
    NOW_MS,
    POINTS_RULE,
    UNHURRIED,
    any_basket,
    any_member,
    any_programs,
    basket,
    both_on_one_card,
    member,
    program,
)

SALE_ID = bytes(16)
Body = Mapping[str, Any]


def sold(programs: Sequence[Program], goods: Basket, who: MemberView | None = None) -> Body:
    """The body of a sale as it comes back from the ledger: through JSON."""
    who = who or member()
    draft: Draft = sale_draft(
        SALE_ID,
        FakeClock().now(),
        member=MEMBER,
        lines=goods.lines,
        quote=quote(programs, who, goods, NOW_MS),
        context=SaleContext(),
    )
    body: Body = json.loads(json.dumps(draft.body))
    return body


def refunded(sale: Body, already: Sequence[Body], *wanted: RefundLine) -> RefundQuote:
    answer = refund_quote(sale, already, wanted)
    assert isinstance(answer, RefundQuote), answer
    return answer


def body_of(answer: RefundQuote) -> Body:
    return {"lines": [{"n": line.n, "quantity_milli": line.quantity_milli} for line in answer.lines]}


def in_pieces(sale: Body, pieces: Sequence[RefundLine]) -> list[RefundQuote]:
    """One refund per piece, each knowing those before it."""
    done: list[RefundQuote] = []
    for piece in pieces:
        done.append(refunded(sale, [body_of(one) for one in done], piece))
    return done


def summed(answers: Sequence[RefundQuote]) -> dict[str, int]:
    totals = {
        "gross": sum(one.gross_minor for one in answers),
        "pay_back": sum(one.pay_back_minor for one in answers),
    }
    for one in answers:
        for name, per_unit in (("taken", one.taken_back), ("given", one.given_back)):
            for unit, amount in per_unit.items():
                totals[f"{name} {unit}"] = totals.get(f"{name} {unit}", 0) + amount
    return totals


def sale_totals(sale: Body) -> dict[str, int]:
    """What returning all of a sale must come to."""
    totals = {"gross": sale["total_minor"], "pay_back": sale["payable_minor"]}
    for item in sale["earnings"]:
        key = f"taken {item['unit']}"
        totals[key] = totals.get(key, 0) + item["earned"]
    for item in sale["redemptions"]:
        key = f"given {item['unit']}"
        totals[key] = totals.get(key, 0) + item["spent"]
    return totals


def test_a_line_that_comes_back_takes_its_points_along() -> None:
    """LoyaltyLion's case: 1 point per 1, twice 10 make 20; one comes back: 10; the other: 0."""
    sale = sold([program({**POINTS_RULE, "per_minor": 1})], basket(10, 10))
    first = refunded(sale, [], RefundLine(1, 1000))
    assert (first.pay_back_minor, first.taken_back) == (10, {"PTS": 10})
    second = refunded(sale, [body_of(first)], RefundLine(2, 1000))
    assert (second.pay_back_minor, second.taken_back) == (10, {"PTS": 10})


def test_a_part_of_a_line_takes_its_part() -> None:
    """NOBULL's case: 100 points for 100; 75 come back; 25 points stay."""
    sale = sold([program({**POINTS_RULE, "per_minor": 1})], basket(100))
    assert refunded(sale, [], RefundLine(1, 750)).taken_back == {"PTS": 75}


def test_a_sale_with_reward_goes_back_to_the_start() -> None:
    """Odoo's case in our rules: balance 200, a reward for 150, 70 earned: 120 after the sale, 200 after the return."""
    rules = (
        {"kind": "redeem", "id": "use", "unit": "PTS", "step": 150, "worth_minor": 1},
        {**POINTS_RULE, "earn": 70, "per_minor": 850},
    )
    sale = sold([program(*rules)], basket(1000, PTS=150), member(PTS=200))
    spent, earned = sale["redemptions"][0]["spent"], sale["earnings"][0]["earned"]
    assert (spent, earned, 200 - spent + earned) == (150, 70, 120)
    back = refunded(sale, [], *whole_rest(sale, []))
    assert (back.taken_back, back.given_back) == ({"PTS": 70}, {"PTS": 150})
    assert 120 - back.taken_back["PTS"] + back.given_back["PTS"] == 200


def test_a_return_after_points_paid_gives_money_and_points_back() -> None:
    goods = basket(300_000, 100_000, PTS=200)
    sale = sold(both_on_one_card(), goods, member(PTS=200))
    back = refunded(sale, [], RefundLine(2, 1000))
    assert (back.gross_minor, back.pay_back_minor) == (100_000, 50_000)
    assert (back.given_back, back.taken_back) == ({"PTS": 50}, {"CREDIT": 500})


def test_a_return_split_200_ways_adds_up() -> None:
    lines = (Line(1, 9_999_999, quantity_milli=200_000), Line(2, 777_777, quantity_milli=1000))
    goods = Basket("IRR", lines, {"PTS": 1280, "CREDIT": 333_330})
    sale = sold(both_on_one_card(), goods, member(PTS=1284, CREDIT=333_333))
    parts = in_pieces(sale, [RefundLine(1, 1000)] * 200)
    assert summed([*parts, refunded(sale, [body_of(one) for one in parts], RefundLine(2, 1000))]) == sale_totals(sale)
    assert all(one.pay_back_minor >= 0 for one in parts)
    assert {one.pay_back_minor for one in parts[:-1]} - {parts[0].pay_back_minor, parts[0].pay_back_minor + 1} == set()


@UNHURRIED
@given(any_programs(), any_member(), any_basket(), st.data())
def test_any_way_of_splitting_a_return_adds_up(
    programs: tuple[Program, ...], who: MemberView, goods: Basket, data: st.DataObject
) -> None:
    sale = sold(programs, goods, who)
    pieces: list[RefundLine] = []
    for line in goods.lines:
        cuts = sorted(data.draw(st.sets(st.integers(1, line.quantity_milli - 1), max_size=4)))
        edges = [0, *cuts, line.quantity_milli]
        pieces += [RefundLine(line.n, after - before) for before, after in pairwise(edges)]
    parts = in_pieces(sale, data.draw(st.permutations(pieces)))
    expected = {key: amount for key, amount in sale_totals(sale).items() if amount or " " not in key}
    assert summed(parts) == expected
    assert all(amount > 0 for one in parts for amount in (*one.taken_back.values(), *one.given_back.values()))
    prices = {line.n: line.amount_minor for line in goods.lines}
    for one in parts:
        discount = prices[one.lines[0].n] < 0
        assert (one.pay_back_minor <= 0) if discount else (0 <= one.pay_back_minor <= one.gross_minor)


@UNHURRIED
@given(any_programs(), any_member(), any_basket())
def test_all_at_once_is_the_whole_sale(programs: tuple[Program, ...], who: MemberView, goods: Basket) -> None:
    sale = sold(programs, goods, who)
    back = refunded(sale, [], *whole_rest(sale, []))
    assert summed([back]) == sale_totals(sale)
    assert whole_rest(sale, [body_of(back)]) == ()


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ([], Words("refund.items", {"count": 0})),
        ([RefundLine(1, 0)], Words("refund.items", {"count": 0})),
        ([RefundLine(1, -500)], Words("refund.items", {"count": 0})),
        ([RefundLine(7, 1000)], Words("refund.line_unknown", {"count": 7})),
        ([RefundLine(1, 501)], Words("refund.more_than_left", {"item": "item 1"})),
        ([RefundLine(1, 250), RefundLine(1, 251)], Words("refund.more_than_left", {"item": "item 1"})),
        ([RefundLine(2, 1001)], Words("refund.more_than_left", {"item": "item 2"})),
    ],
)
def test_what_cannot_come_back_says_why(wanted: list[RefundLine], reason: Words) -> None:
    sale = sold(both_on_one_card(), basket(100_000, 200_000))
    already = [{"lines": [{"n": 1, "quantity_milli": 500}]}]
    assert refund_quote(sale, already, wanted) == reason
    assert isinstance(refund_quote(sale, already, [RefundLine(1, 500)]), RefundQuote)


def test_a_line_without_a_name_is_called_by_its_number() -> None:
    sale = sold((), Basket("IRR", (Line(4, 100),)))
    assert refund_quote(sale, [], [RefundLine(4, 2000)]) == Words("refund.more_than_left", {"item": "4"})


def test_nothing_of_a_voided_sale_comes_back() -> None:
    sale = sold((), basket(100))
    void = {"sale": SALE_ID.hex(), "currency": "IRR", "total_minor": 100}
    assert refund_quote(sale, [void], [RefundLine(1, 1000)]) == Words("refund.not_found")


def test_one_line_named_twice_is_returned_once_with_both_quantities() -> None:
    sale = sold((), basket(1000))
    assert refunded(sale, [], RefundLine(1, 300), RefundLine(1, 200)).lines == (RefundLine(1, 500),)


@pytest.mark.parametrize(("balance", "missing"), [(10, None), (9, 1), (0, 10)])
def test_points_that_are_spent_already_warn_and_never_refuse(balance: int, missing: int | None) -> None:
    sale = sold(both_on_one_card(), basket(1_000_000))
    back = refund_quote(sale, [], [RefundLine(1, 1000)], balances={"PTS": balance, "CREDIT": 10_000})
    assert isinstance(back, RefundQuote)
    assert back.taken_back == {"PTS": 10, "CREDIT": 10_000}
    expected = () if missing is None else (Words("refund.points_spent", {"missing": quantity(missing, "PTS")}),)
    assert back.warnings == expected


def test_points_that_come_back_pay_for_those_that_go() -> None:
    sale = sold(both_on_one_card(), basket(1_000_000, PTS=100), member(PTS=100))
    back = refund_quote(sale, [], [RefundLine(1, 1000)], balances={"PTS": 0})
    assert isinstance(back, RefundQuote)
    assert (back.taken_back["PTS"], back.given_back["PTS"], back.warnings) == (9, 100, ())


def test_a_debt_that_this_return_did_not_make_is_not_told() -> None:
    sale = sold((), basket(1000))
    back = refund_quote(sale, [], [RefundLine(1, 1000)], balances={"PTS": -5})
    assert isinstance(back, RefundQuote)
    assert back.warnings == ()


def test_what_was_returned_before_is_summed_by_line() -> None:
    bodies = [{"lines": [{"n": 1, "quantity_milli": 300}]}, {"lines": [{"n": 1, "quantity_milli": 200}]}]
    assert returned_before(bodies) == {1: 500}
