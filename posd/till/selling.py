"""A sale: a card or an amount first, then the other, then the big button."""

from __future__ import annotations

from dataclasses import replace

from posd.cards.reads import RejectReason
from posd.till.booking import SaleContext, sale_draft
from posd.till.happenings import AmountTyped, CardPresented, CardRejected, MemberChanged, Occurrence, UseChosen
from posd.till.moves import Move, does_not_fit, goto, signal, stay, tell, write
from posd.till.quoting import quote_selling
from posd.till.states import (
    BankCard,
    Customer,
    Done,
    Enrolling,
    Facts,
    Finding,
    Idle,
    Selling,
    State,
    Till,
    Tone,
)
from posd.words import Words


def amount_of(state: State) -> int | None:
    """The amount typed so far, whatever the till is in the middle of."""
    match state:
        case Selling() | Enrolling() | Finding() | BankCard():
            return state.amount_minor
        case _:
            return None


def card_presented(till: Till, what: CardPresented, facts: Facts) -> Move:
    """A known card starts or joins a sale; an unknown one offers to enrol; a second one asks."""
    if what.standing is None:
        return _unknown_card(till, what, facts)
    customer = Customer(what.standing, what.card)
    match till.state:
        case Selling(customer=Customer() as first) if first.member_id != customer.member_id:
            waiting = replace(till, state=replace(till.state, other=customer))
            return signal(
                tell(waiting, Words("card.second_card", {"member": customer.standing.row.name})), Tone.REFUSED
            )
        case Selling(customer=None) | Selling(customer=Customer()):
            return _welcome(till, replace(till.state, customer=customer, other=None))
        case _:
            return _welcome(till, Selling(customer, amount_of(till.state)))


def _unknown_card(till: Till, what: CardPresented, facts: Facts) -> Move:
    if isinstance(till.state, Selling) and till.state.customer is not None:
        return signal(tell(till, Words("card.unknown")), Tone.REFUSED)
    enrolling = goto(till, Enrolling(what.card, amount_of(till.state)))
    return signal(tell(enrolling, Words("card.unknown" if facts.online else "card.unknown.offline")), Tone.REFUSED)


def _welcome(till: Till, state: Selling) -> Move:
    assert state.customer is not None
    till = goto(till, state)
    if state.customer.standing.row.state != "active":
        return signal(tell(till, Words("member.suspended")), Tone.REFUSED)
    return signal(till, Tone.FOUND)


def card_rejected(till: Till, what: CardRejected, facts: Facts) -> Move:
    """A payment card gets a page of its own unless a sale would be disturbed; other refusals are one line."""
    if what.reason is RejectReason.NOISE:
        return stay(till)
    words = Words(f"card.{what.reason.value}", {"shop": facts.shop})
    if what.reason is RejectReason.PAYMENT_CARD and isinstance(till.state, Idle | Done | BankCard):
        return signal(goto(till, BankCard()), Tone.REFUSED)
    tone = "stop" if what.reason is RejectReason.PAYMENT_CARD else "warn"
    return signal(tell(till, words, tone), Tone.REFUSED)


def amount_typed(till: Till, what: AmountTyped) -> Move:
    if what.amount_minor is not None and what.amount_minor < 0:
        return does_not_fit(till)
    match till.state:
        case Selling():
            after = replace(till.state, amount_minor=what.amount_minor)
            return stay(goto(till, Idle() if after.customer is None and after.amount_minor is None else after))
        case Idle() | Done() | BankCard():
            return stay(goto(till, Idle() if what.amount_minor is None else Selling(None, what.amount_minor)))
        case _:
            return does_not_fit(till)


def use_chosen(till: Till, what: UseChosen) -> Move:
    """Spend a unit or keep it. What cannot be spent now answers with the reason (the quote carries it)."""
    state = till.state
    if not isinstance(state, Selling) or state.customer is None:
        return does_not_fit(till)
    use = state.use | {what.unit} if what.on else state.use - {what.unit}
    return stay(goto(till, replace(state, use=use)))


def member_switched(till: Till) -> Move:
    if not isinstance(till.state, Selling) or till.state.other is None:
        return does_not_fit(till)
    return _welcome(till, replace(till.state, customer=till.state.other, other=None, use=frozenset()))


def member_changed(till: Till, what: MemberChanged) -> Move:
    """The club told something new about the member on the screen."""
    state = till.state
    if not isinstance(state, Selling) or state.customer is None or what.standing is None:
        return stay(till)
    if state.customer.member_id != what.standing.row.member_id:
        return stay(till)
    return stay(replace(till, state=replace(state, customer=replace(state.customer, standing=what.standing))))


def skipped(till: Till) -> Move:
    """Go on without a card or without joining."""
    if not isinstance(till.state, Enrolling | BankCard | Finding):
        return does_not_fit(till)
    amount = amount_of(till.state)
    return stay(goto(till, Idle() if amount is None else Selling(None, amount)))


def confirmed(till: Till, occurrence: Occurrence, facts: Facts) -> Move | None:
    """Book the sale on the screen; None when there is none."""
    state = till.state
    if not isinstance(state, Selling):
        return None
    if not state.amount_minor:
        return stay(tell(till, Words("amount.prompt", {"unit": ""})))
    return _book(till, state, occurrence, facts)


def _book(till: Till, state: Selling, occurrence: Occurrence, facts: Facts) -> Move:
    basket, quote = quote_selling(state, facts, occurrence.at.wall_ms)
    customer = state.customer
    context = SaleContext(
        cashier=facts.cashier or None,
        medium=None if customer is None or customer.card is None else customer.card.medium.value,
        offline=not facts.online,
    )
    draft = sale_draft(
        occurrence.fresh_id,
        occurrence.at,
        member=None if customer is None else customer.member_id,
        lines=basket.lines,
        quote=quote,
        context=context,
    )
    if customer is None:
        return write(till, draft, then=Done(draft))
    return write(till, draft, then=Done(draft, customer.standing.row.name, customer.standing.row.tier))
