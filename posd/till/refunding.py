"""Goods come back: by line and quantity, or the sale just made is undone as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from posd.ledger.entries import Draft, Kind
from posd.loyalty.model import RefundLine, RefundQuote
from posd.loyalty.refunds import refund_quote
from posd.till.booking import refund_draft, void_draft
from posd.till.happenings import Occurrence, RefundAllChosen, RefundLineChosen, RefundStarted, UndoPressed
from posd.till.moves import Move, does_not_fit, goto, signal, stay, tell, write
from posd.till.states import Done, Idle, Refunding, SaleRecord, Selling, Till, Tone
from posd.words import Words


def refund_started(till: Till, what: RefundStarted) -> Move:
    if not isinstance(till.state, Idle | Selling | Done):
        return does_not_fit(till)
    if what.sale is None or what.sale.voided or not remaining(what.sale):
        return signal(tell(till, Words("refund.not_found")), Tone.REFUSED)
    return stay(goto(till, Refunding(what.sale)))


def line_chosen(till: Till, what: RefundLineChosen) -> Move:
    state = till.state
    if not isinstance(state, Refunding):
        return does_not_fit(till)
    left = remaining(state.sale).get(what.n, 0)
    if not 0 <= what.quantity_milli <= left:
        return does_not_fit(till)
    chosen = {**state.chosen, what.n: what.quantity_milli}
    return stay(goto(till, replace(state, chosen={n: milli for n, milli in chosen.items() if milli})))


def all_chosen(till: Till, what: RefundAllChosen) -> Move:
    state = till.state
    if not isinstance(state, Refunding):
        return does_not_fit(till)
    return stay(goto(till, replace(state, chosen=remaining(state.sale) if what.everything else {})))


def confirmed(till: Till, occurrence: Occurrence) -> Move | None:
    """Book what was chosen; None when no refund is on the screen."""
    state = till.state
    if not isinstance(state, Refunding):
        return None
    quote = quote_refunding(state)
    if not isinstance(quote, RefundQuote):
        return signal(tell(till, quote), Tone.REFUSED)
    draft = refund_draft(occurrence.fresh_id, occurrence.at, sale=state.sale.draft, quote=quote)
    return write(till, draft, then=Done(draft, state.sale.name, refund=quote))


def undo_pressed(till: Till, what: UndoPressed, occurrence: Occurrence) -> Move:
    """Void the sale that was just made, as long as nothing of it came back."""
    state = till.state
    if not isinstance(state, Done) or state.draft.kind is not Kind.SALE or what.sale is None:
        return does_not_fit(till)
    draft = void_draft(occurrence.fresh_id, occurrence.at, sale=what.sale.draft, returns=what.sale.returns)
    if not isinstance(draft, Draft):
        return signal(tell(till, draft), Tone.REFUSED)
    return write(till, draft, then=Done(draft, state.name))


def quote_refunding(state: Refunding) -> RefundQuote | Words:
    """What the chosen lines come to, or why they cannot come back."""
    wanted = [RefundLine(n, milli) for n, milli in sorted(state.chosen.items())]
    return refund_quote(
        state.sale.draft.body, [entry.body for entry in state.sale.returns], wanted, state.sale.balances
    )


def remaining(sale: SaleRecord) -> dict[int, int]:
    """Line number → thousandths that have not come back yet."""
    left = {int(line["n"]): int(line["quantity_milli"]) for line in sale.draft.body["lines"]}
    for entry in sale.returns:
        for n, milli in returned_lines(entry.body).items():
            left[n] -= milli
    return {n: milli for n, milli in left.items() if milli > 0}


def returned_lines(refund_body: Mapping[str, object]) -> dict[int, int]:
    lines = refund_body.get("lines", ())
    assert isinstance(lines, list | tuple)
    return {int(line["n"]): int(line["quantity_milli"]) for line in lines}
