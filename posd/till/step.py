"""The whole behaviour of a till as one pure function: a till, a happening and the facts give the next till and what is
to be done. A pair that does not fit changes nothing and tells the page so; nothing here raises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from posd.events import DeviceState
from posd.till import enrolling, refunding, selling
from posd.till.effects import CancelTimer, Effect, StartTimer
from posd.till.happenings import (
    ActionMisunderstood,
    AmountTyped,
    CardPresented,
    CardRejected,
    CommitFailed,
    Committed,
    Confirmed,
    EnrolStarted,
    EnrolSubmitted,
    FindStarted,
    LanguageChosen,
    MemberChanged,
    MemberSwitched,
    Occurrence,
    PhoneEntered,
    RefundAllChosen,
    RefundLineChosen,
    RefundStarted,
    Skipped,
    TimerFired,
    UndoPressed,
    UseChosen,
    WentBack,
    WorldChanged,
)
from posd.till.moves import Move, does_not_fit, goto, signal, stay, tell
from posd.till.states import Committing, Done, Facts, Idle, Selling, State, Till, Tone
from posd.words import Words

DONE_TIMER = "done"


@dataclass(frozen=True, slots=True)
class Step:
    """``effects`` are to be performed in order; what they bring about comes back as happenings."""

    till: Till
    effects: tuple[Effect, ...] = ()


def step(till: Till, occurrence: Occurrence, facts: Facts) -> Step:
    """What follows."""
    move = _move(till, occurrence, facts)
    return Step(move.till, (*move.effects, *_timers(till.state, move.till.state, facts)))


def _timers(before: State, after: State, facts: Facts) -> tuple[Effect, ...]:
    """The finished sale leaves the screen by itself; anything else that ends it stops that timer."""
    if isinstance(after, Done) and before != after:
        return (StartTimer(DONE_TIMER, facts.done_s),)
    if isinstance(before, Done) and not isinstance(after, Done):
        return (CancelTimer(DONE_TIMER),)
    return ()


def _move(till: Till, occurrence: Occurrence, facts: Facts) -> Move:  # noqa: PLR0912  # the table of all happenings
    what = occurrence.what
    if isinstance(till.state, Committing):
        return _while_committing(till, till.state, occurrence, facts)
    match what:
        case CardPresented():
            return selling.card_presented(till, what, facts)
        case CardRejected():
            return selling.card_rejected(till, what, facts)
        case AmountTyped():
            return selling.amount_typed(till, what)
        case UseChosen():
            return selling.use_chosen(till, what)
        case MemberSwitched():
            return selling.member_switched(till)
        case Confirmed():
            return _confirmed(till, occurrence, facts)
        case WentBack():
            return _went_back(till, facts)
        case Skipped():
            return selling.skipped(till)
        case FindStarted():
            return enrolling.find_started(till)
        case PhoneEntered():
            return enrolling.phone_entered(till, what)
        case EnrolStarted():
            return enrolling.enrol_started(till)
        case EnrolSubmitted():
            return enrolling.enrol_submitted(till, what, occurrence, facts)
        case RefundStarted():
            return refunding.refund_started(till, what)
        case RefundLineChosen():
            return refunding.line_chosen(till, what)
        case RefundAllChosen():
            return refunding.all_chosen(till, what)
        case UndoPressed():
            return refunding.undo_pressed(till, what, occurrence)
        case LanguageChosen():
            return stay(replace(till, language=what.language))
        case TimerFired():
            return _timer_fired(till, what)
        case MemberChanged():
            return selling.member_changed(till, what)
        case WorldChanged():
            return _world_changed(till, facts)
        case ActionMisunderstood():
            return does_not_fit(till)
        case Committed() | CommitFailed():
            return stay(till)  # an answer to a question that nobody asked any more
        case _:
            assert_never(what)


def _while_committing(till: Till, state: Committing, occurrence: Occurrence, facts: Facts) -> Move:
    """Only the disk's answer counts; the loop keeps cards and keys waiting meanwhile."""
    match occurrence.what:
        case Committed() as done if done.entry_id == state.draft.entry_id:
            return _committed(till, state, done, facts)
        case CommitFailed() as failed if failed.entry_id == state.draft.entry_id:
            return signal(tell(goto(till, state.resume), failed.words, "stop"), Tone.ERROR)
        case _:
            return stay(till)


def _committed(till: Till, state: Committing, done: Committed, facts: Facts) -> Move:
    after = state.then
    tone = Tone.DONE if facts.online else Tone.DONE_OFFLINE
    match after:
        case Done():
            balances = {} if done.standing is None else done.standing.balances
            shown = replace(after, balances=balances, receipt_code=done.receipt_code, queued=not facts.online)
            return signal(goto(till, shown), tone)
        case Selling(customer=customer) if customer is not None and done.standing is not None:
            known = replace(after, customer=replace(customer, standing=done.standing))
            words = Words("enrol.done" if facts.online else "enrol.queued", {"member": done.standing.row.name})
            return signal(tell(goto(till, known), words, "ok"), tone)
        case _:
            return signal(goto(till, after), tone)


def _confirmed(till: Till, occurrence: Occurrence, facts: Facts) -> Move:
    if isinstance(till.state, Done):
        return stay(goto(till, Idle()))
    if facts.fault is not None:
        return signal(tell(till, Words("till.stopped", {"code": ""}), "stop"), Tone.ERROR)
    return selling.confirmed(till, occurrence, facts) or refunding.confirmed(till, occurrence) or does_not_fit(till)


def _went_back(till: Till, facts: Facts) -> Move:
    """Esc: first it closes what lies over the screen, then it leads to idle."""
    lost = frozenset(r.device for r in facts.readers if r.state is DeviceState.LOST) - till.dismissed
    if lost:
        return stay(replace(till, dismissed=till.dismissed | lost))
    return stay(goto(till, Idle()))


def _timer_fired(till: Till, what: TimerFired) -> Move:
    if what.name == DONE_TIMER and isinstance(till.state, Done):
        return stay(goto(till, Idle()))
    return stay(till)


def _world_changed(till: Till, facts: Facts) -> Move:
    """A reader that came back may be reported again when it is lost again; spending stops when the club is away."""
    lost = frozenset(r.device for r in facts.readers if r.state is DeviceState.LOST)
    till = replace(till, dismissed=till.dismissed & lost)
    if isinstance(till.state, Selling) and not facts.online and till.state.use:
        return stay(tell(replace(till, state=replace(till.state, use=frozenset())), Words("quote.why_not.offline")))
    return stay(till)
