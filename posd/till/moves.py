"""The vocabulary that the rules of a till are written in: go there, tell this, sound that, write it down."""

from __future__ import annotations

from dataclasses import dataclass, replace

from posd.ledger.entries import Draft
from posd.ledger.members import MemberRow
from posd.till.effects import Commit, Effect
from posd.till.states import Committing, Notice, State, Till, Tone
from posd.words import Words


@dataclass(frozen=True, slots=True)
class Move:
    """The next till and what is to be done."""

    till: Till
    effects: tuple[Effect, ...] = ()


def stay(till: Till) -> Move:
    return Move(till)


def goto(till: Till, state: State) -> Till:
    """A new state starts with a clean slate: no notice of the last one."""
    return replace(till, state=state, notice=None)


def tell(till: Till, words: Words, tone: str = "warn") -> Till:
    return replace(till, notice=Notice(words, tone))


def signal(till: Till, tone: Tone) -> Move:
    """One sound, once."""
    return Move(replace(till, signals=till.signals + 1, tone=tone))


def does_not_fit(till: Till) -> Move:
    """This key does nothing here; say so quietly instead of failing."""
    return stay(tell(till, Words("key.nothing"), "warn"))


def write(till: Till, draft: Draft, then: State, provisional: MemberRow | None = None) -> Move:
    """Wait for the disk; ``then`` is where a durable entry leads."""
    waiting = Committing(draft, resume=till.state, then=then, provisional=provisional)
    return Move(goto(till, waiting), (Commit(draft, provisional),))
