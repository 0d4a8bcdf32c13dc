"""How the connection to the club stands, for the badge on the screen and for ``posd status``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from posd.clock import Instant
from posd.sync.outcomes import ADVICE, Delivered, Halt, Outcome, Pause, Reason


class LaneName(StrEnum):
    """The two directions; each has its own attempts."""

    PUSH = "push"
    PULL = "pull"


class LinkState(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"
    """Not reached or not understood; tries by itself."""
    PAUSED = "paused"
    """The club refuses this till; a person must act."""
    HALTED = "halted"
    """Sending more would be wrong; alarm."""


@dataclass(frozen=True, slots=True)
class Link:
    """``queue``: entries that the club does not have yet. ``last_contact``: when the club last answered, on the
    monotonic clock of its boot. ``stuck_seq``: this one entry fails again and again while the club is otherwise well;
    nothing behind it can pass, so somebody must look at the club's log."""

    state: LinkState = LinkState.OFFLINE
    reason: Reason | None = Reason.NOT_TRIED
    queue: int = 0
    last_contact: Instant | None = None
    stuck_seq: int | None = None

    @property
    def advice(self) -> str:
        """What to do next; empty when there is nothing to do."""
        if self.stuck_seq is not None:
            return f"the club fails on entry {self.stuck_seq} alone: call support; sales are safe and go on"
        return ADVICE[self.reason] if self.reason else ""

    def differs(self, other: Link) -> bool:
        """Worth telling: anything but the time of a further contact has changed."""
        return self._told() != other._told()

    def _told(self) -> tuple[object, ...]:
        return self.state, self.reason, self.queue, self.stuck_seq, self.last_contact is None


def combined(push: Outcome | None, pull: Outcome | None) -> tuple[LinkState, Reason | None]:
    """One state of both lanes, the gravest first; None = that lane has not heard from the club yet."""
    outcomes = [outcome for outcome in (push, pull) if outcome is not None]
    for kind, state in ((Halt, LinkState.HALTED), (Pause, LinkState.PAUSED)):
        for outcome in outcomes:
            if isinstance(outcome, kind):
                return state, outcome.reason
    for outcome in outcomes:
        if not isinstance(outcome, Delivered):
            return LinkState.OFFLINE, outcome.reason
    return (LinkState.ONLINE, None) if outcomes else (LinkState.OFFLINE, Reason.NOT_TRIED)
