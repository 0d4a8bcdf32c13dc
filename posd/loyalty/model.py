"""The words of the loyalty engine: what goes into a quote and what comes out. Integers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from posd.words import Words

PIECE = 1000
"""``quantity_milli`` of one piece; weighed goods count thousandths of their unit."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a basket. ``amount_minor`` is the price of the whole line in the basket's currency; ``n`` is its
    number in the sale, from 1, and names it for ever (refunds point to it)."""

    n: int
    amount_minor: int
    name: str = ""
    sku: str = ""
    category: str = ""
    quantity_milli: int = PIECE


@dataclass(frozen=True, slots=True)
class Basket:
    """What is being sold. A sale of which only the sum is known has one line. ``redeem``: unit → how much of it the
    customer wants to use at most; missing = none, and the quote says what was possible.

    Lines may be discounts (below zero) as long as the sale as a whole is not. Raises ValueError for a basket that
    cannot be sold, and says what is wrong with it.
    """

    currency: str
    lines: tuple[Line, ...]
    redeem: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = {line.n for line in self.lines}
        if len(numbers) < len(self.lines):
            raise ValueError("two lines of a basket have the same number n; number them from 1")
        for line in self.lines:
            figures = (line.n, line.amount_minor, line.quantity_milli)
            if any(type(figure) is not int for figure in figures) or line.n < 1 or line.quantity_milli < 1:
                raise ValueError(f"line {line.n!r}: n and quantity_milli are integers from 1, amount_minor an integer")
        if any(type(amount) is not int for amount in self.redeem.values()):
            raise ValueError("redeem gives an integer for each unit")
        if self.total_minor < 0:
            raise ValueError("a basket below zero is a refund; book it against its sale")

    @property
    def total_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member as the rules see him. ``usable`` ≤ ``balances`` per unit; ``limit_reason`` says why where it is less
    (offline without a lease, earn-only card)."""

    member_id: str
    tier: str | None
    balances: Mapping[str, int]
    usable: Mapping[str, int]
    limit_reason: Words | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a figure belongs to line ``n``. The shares of a figure sum to it exactly."""

    n: int
    amount: int


@dataclass(frozen=True, slots=True)
class Redemption:
    """``spent`` of ``unit`` pays ``value_minor`` of the basket's currency."""

    program: str
    version: int
    rule: str
    unit: str
    spent: int
    value_minor: int
    spent_shares: tuple[Share, ...]
    value_shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Earning:
    """``earned`` of ``unit``, by which rule, and how it falls on the lines."""

    program: str
    version: int
    rule: str
    unit: str
    earned: int
    shares: tuple[Share, ...]
    why: Words


@dataclass(frozen=True, slots=True)
class Option:
    """Something the customer may use: shown with its switch. ``possible`` is the most that this sale allows now;
    ``why_not`` is set when that is zero or less than the balance."""

    program: str
    rule: str
    unit: str
    possible: int
    value_minor: int
    why_not: Words | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """The answer. ``payable_minor = total_minor - sum(redemption.value_minor)`` and never negative."""

    currency: str
    total_minor: int
    payable_minor: int
    redemptions: tuple[Redemption, ...]
    earnings: tuple[Earning, ...]
    options: tuple[Option, ...]
    hints: tuple[Words, ...] = ()
    """What a little more would bring, and why a rule did not fire; the first one is the one to show."""


@dataclass(frozen=True, slots=True)
class RefundLine:
    """What comes back of line ``n``: ``quantity_milli`` of what was sold."""

    n: int
    quantity_milli: int


@dataclass(frozen=True, slots=True)
class RefundQuote:
    """What a refund does. ``pay_back_minor`` is given to the customer; ``taken_back`` and ``given_back`` are per unit:
    points earned that fall away, points or credit spent that return."""

    lines: tuple[RefundLine, ...]
    gross_minor: int
    pay_back_minor: int
    taken_back: Mapping[str, int]
    given_back: Mapping[str, int]
    warnings: tuple[Words, ...] = ()
