"""What the sale on the screen comes to: the member as the rules may see him, the basket, and the quote."""

from __future__ import annotations

from collections.abc import Iterable

from posd.loyalty.evaluation import quote
from posd.loyalty.model import Basket, Line, MemberView, Quote
from posd.till.states import Customer, Facts, Selling
from posd.words import Words


def spending_limit(customer: Customer, facts: Facts) -> Words | None:
    """Why this member may not spend here now, or None. Earning is never limited."""
    if customer.standing.row.state != "active":
        return Words("member.suspended")
    if customer.card is not None and customer.card.earn_only:
        return Words("quote.why_not.plastic_number")
    if not facts.online:
        return Words("quote.why_not.offline")
    return None


def member_view(customer: Customer, facts: Facts) -> MemberView:
    """The member as `quote` sees him: offline nothing can be spent, because the balance may be gone elsewhere."""
    standing = customer.standing
    limit = spending_limit(customer, facts)
    usable = {unit: 0 if limit else max(amount, 0) for unit, amount in standing.balances.items()}
    return MemberView(standing.row.member_id, standing.row.tier, standing.balances, usable, limit)


def one_line_basket(amount_minor: int, currency: str, view: MemberView | None, use: Iterable[str]) -> Basket:
    """A sale of which the till knows only the sum, using as much of each chosen unit as there is."""
    redeem = {} if view is None else {unit: view.usable.get(unit, 0) for unit in use}
    return Basket(currency, (Line(1, amount_minor),), redeem)


def quote_selling(state: Selling, facts: Facts, now_ms: int) -> tuple[Basket, Quote]:
    """What is on the screen and its quote; for an empty amount the quote of nothing, which tells what can be used."""
    view = None if state.customer is None else member_view(state.customer, facts)
    basket = one_line_basket(state.amount_minor or 0, facts.currency, view, state.use)
    return basket, quote(facts.programs, view, basket, now_ms)
