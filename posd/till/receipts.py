"""What stands on the receipt about the club, read from the entry that was booked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from posd.ledger.entries import Draft, Kind
from posd.loyalty.model import Earning, Quote, Redemption, Share
from posd.words import Words, names, quantity


def receipt_lines(
    draft: Draft,
    *,
    name: str | None,
    balances: Mapping[str, int],
    tier: Mapping[str, str] | None = None,
    code: str = "",
) -> tuple[Words, ...]:
    """The club's lines for the receipt of a sale, a return or a void; nothing for a customer without a card.

    ``balances``: after the entry. ``tier``: its name per language. ``code``: receipt code of the sale that comes back.
    """
    if draft.member is None:
        return ()
    moved = {
        Kind.SALE: lambda: _sold(draft.body),
        Kind.REFUND: lambda: _returned(draft.body, code),
        Kind.VOID: lambda: [Words("receipt.voided")],
    }.get(draft.kind, list)()
    offline = [Words("receipt.offline")] if draft.body.get("offline") else []
    standing = [Words("receipt.balance", {"balance": quantity(balances[unit], unit)}) for unit in _order(balances)]
    return (*_holder(name, tier), *moved, *standing, *offline)


def quote_from_body(body: Mapping[str, Any]) -> Quote:
    """The quote that a sale was booked by, from the body of its entry. Options and hints of that moment are gone; each
    earning says what it brought."""
    return Quote(
        currency=body["currency"],
        total_minor=body["total_minor"],
        payable_minor=body["payable_minor"],
        redemptions=tuple(_redemption(it) for it in body["redemptions"]),
        earnings=tuple(_earning(it) for it in body["earnings"]),
        options=(),
    )


def _holder(name: str | None, tier: Mapping[str, str] | None) -> Iterable[Words]:
    if name and tier:
        return [Words("receipt.member", {"member": name, "tier": names(tier)})]
    return [Words("receipt.member.plain", {"member": name})] if name else []


def _sold(body: Mapping[str, Any]) -> list[Words]:
    quote = quote_from_body(body)
    used = [
        Words(
            "receipt.used",
            {"spent": quantity(it.spent, it.unit), "value": quantity(it.value_minor, quote.currency)},
        )
        for it in quote.redemptions
    ]
    return used + [earning.why for earning in quote.earnings]


def _returned(body: Mapping[str, Any], code: str) -> list[Words]:
    taken, given = body["taken_back"], body["given_back"]
    key, place = ("receipt.returned", {"code": code}) if code else ("receipt.returned.plain", {})
    return [
        Words(
            key,
            {**place, "earned": quantity(taken.get(unit, 0), unit), "spent": quantity(given.get(unit, 0), unit)},
        )
        for unit in _order({**taken, **given})
    ]


def _order(units: Iterable[str]) -> list[str]:
    """Points before credit, as on the screen."""
    return sorted(units, reverse=True)


def _redemption(it: Mapping[str, Any]) -> Redemption:
    return Redemption(
        program=it["program"],
        version=it["version"],
        rule=it["rule"],
        unit=it["unit"],
        spent=it["spent"],
        value_minor=it["value_minor"],
        spent_shares=_shares(it["spent_shares"]),
        value_shares=_shares(it["value_shares"]),
    )


def _earning(it: Mapping[str, Any]) -> Earning:
    return Earning(
        program=it["program"],
        version=it["version"],
        rule=it["rule"],
        unit=it["unit"],
        earned=it["earned"],
        shares=_shares(it["shares"]),
        why=Words("receipt.earned", {"earned": quantity(it["earned"], it["unit"])}),
    )


def _shares(pairs: Sequence[Sequence[int]]) -> tuple[Share, ...]:
    return tuple(Share(n, amount) for n, amount in pairs)
