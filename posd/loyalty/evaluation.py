"""The quote: what a sale earns, what it may spend, what is left to pay, and why. Pure and total; till and club run it.

Redemptions come first, then earning on what is really paid (or on the total, where a rule says so). Rounding happens
once per rule and sale; shares of lines are cut from the rounded figure and sum to it exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from posd.loyalty.model import Basket, Earning, MemberView, Quote, Redemption
from posd.loyalty.programs import Placed, Program, in_force, newest, rules_of
from posd.loyalty.redemption import Spending, options, redeeming, spendings, too_little_asked
from posd.loyalty.rounding import split
from posd.loyalty.rules import EARN, Earn, Redeem
from posd.loyalty.rules.keys import Basis
from posd.words import Words, names, quantity


@dataclass(frozen=True, slots=True)
class _Sale:
    """What the steps of one evaluation share."""

    redeem: tuple[Placed[Redeem], ...]
    earn: tuple[Placed[Earn], ...]
    member: MemberView | None
    basket: Basket
    total_minor: int


def quote(programs: Iterable[Program], member: MemberView | None, basket: Basket, now_ms: int) -> Quote:
    """Evaluate ``basket`` under the programs of its currency that are in force at ``now_ms`` (Unix milliseconds).

    Without a member nothing is earned or spent, but the quote says what a member would get. The order of programs and
    lines does not matter.
    """
    known = [program for program in programs if program.currency == basket.currency]
    current = in_force(known, now_ms)
    earn: tuple[Placed[Earn], ...] = tuple(rules_of(current, *EARN))
    sale = _Sale(redeeming(current), earn, member, basket, basket.total_minor)
    spent = spendings(sale.redeem, member, basket, sale.total_minor)
    payable_minor = sale.total_minor - sum(spending.value_minor for spending in spent)
    full = {line.n: max(line.amount_minor, 0) for line in basket.lines}
    redemptions, paid = _redemptions(spent, full)
    weights = {Basis.TOTAL: (sale.total_minor, full), Basis.PAYABLE: (payable_minor, paid)}
    earnings = _earnings(sale, weights)
    return Quote(
        currency=basket.currency,
        total_minor=sale.total_minor,
        payable_minor=payable_minor,
        redemptions=redemptions,
        earnings=earnings if member else (),
        options=options(spent, member, basket),
        hints=(*_hints(sale, spent, payable_minor, earnings), *_not_now(known, current, now_ms)),
    )


def _redemptions(spent: Sequence[Spending], full: dict[int, int]) -> tuple[tuple[Redemption, ...], dict[int, int]]:
    """The redemptions with their shares, and what is still to be paid of each line: each redemption is cut over what
    the ones before left, so that no line is ever paid more than once."""
    left = dict(full)
    found: list[Redemption] = []
    for spending in spent:
        if not spending.spent:
            continue
        program, rule = spending.placed.program, spending.placed.rule
        spent_shares, value_shares = split(spending.spent, left), split(spending.value_minor, left)
        found.append(
            Redemption(
                program=program.id,
                version=program.version,
                rule=rule.id,
                unit=rule.unit,
                spent=spending.spent,
                value_minor=spending.value_minor,
                spent_shares=spent_shares,
                value_shares=value_shares,
            )
        )
        left = left | {share.n: left[share.n] - share.amount for share in value_shares}
    return tuple(found), left


def _earnings(sale: _Sale, weights: dict[Basis, tuple[int, dict[int, int]]]) -> tuple[Earning, ...]:
    found: list[Earning] = []
    for placed in sale.earn:
        program, rule = placed.program, placed.rule
        amount_minor, lines = weights[rule.basis]
        earned = rule.earned(amount_minor)
        if earned:
            why = rule.why(earned, sale.basket.currency)
            shares = split(earned, lines)
            found.append(Earning(program.id, program.version, rule.id, rule.unit, earned, shares, why))
    return tuple(found)


def _hints(
    sale: _Sale, spent: Sequence[Spending], payable_minor: int, earnings: Sequence[Earning]
) -> tuple[Words, ...]:
    if sale.member is None:
        return tuple(
            Words("quote.why_not.join", {"earned": quantity(earning.earned, earning.unit)}) for earning in earnings
        )
    return (
        *too_little_asked(spent),
        *_little_more(sale, payable_minor),
        *_paid_with_points(sale, payable_minor),
    )


def _little_more(sale: _Sale, payable_minor: int) -> list[Words]:
    """Such as: 12,000 toman more earns a point. Smallest step first, and only where it is true: a larger sale may let
    the customer use more points or credit, and then not all of it is paid."""
    found: list[tuple[int, Words]] = []
    for placed in sale.earn:
        rule, on_payable = placed.rule, placed.rule.basis is Basis.PAYABLE
        step = rule.next_step(payable_minor if on_payable else sale.total_minor)
        if step is None:
            continue
        more_minor, reward = step
        if _payable_after(sale, more_minor) >= payable_minor + (more_minor if on_payable else 0):
            missing = quantity(more_minor, sale.basket.currency)
            words = Words("quote.why_not.short_by", {"missing": missing, "reward": quantity(reward, rule.unit)})
            found.append((more_minor, words))
    return [words for _, words in sorted(found, key=lambda item: item[0])]


def _payable_after(sale: _Sale, more_minor: int) -> int:
    """What would be paid if the customer bought for ``more_minor`` more."""
    total_minor = sale.total_minor + more_minor
    then = spendings(sale.redeem, sale.member, sale.basket, total_minor)
    return total_minor - sum(spending.value_minor for spending in then)


def _paid_with_points(sale: _Sale, payable_minor: int) -> tuple[Words, ...]:
    by_payable = [placed.rule for placed in sale.earn if placed.rule.basis is Basis.PAYABLE]
    loses = any(rule.earned(payable_minor) < rule.earned(sale.total_minor) for rule in by_payable)
    return (Words("quote.why_not.paid_with_points"),) if loses else ()


def _not_now(known: Sequence[Program], current: Sequence[Program], now_ms: int) -> tuple[Words, ...]:
    """Programs that are over or still to come, unless another version of them is in force. "Ended on" names the last
    day on which it was."""
    running = {program.id for program in current}
    found: list[Words] = []
    for program in newest(known):
        if program.id in running:
            continue
        if program.ends_at is not None and program.ended(now_ms):
            found.append(_when("quote.why_not.ended", program, program.ends_at - 1))
        else:
            assert program.starts_at is not None  # neither in force nor over
            found.append(_when("quote.why_not.not_started", program, program.starts_at))
    return tuple(found)


def _when(key: str, program: Program, wall_ms: int) -> Words:
    return Words(key, {"program": names(program.name), "date": wall_ms})
