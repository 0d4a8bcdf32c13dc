"""One direction of synchronisation as a thread: attempt, judge, remember, rest, again. Push and pull are both this."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from tenacity import RetryCallState, Retrying, retry_if_result, stop_when_event_set

from posd.clock import Clock, Instant
from posd.errors import PosdError
from posd.sync.board import LinkBoard
from posd.sync.link import LaneName
from posd.sync.outcomes import Delivered, Outcome, Reason, Retry
from posd.sync.policy import Attempts, not_before, remaining_s, wait_s

log = logging.getLogger("posd.sync")

_HOPELESS = {Reason.UNREACHABLE, Reason.TIMEOUT, Reason.TLS, Reason.NOT_THE_CLUB, Reason.TILL_LEDGER}


class Direction(Protocol):
    """What differs between push and pull."""

    name: LaneName

    def attempt(self) -> Outcome | None:
        """One exchange with the club; None when there is nothing to do. Raises PosdError when the till's side fails."""
        ...

    def settle(self, outcome: Outcome, failures: int) -> int | None:
        """Learn from ``outcome``; the number of an entry that alone keeps failing, else None."""
        ...

    def breather_s(self) -> float:
        """How long to rest after a success before the next attempt."""
        ...

    def recall(self) -> Attempts:
        """What is known of failures before this start."""
        ...

    def remember(self, reason: Reason, next_at: Instant) -> None:
        """The attempt failed, the next is due at ``next_at``: keep that over a restart, where it matters."""
        ...

    def close(self) -> None:
        """End a blocked `attempt`; from any thread."""
        ...


class Lane:
    """``thread`` is for its owner to start and join; `wake`, `hurry` and `stop` are for any thread."""

    def __init__(self, direction: Direction, board: LinkBoard, clock: Clock, jitter: Callable[[], float]) -> None:
        self.name = direction.name
        self._direction = direction
        self._board = board
        self._clock = clock
        self._jitter = jitter
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._work = threading.Event()
        self._failures = 0
        self._outcome: Outcome | None = None
        self.on_contact: Callable[[], None] = lambda: None
        """Called when the club answers again after failures."""
        self.thread = threading.Thread(target=self._run, name=f"sync-{self.name.value}")
        self._retrying = Retrying(
            retry=retry_if_result(_not_done),
            wait=self._wait_s,
            stop=stop_when_event_set(self._stopping),
            before_sleep=self._remember,
            sleep=self._rest,
            retry_error_callback=lambda _state: None,
        )

    def wake(self) -> None:
        """There may be something to do."""
        self._work.set()

    def hurry(self) -> None:
        """Do not rest any longer: try now."""
        self._hurry.set()
        self._work.set()

    def hurry_if_hopeless(self) -> None:
        """The other lane has reached the club; a rest that rested on not reaching it has lost its reason."""
        if isinstance(self._outcome, Retry) and self._outcome.reason in _HOPELESS:
            self.hurry()

    def stop(self) -> None:
        # The flag first: whoever is woken by what follows must already see it.
        self._stopping.set()
        self.hurry()
        self._direction.close()

    def _run(self) -> None:
        self._rest(self._remaining_s())
        while not self._stopping.is_set():
            outcome = self._retrying(self._once)
            if outcome is None:
                self._idle()
            else:
                self._rest(self._direction.breather_s())

    def _remaining_s(self) -> float:
        """What is left of the rest that a restart has cut short."""
        try:
            attempts = self._direction.recall()
        except PosdError as error:
            log.warning("%s: earlier attempts are not known: %s", self.name.value, error)
            return 0.0
        self._failures = attempts.failures
        left = remaining_s(attempts, self._clock.now(), self._jitter())
        if left:
            self._outcome = Retry(attempts.reason)
            self._board.note(self.name, self._outcome)
        return left

    def _once(self) -> Outcome | None:
        if self._stopping.is_set():
            return None
        try:
            outcome = self._direction.attempt()
        except PosdError as error:
            log.warning("%s: the till's side failed: %s", self.name.value, error)
            outcome = Retry(Reason.TILL_LEDGER)
        if outcome is not None and not self._stopping.is_set():
            self._judge(outcome)
        return outcome

    def _judge(self, outcome: Outcome) -> None:
        before, self._outcome = self._outcome, outcome
        if isinstance(outcome, Delivered):
            self._recovered(before)
        elif isinstance(outcome, Retry):
            self._failures += 1
        stuck_seq = self._direction.settle(outcome, self._failures)
        self._board.note(self.name, outcome, stuck_seq)

    def _recovered(self, before: Outcome | None) -> None:
        self._failures = 0
        if not isinstance(before, Delivered):
            self.on_contact()

    def _wait_s(self, state: RetryCallState) -> float:
        outcome = _outcome_of(state)
        return 0.0 if outcome is None else wait_s(outcome, self._failures, self._jitter())

    def _remember(self, state: RetryCallState) -> None:
        outcome = _outcome_of(state)
        if not isinstance(outcome, Retry):
            return
        log.debug("%s: %s, again in %.1f s", self.name.value, outcome.reason.value, state.upcoming_sleep)
        due = not_before(self._clock.now(), state.upcoming_sleep)
        try:
            self._direction.remember(outcome.reason, due)
        except PosdError as error:
            # The attempt itself is not harmed; only a restart would try earlier than it should.
            log.warning("%s: attempts could not be remembered: %s", self.name.value, error)

    def _rest(self, seconds: float) -> None:
        self._hurry.wait(min(seconds, threading.TIMEOUT_MAX))
        self._hurry.clear()

    def _idle(self) -> None:
        self._work.wait()
        self._work.clear()


def _not_done(outcome: Outcome | None) -> bool:
    return outcome is not None and not isinstance(outcome, Delivered)


def _outcome_of(state: RetryCallState) -> Outcome | None:
    assert state.outcome is not None  # tenacity asks only after an attempt
    result: Outcome | None = state.outcome.result()
    return result
