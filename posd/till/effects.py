"""What the till wants done. `posd.till.loop` does it and answers with happenings."""

from __future__ import annotations

from dataclasses import dataclass

from posd.ledger.entries import Draft
from posd.ledger.members import MemberRow


@dataclass(frozen=True, slots=True)
class Commit:
    """Write ``draft`` to the ledger. The answer is `Committed` or `CommitFailed`, after the disk said so.

    ``provisional``: how a member looks here until the club has answered."""

    draft: Draft
    provisional: MemberRow | None = None


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Send `TimerFired(name)` after ``seconds``; a timer of the same name is replaced."""

    name: str
    seconds: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    name: str


Effect = Commit | StartTimer | CancelTimer
