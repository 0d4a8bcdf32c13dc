"""The quote in numbers: baskets at the edges of each rule, and what is said about them."""

from __future__ import annotations

from typing import Any

import pytest

from posd.loyalty.evaluation import quote
from posd.loyalty.model import Basket, Line, MemberView, Quote, Share
from posd.loyalty.programs import Program
from posd.words import Words, quantity
from tests.fakes.shop_programs import NOW_MS, POINTS_RULE, basket, both_on_one_card, member, program, template

POINTS = (template("points_per_amount"),)
CREDIT = (template("percent_credit"),)
ONE_TO_ONE = {"kind": "redeem", "id": "use", "unit": "PTS"}


def ask(programs: tuple[Program, ...], sold: Basket, who: MemberView | None = None) -> Quote:
    return quote(programs, who or member(), sold, NOW_MS)


def earned(programs: tuple[Program, ...], sold: Basket, who: MemberView | None = None) -> dict[str, int]:
    return {earning.unit: earning.earned for earning in ask(programs, sold, who).earnings}


@pytest.mark.parametrize(
    ("total_minor", "points"),
    [
        (0, 0),
        (1, 0),
        (99_999, 0),
        (100_000, 1),
        (100_001, 1),
        (199_999, 1),
        (200_000, 2),
        (250_000, 2),
        (12_880_000, 128),
    ],
)
def test_one_point_per_ten_thousand_toman(total_minor: int, points: int) -> None:
    assert earned(POINTS, basket(total_minor)) == ({"PTS": points} if points else {})


def test_toman_and_rial_are_the_same_money() -> None:
    """10,000 toman are 100,000 rial: a shop that prices in toman gives the till rial, and gets one point."""
    toman = 10_000
    assert earned(POINTS, basket(toman)) == {}
    assert earned(POINTS, basket(toman * 10)) == {"PTS": 1}


@pytest.mark.parametrize(
    ("rounding", "total_minor", "points"),
    [
        ("floor", 149_999, 1),
        ("floor", 150_000, 1),
        ("half_up", 49_999, 0),
        ("half_up", 50_000, 1),
        ("half_up", 149_999, 1),
        ("half_up", 150_000, 2),
    ],
)
def test_rounding_is_the_one_that_is_stated(rounding: str, total_minor: int, points: int) -> None:
    programs = (program({**POINTS_RULE, "rounding": rounding}),)
    assert earned(programs, basket(total_minor)).get("PTS", 0) == points


def test_rounding_happens_once_per_sale_and_not_per_line() -> None:
    assert earned(POINTS, basket(60_000, 60_000, 60_000, 20_000)) == {"PTS": 2}


def test_several_points_per_amount_are_earned_in_proportion() -> None:
    programs = (program({**POINTS_RULE, "earn": 5}),)
    assert [earned(programs, basket(total)).get("PTS", 0) for total in (19_999, 20_000, 50_000, 100_000)] == [
        0,
        1,
        2,
        5,
    ]


@pytest.mark.parametrize(
    ("total_minor", "credit"), [(999, 0), (1_000, 10), (1_999, 10), (12_345_678, 123_450), (12_880_000, 128_800)]
)
def test_one_percent_credit_in_whole_toman(total_minor: int, credit: int) -> None:
    assert earned(CREDIT, basket(total_minor)).get("CREDIT", 0) == credit


@pytest.mark.parametrize(("rounding", "credit"), [("floor", 120), ("half_up", 130)])
def test_credit_is_rounded_to_its_multiple(rounding: str, credit: int) -> None:
    rule = {
        "kind": "earn_percent",
        "id": "c",
        "basis_points": 100,
        "basis": "total",
        "rounding": rounding,
        "round_to": 10,
    }
    assert earned((program(rule),), basket(12_500)) == {"CREDIT": credit}


def test_two_rules_round_each_for_itself() -> None:
    """Setono's case: a basis of 19.99 under 1 point per 1.00 and 1 per 2.00 gives 19 + 9."""
    per = [{**POINTS_RULE, "id": f"per{minor}", "per_minor": minor} for minor in (100, 200)]
    programs = (program(*per, currency="USD"),)
    assert [it.earned for it in ask(programs, basket(1999, currency="USD")).earnings] == [19, 9]


@pytest.mark.parametrize(
    ("wanted", "balance", "spent"), [(1000, 5000, 1000), (1000, 700, 700), (10_000, 10_000, 5000), (400, 5000, 0)]
)
def test_minimum_balance_and_share_of_the_sale_cap_what_is_spent(wanted: int, balance: int, spent: int) -> None:
    """Setono's case: 1:1, at least 500, at most half of a sale of 10,000."""
    programs = (program({**ONE_TO_ONE, "minimum": 500, "max_share_permille": 500}),)
    answer = ask(programs, basket(10_000, PTS=wanted), member(PTS=balance))
    assert sum(it.spent for it in answer.redemptions) == spent
    assert answer.payable_minor == 10_000 - spent


def test_points_are_spent_in_steps() -> None:
    """100 points pay 500 minor: of 1050 wanted, 1000 are spent for 5000."""
    programs = (program({**ONE_TO_ONE, "spend": 100, "worth_minor": 500, "step": 100}),)
    (used,) = ask(programs, basket(10_000, PTS=1050), member(PTS=2000)).redemptions
    assert (used.spent, used.value_minor) == (1000, 5000)


def test_who_wants_less_than_the_minimum_is_told_the_minimum() -> None:
    answer = ask(POINTS, basket(1_000_000, PTS=90), member(PTS=500))
    assert answer.redemptions == ()
    assert Words("redeem.minimum", {"limit": quantity(100, "PTS")}) in answer.hints


def test_both_programs_on_one_card() -> None:
    who = member(PTS=1284, CREDIT=1_860_000)
    answer = ask(both_on_one_card(), basket(12_880_000, PTS=1284, CREDIT=1_860_000), who)
    assert [(it.unit, it.spent, it.value_minor) for it in answer.redemptions] == [
        ("PTS", 1280, 1_280_000),
        ("CREDIT", 1_860_000, 1_860_000),
    ]
    assert answer.payable_minor == 12_880_000 - 1_280_000 - 1_860_000 == 9_740_000
    assert {it.unit: it.earned for it in answer.earnings} == {"PTS": 97, "CREDIT": 97_400}
    assert {(it.program, it.version, it.rule) for it in answer.earnings} == {
        ("points", 1, "base"),
        ("credit", 1, "one-percent"),
    }


def test_credit_fills_what_the_coarser_points_leave() -> None:
    who = member(PTS=10_000, CREDIT=500_000)
    answer = ask(both_on_one_card(), basket(1_234_560, PTS=10_000, CREDIT=500_000), who)
    assert [(it.unit, it.value_minor) for it in answer.redemptions] == [("PTS", 1_230_000), ("CREDIT", 4_560)]
    assert answer.payable_minor == 0
    assert answer.earnings == ()


def test_two_rules_of_one_unit_do_not_spend_a_point_twice() -> None:
    programs = (program(ONE_TO_ONE, id="a"), program({**ONE_TO_ONE, "worth_minor": 2}, id="b"))
    answer = ask(programs, basket(100, PTS=60), member(PTS=60))
    assert [(it.program, it.spent, it.value_minor) for it in answer.redemptions] == [("b", 50, 100)]
    answer = ask(programs, basket(1000, PTS=60), member(PTS=60))
    assert sum(it.spent for it in answer.redemptions) == 60


def test_earning_may_be_on_the_whole_price() -> None:
    programs = (program({**POINTS_RULE, "basis": "total"}, ONE_TO_ONE),)
    answer = ask(programs, basket(300_000, PTS=250_000), member(PTS=250_000))
    assert (answer.payable_minor, answer.earnings[0].earned) == (50_000, 3)


def test_shares_go_to_the_lines_that_are_paid() -> None:
    answer = ask(POINTS, basket(300_000, 100_000, 0, PTS=200), member(PTS=200))
    (used,) = answer.redemptions
    assert used.value_shares == (Share(1, 150_000), Share(2, 50_000))
    assert used.spent_shares == (Share(1, 150), Share(2, 50))
    assert answer.earnings[0].shares == (Share(1, 2),)


def test_equal_remainders_go_to_the_lower_line_number() -> None:
    lines = [Line(n, 100_000) for n in (3, 1, 2)]
    programs = (program({**POINTS_RULE, "per_minor": 75_000}),)
    answer = ask(programs, Basket("IRR", tuple(lines)))
    assert answer.earnings[0].shares == (Share(1, 2), Share(2, 1), Share(3, 1))


def test_the_largest_remainder_gets_what_is_left_over() -> None:
    answer = ask((program({**POINTS_RULE, "per_minor": 300_000}),), basket(100_000, 200_000))
    assert answer.earnings[0].shares == (Share(2, 1),)


def test_what_points_paid_of_a_line_credit_does_not_pay_again() -> None:
    programs = (program(ONE_TO_ONE, {**ONE_TO_ONE, "id": "credit", "unit": "CREDIT"}),)
    answer = ask(programs, basket(1, 1, PTS=1, CREDIT=1), member(PTS=1, CREDIT=1))
    assert [it.value_shares for it in answer.redemptions] == [(Share(1, 1),), (Share(2, 1),)]


def test_a_discount_line_lowers_the_sale_and_gets_no_share() -> None:
    answer = ask(POINTS, basket(300_000, -100_000, PTS=100), member(PTS=100))
    assert (answer.total_minor, answer.payable_minor) == (200_000, 100_000)
    assert answer.redemptions[0].value_shares == (Share(1, 100_000),)
    assert answer.earnings[0].shares == (Share(1, 1),)


@pytest.mark.parametrize(
    ("programs", "who", "sold", "possible", "why_not"),
    [
        (POINTS, member(PTS=500), basket(1_000_000), 500, None),
        (POINTS, member(), basket(1_000_000), 0, Words("quote.why_not.empty")),
        (
            POINTS,
            member(PTS=40),
            basket(1_000_000),
            0,
            Words("quote.why_not.balance", {"limit": quantity(100, "PTS"), "missing": quantity(60, "PTS")}),
        ),
        (
            POINTS,
            member(PTS=-10),
            basket(1_000_000),
            0,
            Words("quote.why_not.balance", {"limit": quantity(100, "PTS"), "missing": quantity(110, "PTS")}),
        ),
        (POINTS, member(PTS=505), basket(1_000_000), 500, Words("quote.why_not.step", {"rate": quantity(10, "PTS")})),
        (
            POINTS,
            member(PTS=505),
            basket(250_000),
            250,
            Words("quote.why_not.cap_sale", {"limit": quantity(250, "PTS")}),
        ),
        (
            POINTS,
            member(PTS=505),
            basket(99_999),
            0,
            Words("quote.why_not.minimum", {"amount": quantity(100_000, "IRR"), "missing": quantity(1, "IRR")}),
        ),
        (POINTS, member(PTS=505, usable={"PTS": 0}), basket(1_000_000), 0, Words("quote.why_not.offline")),
        (POINTS, member(PTS=505, usable={"PTS": 200}), basket(1_000_000), 200, Words("quote.why_not.offline")),
        (POINTS, member(PTS=505, usable={}), basket(1_000_000), 0, Words("quote.why_not.offline")),
        (
            POINTS,
            member(PTS=505, usable={"PTS": 0}, reason=Words("quote.why_not.plastic_number")),
            basket(1_000_000),
            0,
            Words("quote.why_not.plastic_number"),
        ),
        (
            POINTS,
            member(PTS=40, usable={"PTS": 0}),
            basket(1_000_000),
            0,
            Words("quote.why_not.balance", {"limit": quantity(100, "PTS"), "missing": quantity(60, "PTS")}),
        ),
    ],
)
def test_an_option_says_why_it_is_not_all(
    programs: tuple[Program, ...], who: MemberView, sold: Basket, possible: int, why_not: Words | None
) -> None:
    (option,) = ask(programs, sold, who).options
    assert (option.possible, option.why_not) == (possible, why_not)
    assert option.value_minor == possible * 1000


def test_a_minimum_between_two_steps_is_the_next_step() -> None:
    programs = (program({**ONE_TO_ONE, "step": 10, "minimum": 105}),)
    assert ask(programs, basket(1000), member(PTS=110)).options[0].possible == 110
    (option,) = ask(programs, basket(1000), member(PTS=109)).options
    assert option.why_not == Words(
        "quote.why_not.balance", {"limit": quantity(110, "PTS"), "missing": quantity(1, "PTS")}
    )


def test_half_of_the_sale_needs_twice_the_sale() -> None:
    programs = (program({**ONE_TO_ONE, "minimum": 500, "max_share_permille": 500}),)
    (option,) = ask(programs, basket(999), member(PTS=5000)).options
    assert option.why_not == Words(
        "quote.why_not.minimum", {"amount": quantity(1000, "IRR"), "missing": quantity(1, "IRR")}
    )
    assert ask(programs, basket(1000), member(PTS=5000)).options[0].possible == 500


def test_an_option_that_another_one_leaves_nothing_names_it() -> None:
    who = member(PTS=1000, CREDIT=900_000)
    points, credit = ask(both_on_one_card(), basket(1_000_000, PTS=1000), who).options
    assert (points.possible, points.why_not) == (1000, None)
    assert (credit.possible, credit.value_minor) == (0, 0)
    name = {"en": "Club points", "fa": "امتیاز باشگاه", "ar": "نقاط النادي"}
    assert credit.why_not == Words("quote.why_not.not_together", {"program": name})


def test_without_a_member_nothing_moves_and_the_quote_invites() -> None:
    answer = quote(both_on_one_card(), None, basket(1_000_000, PTS=500, CREDIT=500), NOW_MS)
    assert (answer.payable_minor, answer.redemptions, answer.earnings) == (1_000_000, (), ())
    assert [(option.possible, option.why_not) for option in answer.options] == [
        (0, Words("quote.why_not.no_member"))
    ] * 2
    assert answer.hints == (
        Words("quote.why_not.join", {"earned": quantity(10_000, "CREDIT")}),
        Words("quote.why_not.join", {"earned": quantity(10, "PTS")}),
    )


def test_a_hint_says_what_is_missing_to_the_next_point() -> None:
    """12,000 toman more earns a point."""
    programs = (program({**POINTS_RULE, "per_minor": 200_000}),)
    assert ask(programs, basket(80_000)).hints == (
        Words("quote.why_not.short_by", {"missing": quantity(120_000, "IRR"), "reward": quantity(1, "PTS")}),
    )


@pytest.mark.parametrize(
    ("rule", "total_minor", "missing", "reward"),
    [
        (POINTS_RULE, 0, 100_000, 1),
        (POINTS_RULE, 100_000, 100_000, 1),
        (POINTS_RULE, 199_999, 1, 1),
        ({**POINTS_RULE, "rounding": "half_up"}, 100_000, 50_000, 1),
        ({**POINTS_RULE, "earn": 3, "per_minor": 2}, 100, 1, 1),
        ({**POINTS_RULE, "earn": 7, "per_minor": 2}, 100, 1, 3),
    ],
)
def test_the_next_step_is_exact(rule: dict[str, Any], total_minor: int, missing: int, reward: int) -> None:
    assert ask((program(rule),), basket(total_minor)).hints == (
        Words("quote.why_not.short_by", {"missing": quantity(missing, "IRR"), "reward": quantity(reward, "PTS")}),
    )


def test_the_smallest_step_is_hinted_first() -> None:
    programs = (
        program({**POINTS_RULE, "per_minor": 70_000}, id="a"),
        program({**POINTS_RULE, "per_minor": 60_000}, id="b"),
    )
    missing = [hint.args["missing"] for hint in ask(programs, basket(50_000)).hints]
    assert missing == [quantity(10_000, "IRR"), quantity(20_000, "IRR")]


def test_no_hint_promises_what_points_would_pay() -> None:
    """Half of the sale goes on points: 10,000 toman more would not bring the point."""
    programs = (program(POINTS_RULE, {**ONE_TO_ONE, "max_share_permille": 500}),)
    keys = [hint.key for hint in ask(programs, basket(300_000, PTS=10**6), member(PTS=10**6)).hints]
    assert keys == ["quote.why_not.paid_with_points"]
    keys = [hint.key for hint in ask(programs, basket(300_000, PTS=1000), member(PTS=1000)).hints]
    assert "quote.why_not.short_by" in keys


def test_points_on_the_whole_price_are_hinted_even_when_points_pay() -> None:
    programs = (program({**POINTS_RULE, "basis": "total"}, ONE_TO_ONE),)
    answer = ask(programs, basket(150_000, PTS=10**6), member(PTS=10**6))
    assert answer.payable_minor == 0
    assert answer.hints[0].args["missing"] == quantity(50_000, "IRR")


def test_no_hint_where_a_larger_sale_earns_less() -> None:
    """From 4,000 on the points pay half, so that 1 more would earn a point on the price and lose 20 on what is paid."""
    programs = (
        program(
            {**POINTS_RULE, "id": "price", "per_minor": 4000, "basis": "total"},
            {**POINTS_RULE, "id": "paid", "per_minor": 100},
            {**ONE_TO_ONE, "minimum": 2000, "max_share_permille": 500},
        ),
    )
    who = member(PTS=2000)
    before, after = (ask(programs, basket(total, PTS=2000), who) for total in (3999, 4000))
    assert (before.payable_minor, after.payable_minor) == (3999, 2000)
    assert quantity(1, "IRR") not in [hint.args.get("missing") for hint in before.hints]


def test_an_earning_says_why() -> None:
    answer = ask(both_on_one_card(), basket(1_000_000))
    assert {it.unit: it.why for it in answer.earnings} == {
        "PTS": Words(
            "quote.why.base",
            {"earned": quantity(10, "PTS"), "amount": quantity(100_000, "IRR"), "rate": quantity(1, "PTS")},
        ),
        "CREDIT": Words(
            "quote.why.credit",
            {"earned": quantity(10_000, "CREDIT"), "amount": quantity(10_000, "IRR"), "rate": quantity(100, "CREDIT")},
        ),
    }


def test_a_program_to_come_and_one_that_ended_say_when() -> None:
    programs = (
        program(POINTS_RULE, id="next", starts_at="2030-03-21T00:00:00+03:30"),
        program(POINTS_RULE, id="past", ends_at="2020-03-21T00:00:00+03:30"),
    )
    answer = ask(programs, basket(1_000_000))
    assert answer.earnings == ()
    assert answer.hints == (
        Words("quote.why_not.not_started", {"program": {"en": "Club"}, "date": 1_900_269_000_000}),
        Words("quote.why_not.ended", {"program": {"en": "Club"}, "date": 1_584_736_199_999}),
    )


def test_a_new_version_to_come_is_not_told_while_the_old_one_runs() -> None:
    programs = (
        program(POINTS_RULE, version=1),
        program(POINTS_RULE, version=2, starts_at="2030-03-21T00:00:00+03:30"),
    )
    assert [hint.key for hint in ask(programs, basket(1_000_000)).hints] == ["quote.why_not.short_by"]


def test_a_program_of_another_currency_does_nothing() -> None:
    assert ask((program(POINTS_RULE, ONE_TO_ONE, currency="USD"),), basket(1_000_000)) == ask((), basket(1_000_000))


def test_without_programs_the_price_is_the_price() -> None:
    answer = ask((), basket(5, 6))
    assert (answer.total_minor, answer.payable_minor, answer.options, answer.hints) == (11, 11, (), ())


@pytest.mark.parametrize(
    ("lines", "redeem", "message"),
    [
        ((Line(1, 5), Line(1, 6)), {}, "same number"),
        ((Line(0, 5),), {}, "from 1"),
        ((Line(1, 5, quantity_milli=0),), {}, "from 1"),
        ((Line(1, 5.0),), {}, "integer"),  # type: ignore[arg-type]  # what a careless register could send
        ((Line(1, True),), {}, "integer"),
        ((Line(1, -5),), {}, "refund"),
        ((Line(1, 5),), {"PTS": "5"}, "integer"),
    ],
)
def test_a_basket_that_cannot_be_sold_cannot_be_built(lines: tuple[Line, ...], redeem: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Basket("IRR", lines, redeem)
