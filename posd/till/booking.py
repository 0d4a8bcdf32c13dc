"""From what was decided to what is booked: quotes, returns and enrolments as ledger drafts, and their receipt lines.

The bodies written here are read by the club, by refunds and by receipts. Shares are ``[[line number, amount], …]``.
Legs stand apart for each redemption and each earning, never netted: the club consumes lots for the one and opens lots
for the other, and a statement shows both. Legs of zero are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from posd.clock import Instant
from posd.ledger.accounts import ISSUED, REDEEMED, REWARDS, TENDER, TURNOVER, member_account
from posd.ledger.entries import Draft, Kind, Leg
from posd.loyalty.model import Line, Quote, RefundQuote, Share
from posd.till.receipts import quote_from_body, receipt_lines
from posd.words import Words

__all__ = [
    "SaleContext",
    "enrol_draft",
    "link_draft",
    "quote_from_body",
    "receipt_lines",
    "refund_draft",
    "sale_draft",
    "void_draft",
]


@dataclass(frozen=True, slots=True)
class SaleContext:
    """What a sale's entry says besides the figures. ``register_ref``: the register's own number of the sale;
    ``medium``: how the member was recognised (`posd.cards.reads.Medium`); ``offline``: the club could not be asked."""

    cashier: str | None = None
    medium: str | None = None
    offline: bool = False
    register_ref: str | None = None


def sale_draft(
    entry_id: bytes,
    at: Instant,
    *,
    member: str | None,
    lines: Sequence[Line],
    quote: Quote,
    context: SaleContext,
) -> Draft:
    """A sale as it was quoted. Raises ValueError when ``lines`` are not those of the quote, or when points are moved
    without a member."""
    if sum(line.amount_minor for line in lines) != quote.total_minor:
        raise ValueError("the lines are not the ones that were quoted; quote again")
    if member is None and (quote.redemptions or quote.earnings):
        raise ValueError("only a member can earn or spend; quote again without one")
    body = {
        "currency": quote.currency,
        "total_minor": quote.total_minor,
        "payable_minor": quote.payable_minor,
        "lines": [_line_body(line) for line in lines],
        "redemptions": [
            {
                "program": it.program,
                "version": it.version,
                "rule": it.rule,
                "unit": it.unit,
                "spent": it.spent,
                "value_minor": it.value_minor,
                "spent_shares": _pairs(it.spent_shares),
                "value_shares": _pairs(it.value_shares),
            }
            for it in quote.redemptions
        ],
        "earnings": [
            {
                "program": it.program,
                "version": it.version,
                "rule": it.rule,
                "unit": it.unit,
                "earned": it.earned,
                "shares": _pairs(it.shares),
            }
            for it in quote.earnings
        ],
        "register_ref": context.register_ref,
        "cashier": context.cashier,
        "medium": context.medium,
        "offline": context.offline,
    }
    return Draft(entry_id, Kind.SALE, at, member, _sale_legs(member, quote), body)


def refund_draft(entry_id: bytes, at: Instant, *, sale: Draft, quote: RefundQuote) -> Draft:
    """A return against ``sale``: money back, earned taken back, spent given back."""
    currency = sale.body["currency"]
    legs = _legs(
        (TURNOVER, currency, quote.gross_minor),
        (TENDER, currency, -quote.pay_back_minor),
        (REWARDS, currency, quote.pay_back_minor - quote.gross_minor),
    )
    if sale.member is not None:
        account = member_account(sale.member)
        for unit, amount in sorted(quote.given_back.items()):
            legs += _legs((account, unit, amount), (REDEEMED, unit, -amount))
        for unit, amount in sorted(quote.taken_back.items()):
            legs += _legs((account, unit, -amount), (ISSUED, unit, amount))
    body = {
        "sale": sale.entry_id.hex(),
        "currency": currency,
        "lines": [{"n": line.n, "quantity_milli": line.quantity_milli} for line in quote.lines],
        "gross_minor": quote.gross_minor,
        "pay_back_minor": quote.pay_back_minor,
        "taken_back": dict(quote.taken_back),
        "given_back": dict(quote.given_back),
    }
    return Draft(entry_id, Kind.REFUND, at, sale.member, legs, body, ref=sale.entry_id)


def void_draft(entry_id: bytes, at: Instant, *, sale: Draft, returns: Sequence[Draft] = ()) -> Draft | Words:
    """Undo the whole sale, or say why not: what came back already would come back twice."""
    if returns:
        return Words("void.returned")
    legs = tuple(Leg(leg.account, leg.unit, -leg.amount) for leg in sale.legs)
    body = {
        "sale": sale.entry_id.hex(),
        "currency": sale.body["currency"],
        "total_minor": sale.body["total_minor"],
    }
    return Draft(entry_id, Kind.VOID, at, sale.member, legs, body, ref=sale.entry_id)


def enrol_draft(
    entry_id: bytes,
    at: Instant,
    *,
    member_id: str,
    keys: Sequence[str],
    sealed: str,
    consent: bool,
    gift: Mapping[str, int],
) -> Draft:
    """A new member. ``sealed``: name and phone, readable by the club alone; ``gift``: unit → amount for joining."""
    legs: tuple[Leg, ...] = ()
    for unit, amount in sorted(gift.items()):
        legs += _legs((member_account(member_id), unit, amount), (ISSUED, unit, -amount))
    body = {"member_id": member_id, "keys": list(keys), "sealed": sealed, "consent": consent}
    return Draft(entry_id, Kind.ENROL, at, member_id, legs, body)


def link_draft(entry_id: bytes, at: Instant, *, member_id: str, key: str) -> Draft:
    """A further card (``key``) for a member."""
    return Draft(entry_id, Kind.LINK, at, member_id, (), {"member_id": member_id, "key": key})


def _sale_legs(member: str | None, quote: Quote) -> tuple[Leg, ...]:
    legs = _legs(
        (TURNOVER, quote.currency, -quote.total_minor),
        (TENDER, quote.currency, quote.payable_minor),
        (REWARDS, quote.currency, quote.total_minor - quote.payable_minor),
    )
    if member is None:
        return legs
    account = member_account(member)
    for spending in quote.redemptions:
        legs += _legs((account, spending.unit, -spending.spent), (REDEEMED, spending.unit, spending.spent))
    for earning in quote.earnings:
        legs += _legs((account, earning.unit, earning.earned), (ISSUED, earning.unit, -earning.earned))
    return legs


def _legs(*moves: tuple[str, str, int]) -> tuple[Leg, ...]:
    return tuple(Leg(account, unit, amount) for account, unit, amount in moves if amount)


def _line_body(line: Line) -> dict[str, Any]:
    return {
        "n": line.n,
        "name": line.name,
        "sku": line.sku,
        "category": line.category,
        "quantity_milli": line.quantity_milli,
        "amount_minor": line.amount_minor,
    }


def _pairs(shares: Iterable[Share]) -> list[list[int]]:
    return [[share.n, share.amount] for share in shares]
