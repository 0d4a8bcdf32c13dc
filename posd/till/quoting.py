"""What the sale on the screen comes to: the member as the rules may see him, the basket, and the quote."""

from __future__ import annotations

from collections.abc import Iterable

from posd.ledger.leases import rights
from posd.loyalty.evaluation import quote
from posd.loyalty.model import Basket, Line, MemberView, Quote
from posd.till.states import Customer, Facts, LinkState, Selling
from posd.till.support import support_code
from posd.words import Words

REFUSING = frozenset({LinkState.PAUSED, LinkState.HALTED})
"""The club was reached and does not trust this till: what was set apart for it is not spent."""


def spending_limit(customer: Customer, facts: Facts) -> Words | None:
    """Why this member may spend nothing here now, or None. Earning is never limited."""
    if customer.standing.row.state != "active":
        return Words("member.suspended")
    if customer.card is not None and customer.card.earn_only:
        return Words("quote.why_not.plastic_number")
    if facts.link.frozen:
        return Words("redeem.paused", {"code": support_code("redeem.paused")})
    if facts.link.state in REFUSING:
        return Words("quote.why_not.offline")
    return None


def member_view(customer: Customer, facts: Facts) -> MemberView:
    """The member as `quote` sees him: what can be spent is what the club has set apart for this till, whether it can be
    reached now or not."""
    standing = customer.standing
    limit = spending_limit(customer, facts)
    held = {} if limit else rights(standing.leases)
    usable = {unit: max(min(amount, held.get(unit, 0)), 0) for unit, amount in standing.balances.items()}
    if limit is None and any(usable[unit] < amount for unit, amount in standing.balances.items()):
        limit = Words("quote.why_not.asking" if facts.online else "quote.why_not.offline")
    return MemberView(standing.row.member_id, standing.row.tier, standing.balances, usable, limit)


def can_spend(customer: Customer, facts: Facts, units: Iterable[str]) -> bool:
    """Whether there is any of these units to be spent."""
    view = member_view(customer, facts)
    return any(view.usable.get(unit, 0) for unit in units)


def one_line_basket(amount_minor: int, currency: str, view: MemberView | None, use: Iterable[str]) -> Basket:
    """A sale of which the till knows only the sum, using as much of each chosen unit as there is."""
    redeem = {} if view is None else {unit: view.usable.get(unit, 0) for unit in use}
    return Basket(currency, (Line(1, amount_minor),), redeem)


def quote_selling(state: Selling, facts: Facts, now_ms: int) -> tuple[Basket, Quote]:
    """What is on the screen and its quote; for an empty amount the quote of nothing, which tells what can be used."""
    view = None if state.customer is None else member_view(state.customer, facts)
    basket = one_line_basket(state.amount_minor or 0, facts.currency, view, state.use)
    return basket, quote(facts.programs, view, basket, now_ms)
