"""What holds for every quote, whatever the programs, the member and the basket."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from posd.loyalty.evaluation import quote
from posd.loyalty.model import Basket, Line, MemberView, Quote, Share
from posd.loyalty.programs import Program
from posd.loyalty.rounding import Rounding, least_numerator, part_returned, rounded, split
from tests.fakes.shop_programs import NOW_MS, UNHURRIED, any_basket, any_member, any_program, any_programs, program

Programs = tuple[Program, ...]
ANYBODY = st.none() | any_member()


def total(shares: tuple[Share, ...]) -> int:
    return sum(share.amount for share in shares)


@UNHURRIED
@given(any_programs(), ANYBODY, any_basket())
def test_what_is_paid_is_the_price_less_what_rewards_pay(
    programs: Programs, who: MemberView | None, sold: Basket
) -> None:
    answer = quote(programs, who, sold, NOW_MS)
    assert answer.total_minor == sold.total_minor
    assert answer.payable_minor == answer.total_minor - sum(it.value_minor for it in answer.redemptions)
    assert 0 <= answer.payable_minor <= answer.total_minor


@UNHURRIED
@given(any_programs(), ANYBODY, any_basket())
def test_nothing_is_spent_that_is_not_usable_or_not_wanted(
    programs: Programs, who: MemberView | None, sold: Basket
) -> None:
    answer = quote(programs, who, sold, NOW_MS)
    for unit in ("PTS", "CREDIT"):
        spent = sum(it.spent for it in answer.redemptions if it.unit == unit)
        usable = max(who.usable[unit], 0) if who else 0
        assert spent <= min(usable, sold.redeem.get(unit, 0))
    assert all(it.spent > 0 and it.value_minor > 0 for it in answer.redemptions)


@UNHURRIED
@given(any_programs(), ANYBODY, any_basket())
def test_shares_sum_exactly_and_no_line_is_paid_twice(programs: Programs, who: MemberView | None, sold: Basket) -> None:
    answer = quote(programs, who, sold, NOW_MS)
    paid: dict[int, int] = {}
    for it in answer.redemptions:
        assert (total(it.spent_shares), total(it.value_shares)) == (it.spent, it.value_minor)
        for share in it.value_shares:
            paid[share.n] = paid.get(share.n, 0) + share.amount
    for earning in answer.earnings:
        assert total(earning.shares) == earning.earned > 0
    prices = {line.n: line.amount_minor for line in sold.lines}
    assert all(0 < amount <= prices[n] for n, amount in paid.items())


@UNHURRIED
@given(any_programs(), any_member(), any_basket(), st.randoms(use_true_random=False))
def test_the_order_of_lines_and_programs_does_not_matter(
    programs: Programs, who: MemberView, sold: Basket, random: st.DataObject
) -> None:
    shuffled_lines, shuffled_programs = list(sold.lines), list(programs)
    random.shuffle(shuffled_lines)  # type: ignore[attr-defined]  # a random.Random
    random.shuffle(shuffled_programs)  # type: ignore[attr-defined]  # a random.Random
    again = quote(shuffled_programs, who, replace(sold, lines=tuple(shuffled_lines)), NOW_MS)
    assert again == quote(programs, who, sold, NOW_MS)


@UNHURRIED
@given(any_programs(), ANYBODY, any_basket(), any_program("other"))
def test_an_unrelated_program_changes_nothing(
    programs: Programs, who: MemberView | None, sold: Basket, other: Program
) -> None:
    foreign = replace(other, currency="USD")
    assert quote((*programs, foreign), who, sold, NOW_MS) == quote(programs, who, sold, NOW_MS)


@UNHURRIED
@given(any_programs(), any_member(), any_basket())
def test_an_option_that_is_switched_on_gives_what_it_said(programs: Programs, who: MemberView, sold: Basket) -> None:
    """Alone, where one rule decides about its unit; a second rule of the unit may take a part of it before."""
    offered = quote(programs, who, replace(sold, redeem={}), NOW_MS).options
    for option in offered:
        if [other.unit for other in offered].count(option.unit) > 1:
            continue
        answer = quote(programs, who, replace(sold, redeem={option.unit: 10**9}), NOW_MS)
        assert sum(it.spent for it in answer.redemptions if it.unit == option.unit) == option.possible
        assert (option.why_not is None) == (option.possible == who.balances[option.unit] > 0)


@UNHURRIED
@given(any_programs(), any_member(), any_basket())
def test_a_hint_keeps_its_promise(programs: Programs, who: MemberView, sold: Basket) -> None:
    """Whoever buys for what is missing gets at least the reward more."""
    answer = quote(programs, who, sold, NOW_MS)
    for hint in answer.hints:
        if hint.key != "quote.why_not.short_by":
            continue
        missing, reward = hint.args["missing"], hint.args["reward"]
        assert isinstance(missing, dict)
        assert isinstance(reward, dict)
        more = Line(n=99, amount_minor=int(missing["amount"]))
        then = quote(programs, who, replace(sold, lines=(*sold.lines, more)), NOW_MS)
        assert _earned(then, str(reward["unit"])) >= _earned(answer, str(reward["unit"])) + int(reward["amount"])


def _earned(answer: Quote, unit: str) -> int:
    return sum(it.earned for it in answer.earnings if it.unit == unit)


WEIGHTS = st.dictionaries(st.integers(1, 40), st.integers(0, 10**9), min_size=1).filter(lambda it: sum(it.values()) > 0)


@UNHURRIED
@given(st.integers(0, 10**12), WEIGHTS)
def test_each_share_is_less_than_one_from_its_exact_part(figure: int, weights: dict[int, int]) -> None:
    shares = {share.n: share.amount for share in split(figure, weights)}
    assert sum(shares.values()) == figure
    whole = sum(weights.values())
    for n, weight in weights.items():
        assert abs(shares.get(n, 0) * whole - figure * weight) < whole


def test_nothing_has_no_shares() -> None:
    assert split(0, {1: 0, 2: 5}) == ()


@UNHURRIED
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from(Rounding))
def test_the_least_numerator_is_the_edge_of_its_rounding(wanted: int, denominator: int, rounding: Rounding) -> None:
    edge = least_numerator(wanted, denominator, rounding)
    assert rounded(edge, denominator, rounding) >= wanted > rounded(edge - 1, denominator, rounding)


@UNHURRIED
@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6), st.data())
def test_what_falls_back_grows_with_what_is_returned(figure: int, sold_milli: int, data: st.DataObject) -> None:
    some = data.draw(st.integers(0, sold_milli))
    more = data.draw(st.integers(some, sold_milli))
    assert part_returned(figure, sold_milli, sold_milli) == figure
    assert part_returned(figure, 0, sold_milli) == 0
    assert abs(part_returned(figure, some, sold_milli)) <= abs(part_returned(figure, more, sold_milli)) <= abs(figure)


def test_the_strategies_reach_what_they_are_for() -> None:
    """Positive control: a redemption, an earning and a hint do occur together in the drawn cases' shape."""
    earn = {"kind": "earn_per_amount", "id": "e", "earn": 1, "per_minor": 7, "basis": "payable", "rounding": "floor"}
    redeem = {"kind": "redeem", "id": "r", "unit": "CREDIT"}
    who = MemberView("m", None, {"CREDIT": 5, "PTS": 0}, {"CREDIT": 5, "PTS": 0})
    answer = quote((program(earn, redeem),), who, Basket("IRR", (Line(1, 100),), {"CREDIT": 5}), NOW_MS)
    assert answer.redemptions
    assert answer.earnings
    assert any(hint.key == "quote.why_not.short_by" for hint in answer.hints)
