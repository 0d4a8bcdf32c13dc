"""The till as the cashier's page draws it; `docs/cashier-view.md` is the contract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from posd.events import DeviceState, DeviceStatus
from posd.ledger.entries import Kind
from posd.loyalty.model import Quote, RefundQuote
from posd.loyalty.tiers import tier_named, tier_path
from posd.loyalty.welcome import welcome_gift
from posd.till.booking import receipt_lines
from posd.till.quoting import member_view, quote_selling
from posd.till.refunding import quote_refunding, remaining
from posd.till.states import (
    BankCard,
    Committing,
    Customer,
    Done,
    Enrolling,
    Facts,
    Finding,
    LinkState,
    Notice,
    Refunding,
    Selling,
    State,
    Till,
)
from posd.units import DisplayUnit, Unit
from posd.words import Words


@dataclass(frozen=True, slots=True)
class Frame:
    """What never changes while posd runs: the shop's name, calendar and way of saying money."""

    shop: str
    till: str
    cashier: str
    calendar: str
    unit: Unit
    display: DisplayUnit


def view_of(till: Till, facts: Facts, frame: Frame, now_ms: int) -> dict[str, Any]:
    """The view, without its version (the loop numbers it)."""
    state = till.state.resume if isinstance(till.state, Committing) else till.state
    lost = lost_reader(till, facts)
    customer = state.customer if isinstance(state, Selling) else None
    return {
        "screen": screen_of(state, lost, facts),
        "shop": {"name": frame.shop, "till": frame.till, "cashier": frame.cashier},
        "language": till.language,
        "calendar": frame.calendar,
        "money": {
            "unit": frame.unit.code,
            "minor_digits": frame.unit.minor_digits,
            "name": frame.display.name,
            "factor": frame.display.factor,
        },
        "link": {
            "state": "paused" if facts.link.state is LinkState.HALTED else facts.link.state.value,
            "queue": facts.link.queue,
            "last_sync_ms": facts.link.last_sync_ms,
        },
        "readers": [_reader(status) for status in facts.readers],
        "member": None if customer is None else _member(customer, facts),
        "amount_minor": getattr(state, "amount_minor", None),
        "sale": _sale(state, facts, now_ms) if isinstance(state, Selling) else None,
        "recent": [_recent(sale) for sale in facts.recent],
        "enrol": _enrol(state, facts, now_ms) if isinstance(state, Enrolling) else None,
        "find": {"problem": _words(state.problem)} if isinstance(state, Finding) else None,
        "done": _done(state, facts) if isinstance(state, Done) else None,
        "refund": _refund(state) if isinstance(state, Refunding) else None,
        "lost": None if lost is None else _lost(lost),
        "fault": None if facts.fault is None else {"code": support_code("till.stopped")},
        "notice": None if till.notice is None else _notice(till.notice),
        "signal": None if till.tone is None else {"n": till.signals, "tone": till.tone.value},
    }


def screen_of(state: State, lost: DeviceStatus | None, facts: Facts) -> str:
    """Name of the screen; a broken ledger and a lost reader lie over everything but what they cannot disturb."""
    if facts.fault is not None:
        return "fault"
    if lost is not None:
        return "lost"
    match state:
        case Selling(amount_minor=None):
            return "member"
        case Selling():
            return "amount"
        case Enrolling():
            return "enrol"
        case Finding():
            return "find"
        case BankCard():
            return "bank"
        case Refunding():
            return "refund"
        case Done():
            return "done"
        case _:
            return "idle"


def lost_reader(till: Till, facts: Facts) -> DeviceStatus | None:
    """The first reader that went away and whose page the cashier has not closed."""
    for status in facts.readers:
        if status.state is DeviceState.LOST and status.device not in till.dismissed:
            return status
    return None


CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


def support_code(key: str) -> str:
    """Four letters that a cashier can read over the phone, always the same for the same message."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    letters = []
    for _ in range(4):
        number, index = divmod(number, len(CODE_LETTERS))
        letters.append(CODE_LETTERS[index])
    return "".join(letters)


def _words(words: Words | None) -> dict[str, object] | None:
    return None if words is None else words.as_json()


def _notice(notice: Notice) -> dict[str, Any]:
    code = support_code(notice.words.key) if notice.tone in ("warn", "stop") else ""
    return {"words": notice.words.as_json(), "tone": notice.tone, "code": code}


def _reader(status: DeviceStatus) -> dict[str, Any]:
    return {
        "id": status.device,
        "name": status.name or status.device,
        "device_class": status.device_class.value,
        "state": status.state.value,
        "detail": status.detail,
    }


def _lost(status: DeviceStatus) -> dict[str, Any]:
    return {
        "reader": status.device,
        "name": status.name or status.device,
        "device_class": status.device_class.value,
        "detail": status.detail,
        "code": support_code("reader.lost"),
    }


def _recent(sale: Any) -> dict[str, Any]:
    return {
        "sale_id": sale.sale_id,
        "kind": sale.kind,
        "at_ms": sale.at_ms,
        "name": sale.name,
        "amount_minor": sale.amount_minor,
        "earned": dict(sale.earned),
        "queued": sale.queued,
    }


def member_document(customer: Customer, facts: Facts) -> dict[str, Any]:
    """A member as the page and register vendors see him: name, masked phone, tier, balances and what is usable now."""
    return _member(customer, facts)


def _member(customer: Customer, facts: Facts) -> dict[str, Any]:
    row = customer.standing.row
    rules_view = member_view(customer, facts)
    tier = tier_named(facts.programs, row.tier)
    path = tier_path(facts.programs, row.progress.get(facts.currency, 0), row.tier)
    following = None if path is None else tier_named(facts.programs, path.next)
    return {
        "member_id": row.member_id,
        "name": row.name,
        "phone_mask": row.phone_mask,
        "tier": None if tier is None else {"code": tier.code, "name": dict(tier.name), "rank": tier.rank},
        "path": None
        if path is None or following is None
        else {
            "next": {"code": following.code, "name": dict(following.name), "rank": following.rank},
            "missing_minor": path.missing_minor,
            "permille": path.permille,
        },
        "balances": [
            {
                "unit": unit,
                "amount": amount,
                "usable": rules_view.usable.get(unit, 0),
                "why": _words(rules_view.limit_reason) if rules_view.usable.get(unit, 0) < amount else None,
            }
            for unit, amount in sorted(customer.standing.balances.items(), reverse=True)
        ],
        "earn_only": customer.card is not None and customer.card.earn_only,
    }


def _sale(state: Selling, facts: Facts, now_ms: int) -> dict[str, Any]:
    return quote_document(quote_selling(state, facts, now_ms)[1], state.use)


def quote_document(quote: Quote, use: frozenset[str]) -> dict[str, Any]:
    """A quote as JSON; ``use``: the units whose switch is on."""
    return {
        "currency": quote.currency,
        "total_minor": quote.total_minor,
        "payable_minor": quote.payable_minor,
        "saves_minor": quote.total_minor - quote.payable_minor,
        "options": [
            {
                "unit": option.unit,
                "on": option.unit in use,
                "possible": option.possible,
                "value_minor": option.value_minor,
                "why_not": _words(option.why_not),
            }
            for option in quote.options
        ],
        "redemptions": [
            {"unit": item.unit, "spent": item.spent, "value_minor": item.value_minor} for item in quote.redemptions
        ],
        "earnings": [{"unit": item.unit, "earned": item.earned, "why": item.why.as_json()} for item in quote.earnings],
        "hints": [hint.as_json() for hint in quote.hints],
    }


def _enrol(state: Enrolling, facts: Facts, now_ms: int) -> dict[str, Any]:
    return {
        "card": state.card is not None,
        "medium": None if state.card is None else state.card.medium.value,
        "tail": "" if state.card is None else state.card.tail,
        "gift": dict(welcome_gift(facts.programs, now_ms)) or None,
        "problem": _words(state.problem),
    }


def _done(state: Done, facts: Facts) -> dict[str, Any]:
    draft, body = state.draft, state.draft.body
    refund = state.refund
    tier = tier_named(facts.programs, state.tier)
    receipt = receipt_lines(draft, name=state.name, balances=state.balances, tier=None if tier is None else tier.name)
    return {
        "sale_id": (draft.ref or draft.entry_id).hex(),
        "kind": draft.kind.value,
        "at_ms": draft.at.wall_ms,
        "total_minor": body["gross_minor"] if refund is not None else body["total_minor"],
        "payable_minor": refund.pay_back_minor if refund else body.get("payable_minor", 0),
        "earned": _sums(body.get("earnings", ()), "earned") if refund is None else dict(refund.taken_back),
        "spent": _sums(body.get("redemptions", ()), "spent") if refund is None else dict(refund.given_back),
        "balances": dict(state.balances),
        "receipt": [words.as_json() for words in receipt],
        "receipt_code": state.receipt_code,
        "queued": state.queued,
        "can_undo": draft.kind is Kind.SALE,
        "name": state.name,
        "member_id": draft.member,
    }


def _sums(items: Any, figure: str) -> dict[str, int]:
    totals: dict[str, int] = {}
    for item in items:
        totals[item["unit"]] = totals.get(item["unit"], 0) + item[figure]
    return totals


def _refund(state: Refunding) -> dict[str, Any]:
    body = state.sale.draft.body
    left = remaining(state.sale)
    quote = quote_refunding(state)
    figures = quote if isinstance(quote, RefundQuote) else None
    return {
        "sale_id": state.sale.draft.entry_id.hex(),
        "at_ms": state.sale.draft.at.wall_ms,
        "name": state.sale.name,
        "lines": [_refund_line(line, left, state.chosen) for line in body["lines"]],
        "pay_back_minor": figures.pay_back_minor if figures else 0,
        "taken_back": dict(figures.taken_back) if figures else {},
        "given_back": dict(figures.given_back) if figures else {},
        "warnings": [words.as_json() for words in figures.warnings] if figures else [],
    }


def _refund_line(line: Mapping[str, Any], left: Mapping[int, int], chosen: Mapping[int, int]) -> dict[str, Any]:
    n, sold = int(line["n"]), int(line["quantity_milli"])
    milli = chosen.get(n, 0)
    return {
        "n": n,
        "name": line["name"],
        "quantity_milli": sold,
        "returned_milli": sold - left.get(n, 0),
        "chosen_milli": milli,
        "amount_minor": line["amount_minor"],
        "refund_minor": line["amount_minor"] * milli // sold,
    }
