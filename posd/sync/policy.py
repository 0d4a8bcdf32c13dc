"""What a till does about each answer of the club, how long it waits, and how much it sends at once. Pure.

Nothing here gives up: an entry is a fact, and a fact is sent until the club has it. Delays are the full-jitter form of
exponential back-off (AWS Architecture Blog, "Exponential Backoff And Jitter"); ``jitter`` is a random number in [0, 1)
that the caller draws, so that the same arguments always give the same delay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from posd.clock import Instant
from posd.sync.outcomes import Answer, Delivered, Failure, Halt, Outcome, Pause, Reason, Retry, Shrink, StartOver

BASE_DELAY_S = 1.0
MAX_DELAY_S = 300.0
MIN_DELAY_S = 0.1
"""Full jitter may draw nearly zero; this keeps a run of such draws from becoming a busy loop."""
MAX_RETRY_AFTER_S = 3600.0
"""A club may ask for patience, but not silence a till for a day by a typing error."""
PAUSE_S = 300.0
HALT_S = 3600.0
"""A halted till asks again hourly, so that a repair at the club is noticed even when nobody presses *sync now*."""
RESTART_SPREAD_S = 10.0
"""After a power cut all tills of a street come back at once; they spread over this time."""

MAX_BATCH = 500
MAX_BATCH_BYTES = 256 * 1024
GROWTH = 8
BISECT_AFTER = 3
STUCK_AFTER = 5


_FAILURES = {
    Failure.UNREACHABLE: Reason.UNREACHABLE,
    Failure.TIMEOUT: Reason.TIMEOUT,
    Failure.TLS: Reason.TLS,
    Failure.GARBLED: Reason.NOT_THE_CLUB,
}


def classify(answer: Answer) -> Outcome:
    """The one table of DESIGN §8. Total: every answer has an outcome, and only an echo is a delivery.

    A page for people (HTML) never refuses in the club's name: filters and hotel logins answer 200, 302, 403 and 511
    alike. Unknown statuses pause, because neither hammering nor giving up would be right.
    """
    if answer.failure is not None:
        return Retry(_FAILURES[answer.failure])
    status = answer.status
    if 200 <= status < 300 and answer.echoed and not answer.html:
        return Delivered()
    if status < 400 or status in {407, 511}:
        # 1xx, 3xx and a 2xx that proves nothing; 407 and 511 are spoken by what stands in between.
        return Retry(Reason.NOT_THE_CLUB, retry_after_s(answer))
    if status in {408, 425, 429} or status >= 500:
        busy = status in {408, 425, 429, 503}
        return Retry(Reason.CLUB_BUSY if busy else Reason.CLUB_FAULT, retry_after_s(answer))
    if status == 413:
        # Reverse proxies say it with a page of their own; it is no less true.
        return Shrink()
    if answer.html:
        return Retry(Reason.NOT_THE_CLUB)
    match status:
        case 409:
            return Halt(Reason.FORK)
        case 400 | 422:
            return Halt(Reason.NOT_UNDERSTOOD)
        case 410:
            return StartOver()
        case _:
            return Pause(Reason.NOT_ACCEPTED)


def for_push(outcome: Outcome, sent: int) -> Outcome:
    """``outcome`` as an answer to a push: one entry cannot be halved, and a push has no cursor."""
    match outcome:
        case Shrink() if sent <= 1:
            return Retry(Reason.TOO_LARGE)
        case StartOver():
            return Pause(Reason.NOT_ACCEPTED)
        case _:
            return outcome


def for_pull(outcome: Outcome, had_cursor: bool) -> Outcome:
    """``outcome`` as an answer to a pull: a pull sends nothing that could shrink, and starts over only once."""
    match outcome:
        case Shrink():
            return Retry(Reason.TOO_LARGE)
        case StartOver() if not had_cursor:
            return Retry(Reason.CLUB_FAULT)
        case _:
            return outcome


def wait_s(outcome: Outcome, failures: int, jitter: float) -> float:
    """How long to rest after ``outcome`` when it was the ``failures``-th failure in a row."""
    match outcome:
        case Delivered() | Shrink() | StartOver():
            return 0.0
        case Retry(after_s=after_s):
            return next_delay_s(failures, after_s, jitter)
        case Pause():
            return PAUSE_S
        case Halt():
            return HALT_S
        case _:
            assert_never(outcome)


def next_delay_s(failures: int, after_s: float | None, jitter: float) -> float:
    """Full jitter over 1 s, 2 s, 4 s … 300 s; never sooner than the club asked for."""
    ceiling = min(MAX_DELAY_S, BASE_DELAY_S * 2.0 ** min(max(failures, 1) - 1, 16))
    return max(MIN_DELAY_S, ceiling * jitter) + (after_s or 0.0)


_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def retry_after_s(answer: Answer) -> float | None:
    """Seconds that the answer asks to wait (RFC 9110 §10.2.3), at most `MAX_RETRY_AFTER_S`; None when it does not say.

    A date counts from the answer's own ``Date``, because the till's wall clock may be years off.
    """
    text = answer.retry_after.strip()
    if text.isascii() and text.isdigit():
        # More than nine digits is more than the limit anyway; int() of a megabyte of digits would not be.
        return min(float(text[:9]), MAX_RETRY_AFTER_S) if len(text) <= 9 else MAX_RETRY_AFTER_S
    then, now = http_date(text), http_date(answer.date.strip())
    if then is None or now is None:
        return None
    return min(max((then - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def http_date(text: str) -> datetime | None:
    """An IMF-fixdate, the only form that a server may send (RFC 9110 §5.6.7); None for anything else."""
    found = _HTTP_DATE.fullmatch(text)
    if not found or found[2] not in _MONTHS:
        return None
    day, month, *rest = found.groups()
    year, hour, minute, second = map(int, rest)
    try:
        return datetime(year, _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is remembered of failed attempts across a restart.

    ``not_before``: when the next attempt is due, by the monotonic clock of its boot.
    """

    failures: int = 0
    not_before: Instant | None = None
    reason: Reason = Reason.NOT_TRIED


def remaining_s(attempts: Attempts, now: Instant, jitter: float) -> float:
    """How long a lane that has just been started must still wait. Monotonic times of another boot say nothing; then a
    short random wait stands in, since a power cut ends for a whole street at once."""
    if attempts.not_before is None:
        return 0.0
    if attempts.not_before.boot != now.boot:
        return RESTART_SPREAD_S * jitter
    left = (attempts.not_before.mono_ns - now.mono_ns) / 1e9
    return min(max(left, 0.0), MAX_RETRY_AFTER_S + MAX_DELAY_S)


def not_before(now: Instant, delay_s: float) -> Instant:
    """``now`` plus ``delay_s`` on both clocks; only the monotonic one is ever compared."""
    return Instant(now.wall_ms + round(delay_s * 1e3), now.boot, now.mono_ns + round(delay_s * 1e9))


def next_batch(limit: int, sent: int, failures: int, outcome: Outcome) -> int:
    """How many entries to send next: ×8 after a delivery up to `MAX_BATCH`; half of what was ``sent`` when it was too
    large, and after every `BISECT_AFTER`-th failure that the club's own fault or silence may owe to one bad entry."""
    match outcome:
        case Delivered():
            return min(MAX_BATCH, limit * GROWTH)
        case Shrink():
            return max(1, sent // 2)
        case Retry(reason=Reason.CLUB_FAULT | Reason.TIMEOUT) if failures % BISECT_AFTER == 0:
            return max(1, sent // 2)
        case _:
            return limit


def is_stuck(sent: int, failures: int, outcome: Outcome) -> bool:
    """One entry alone keeps failing: it was bisected down to, and the club answers, but not to this. Nothing behind it
    can pass (the chain is contiguous), so this is an alarm; the entry is retried for ever and never dropped."""
    match outcome:
        case Retry(reason=Reason.CLUB_FAULT | Reason.TOO_LARGE):
            return sent == 1 and failures >= STUCK_AFTER
        case _:
            return False


def breather_s(came_back_after_s: float, wait_s: float, empty: bool) -> float:
    """Rest before the next long poll: none, unless a server that does not wait sends empty pages at once."""
    return 1.0 if empty and came_back_after_s < wait_s / 2 else 0.0
