"""New members: found by phone, enrolled with or without a card, or a card added to an old account."""

from __future__ import annotations

from dataclasses import replace

from posd.ledger.members import MemberRow, Standing
from posd.loyalty.welcome import welcome_gift
from posd.till.booking import enrol_draft, link_draft
from posd.till.happenings import EnrolSubmitted, Occurrence, PhoneEntered
from posd.till.moves import Move, does_not_fit, goto, signal, stay, write
from posd.till.selling import amount_of
from posd.till.states import BankCard, CardSeen, Customer, Done, Enrolling, Facts, Finding, Idle, Selling, Till, Tone
from posd.words import Words


def find_started(till: Till) -> Move:
    if not isinstance(till.state, Idle | BankCard | Done | Enrolling | Selling):
        return does_not_fit(till)
    return stay(goto(till, Finding(amount_of(till.state))))


def phone_entered(till: Till, what: PhoneEntered) -> Move:
    state = till.state
    if not isinstance(state, Finding):
        return does_not_fit(till)
    if what.problem is not None or what.standing is None:
        problem = what.problem or Words("member.not_found")
        return signal(replace(till, state=replace(state, problem=problem)), Tone.REFUSED)
    return signal(goto(till, Selling(Customer(what.standing), state.amount_minor)), Tone.FOUND)


def enrol_started(till: Till) -> Move:
    if not isinstance(till.state, Idle | Finding | Done | Selling):
        return does_not_fit(till)
    return stay(goto(till, Enrolling(None, amount_of(till.state))))


def enrol_submitted(till: Till, what: EnrolSubmitted, occurrence: Occurrence, facts: Facts) -> Move:
    """Book the new member, or the card for the member who has this number already."""
    state = till.state
    if not isinstance(state, Enrolling):
        return does_not_fit(till)
    problem = _problem(state, what, facts)
    if problem is not None:
        return signal(replace(till, state=replace(state, problem=problem)), Tone.REFUSED)
    if what.holder is not None and state.card is not None:
        return _link(till, state, state.card, what.holder, occurrence)
    return _join(till, state, what, occurrence, facts)


def _problem(state: Enrolling, what: EnrolSubmitted, facts: Facts) -> Words | None:
    if facts.fault is not None:
        return Words("till.stopped", {"code": ""})
    if what.problem is not None:
        return what.problem
    if what.holder is not None and not (what.link and state.card is not None):
        return Words("enrol.phone_taken")
    if what.link and what.holder is None:
        return Words("member.not_found")
    return None


def _join(till: Till, state: Enrolling, what: EnrolSubmitted, occurrence: Occurrence, facts: Facts) -> Move:
    """The entry's fresh id is the member's id too: made here, unique everywhere, known before the club hears of it."""
    member_id = occurrence.fresh_id.hex()
    keys = (*(() if state.card is None else (state.card.key,)), what.phone_key)
    draft = enrol_draft(
        occurrence.fresh_id,
        occurrence.at,
        member_id=member_id,
        keys=keys,
        sealed=what.sealed,
        consent=what.consent,
        gift=welcome_gift(facts.programs, occurrence.at.wall_ms),
    )
    row = MemberRow(member_id, what.name, what.phone_mask, tier=None, balances={}, keys=keys, version=0)
    return write(till, draft, then=_selling(state, Standing(row, {})), provisional=row)


def _link(till: Till, state: Enrolling, card: CardSeen, holder: Standing, occurrence: Occurrence) -> Move:
    draft = link_draft(occurrence.fresh_id, occurrence.at, member_id=holder.row.member_id, key=card.key)
    row = replace(holder.row, keys=(*holder.row.keys, card.key))
    return write(till, draft, then=_selling(state, holder), provisional=row)


def _selling(state: Enrolling, standing: Standing) -> Selling:
    return Selling(Customer(standing, state.card), state.amount_minor)
