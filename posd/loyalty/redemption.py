"""What may be spent in a sale, what is spent, and why it is not more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from posd.loyalty.model import Basket, MemberView, Option
from posd.loyalty.programs import Placed, Program, rules_of
from posd.loyalty.rules import Redeem
from posd.words import Words, names, quantity


@dataclass(frozen=True, slots=True)
class Spending:
    """One rule in one sale: ``possible`` is offered, ``spent`` is used. ``left_minor`` was to be paid before it."""

    placed: Placed[Redeem]
    left_minor: int
    possible: int
    wanted: int
    spent: int

    @property
    def value_minor(self) -> int:
        return self.placed.rule.value_minor(self.spent)


def redeeming(programs: Iterable[Program]) -> tuple[Placed[Redeem], ...]:
    """The rules by which something can be spent, coarsest step first, so that the finer ones can fill the rest."""
    placed = rules_of(tuple(programs), Redeem)
    return tuple(sorted(placed, key=lambda it: -it.rule.value_minor(it.rule.step)))


def spendings(
    rules: Iterable[Placed[Redeem]], member: MemberView | None, basket: Basket, total_minor: int
) -> tuple[Spending, ...]:
    """What each rule allows and what the customer uses of it, in the order of ``rules``.

    ``total_minor`` is the sale's total; it is an argument of its own so that "12,000 toman more" can be tried out.
    """
    usable = dict(member.usable) if member else {}
    wanted = dict(basket.redeem)
    left_minor = total_minor
    done: list[Spending] = []
    for placed in rules:
        rule = placed.rule
        available, asked = max(usable.get(rule.unit, 0), 0), max(wanted.get(rule.unit, 0), 0)
        possible = rule.most(available, left_minor, total_minor)
        spent = rule.most(min(available, asked), left_minor, total_minor)
        done.append(Spending(placed, left_minor, possible, asked, spent))
        usable[rule.unit], wanted[rule.unit] = available - spent, asked - spent
        left_minor -= rule.value_minor(spent)
    return tuple(done)


def options(done: Iterable[Spending], member: MemberView | None, basket: Basket) -> tuple[Option, ...]:
    """What the customer may use, with its reason where it is not all he has."""
    earlier: list[Spending] = []
    found: list[Option] = []
    for spending in done:
        rule, program = spending.placed.rule, spending.placed.program
        reason = _why_not(spending, earlier, member, basket) if member else Words("quote.why_not.no_member")
        value_minor = rule.value_minor(spending.possible)
        found.append(Option(program.id, rule.id, rule.unit, spending.possible, value_minor, reason))
        earlier += [spending] if spending.spent else []
    return tuple(found)


def too_little_asked(done: Iterable[Spending]) -> tuple[Words, ...]:
    """What to say to a customer who wants to use less than the minimum."""
    return tuple(
        Words("redeem.minimum", {"limit": quantity(spending.placed.rule.least, spending.placed.rule.unit)})
        for spending in done
        if spending.possible and spending.wanted and not spending.spent
    )


def _why_not(spending: Spending, earlier: list[Spending], member: MemberView, basket: Basket) -> Words | None:
    unit = spending.placed.rule.unit
    spent_before = sum(other.spent for other in earlier if other.placed.rule.unit == unit)
    balance = member.balances.get(unit, 0) - spent_before
    available = member.usable.get(unit, 0) - spent_before
    if spending.possible == balance > 0:
        return None
    if spending.possible < spending.placed.rule.usable(max(available, 0)):
        return _sale_is_why(spending, earlier, basket)
    return _member_is_why(spending.placed.rule, balance, available, member)


def _member_is_why(rule: Redeem, balance: int, available: int, member: MemberView) -> Words:
    """The sale would take more: it is the balance, a limit on it, or the step."""
    if balance == 0:
        return Words("quote.why_not.empty")
    if balance < rule.least:
        limit, missing = quantity(rule.least, rule.unit), quantity(rule.least - balance, rule.unit)
        return Words("quote.why_not.balance", {"limit": limit, "missing": missing})
    if rule.usable(max(available, 0)) < rule.usable(balance):
        return member.limit_reason or Words("quote.why_not.offline")
    return Words("quote.why_not.step", {"rate": quantity(rule.step, rule.unit)})


def _sale_is_why(spending: Spending, earlier: list[Spending], basket: Basket) -> Words:
    """The member has more: it is the sale that takes no more of it."""
    rule = spending.placed.rule
    if spending.possible:
        return Words("quote.why_not.cap_sale", {"limit": quantity(spending.possible, rule.unit)})
    if earlier:
        return Words("quote.why_not.not_together", {"program": names(earlier[-1].placed.program.name)})
    least_minor = rule.least_total_minor()
    missing = quantity(least_minor - basket.total_minor, basket.currency)
    return Words("quote.why_not.minimum", {"amount": quantity(least_minor, basket.currency), "missing": missing})
