"""What the till does about each answer: the table of DESIGN §8, and that there is no answer without an outcome."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posd.clock import Instant
from posd.sync.link import LinkState, combined
from posd.sync.outcomes import (
    ADVICE,
    Answer,
    Delivered,
    Failure,
    Halt,
    Outcome,
    Pause,
    Reason,
    Retry,
    Shrink,
    StartOver,
)
from posd.sync.policy import (
    HALT_S,
    MAX_BATCH,
    MAX_DELAY_S,
    MAX_RETRY_AFTER_S,
    MIN_DELAY_S,
    PAUSE_S,
    RESTART_SPREAD_S,
    STUCK_AFTER,
    Attempts,
    breather_s,
    classify,
    for_pull,
    for_push,
    is_stuck,
    next_batch,
    next_delay_s,
    not_before,
    remaining_s,
    retry_after_s,
    wait_s,
)

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:51:37 GMT"

TABLE: list[tuple[Answer, Outcome]] = [
    (Answer(200, echoed=True), Delivered()),
    (Answer(204, echoed=True), Delivered()),
    (Answer(failure=Failure.TIMEOUT), Retry(Reason.TIMEOUT)),
    (Answer(failure=Failure.UNREACHABLE), Retry(Reason.UNREACHABLE)),
    (Answer(failure=Failure.TLS), Retry(Reason.TLS)),
    (Answer(failure=Failure.GARBLED), Retry(Reason.NOT_THE_CLUB)),
    (Answer(200), Retry(Reason.NOT_THE_CLUB)),
    (Answer(200, html=True), Retry(Reason.NOT_THE_CLUB)),
    (Answer(200, html=True, echoed=True), Retry(Reason.NOT_THE_CLUB)),
    (Answer(301), Retry(Reason.NOT_THE_CLUB)),
    (Answer(302, html=True), Retry(Reason.NOT_THE_CLUB)),
    (Answer(304), Retry(Reason.NOT_THE_CLUB)),
    (Answer(407), Retry(Reason.NOT_THE_CLUB)),
    (Answer(511), Retry(Reason.NOT_THE_CLUB)),
    (Answer(401), Pause(Reason.NOT_ACCEPTED)),
    (Answer(403), Pause(Reason.NOT_ACCEPTED)),
    (Answer(403, html=True), Retry(Reason.NOT_THE_CLUB)),
    (Answer(404), Pause(Reason.NOT_ACCEPTED)),
    (Answer(418), Pause(Reason.NOT_ACCEPTED)),
    (Answer(400), Halt(Reason.NOT_UNDERSTOOD)),
    (Answer(422), Halt(Reason.NOT_UNDERSTOOD)),
    (Answer(409), Halt(Reason.FORK)),
    (Answer(409, html=True), Retry(Reason.NOT_THE_CLUB)),
    (Answer(410), StartOver()),
    (Answer(413), Shrink()),
    (Answer(413, html=True), Shrink()),
    (Answer(408), Retry(Reason.CLUB_BUSY)),
    (Answer(425), Retry(Reason.CLUB_BUSY)),
    (Answer(429, retry_after="7"), Retry(Reason.CLUB_BUSY, 7.0)),
    (Answer(503, retry_after=LATER, date=DATE), Retry(Reason.CLUB_BUSY, 120.0)),
    (Answer(500), Retry(Reason.CLUB_FAULT)),
    (Answer(502, html=True), Retry(Reason.CLUB_FAULT)),
    (Answer(504), Retry(Reason.CLUB_FAULT)),
    (Answer(599), Retry(Reason.CLUB_FAULT)),
]


@pytest.mark.parametrize(("answer", "outcome"), TABLE, ids=lambda value: repr(value)[:60])
def test_the_table(answer: Answer, outcome: Outcome) -> None:
    assert classify(answer) == outcome


answers = st.builds(
    Answer,
    status=st.integers(-1, 1000),
    failure=st.none() | st.sampled_from(Failure),
    html=st.booleans(),
    echoed=st.booleans(),
    retry_after=st.text(max_size=30) | st.integers().map(str) | st.just(LATER),
    date=st.text(max_size=30) | st.just(DATE),
)


@given(answers, st.integers(0, 10**6), st.floats(0, 1, exclude_max=True), st.integers(1, MAX_BATCH))
def test_every_answer_has_an_outcome_and_a_bounded_rest(
    answer: Answer, failures: int, jitter: float, sent: int
) -> None:
    outcome = classify(answer)
    proven = answer.failure is None and 200 <= answer.status < 300 and answer.echoed and not answer.html
    assert isinstance(outcome, Delivered) == proven
    assert 0 <= wait_s(outcome, failures, jitter) <= max(HALT_S, MAX_RETRY_AFTER_S + MAX_DELAY_S)
    assert 1 <= next_batch(sent, sent, failures, outcome) <= MAX_BATCH
    for narrowed in (for_push(outcome, sent), for_pull(outcome, had_cursor=False)):
        assert isinstance(narrowed, Delivered) == proven
    assert not isinstance(for_push(outcome, 1), Shrink | StartOver), "would be asked again at once, for ever"
    assert not isinstance(for_pull(outcome, had_cursor=False), Shrink | StartOver)


def test_every_reason_says_what_to_do() -> None:
    assert set(ADVICE) == set(Reason)


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        ("", "", None),
        ("120", "", 120.0),
        (" 0 ", "", 0.0),
        ("99999999999999999999", "", MAX_RETRY_AFTER_S),
        ("-5", "", None),
        ("1.5", "", None),
        ("۱۲", "", None),
        (LATER, DATE, 120.0),
        (DATE, LATER, 0.0),
        (LATER, "", None),
        ("Sunday, 06-Nov-94 08:49:37 GMT", DATE, None),
        ("Sun, 32 Nov 1994 08:49:37 GMT", DATE, None),
        ("Sun, 06 Nov 2094 08:49:37 GMT", DATE, MAX_RETRY_AFTER_S),
    ],
)
def test_retry_after_is_read_without_a_wall_clock(retry_after: str, date: str, seconds: float | None) -> None:
    assert retry_after_s(Answer(503, retry_after=retry_after, date=date)) == seconds


def test_delays_double_up_to_five_minutes_with_full_jitter() -> None:
    ceilings = [next_delay_s(n, None, 0.999999) for n in range(1, 12)]
    assert [round(c) for c in ceilings] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert next_delay_s(9, None, 0.0) == MIN_DELAY_S
    assert next_delay_s(10**9, None, 0.5) == MAX_DELAY_S / 2


@given(st.integers(1, 50), st.floats(0, MAX_RETRY_AFTER_S), st.floats(0, 1, exclude_max=True))
@example(1, 60.0, 0.0)
def test_never_sooner_than_the_club_asked(failures: int, after_s: float, jitter: float) -> None:
    assert next_delay_s(failures, after_s, jitter) >= after_s


def test_pause_and_halt_rest_long_and_shrink_not_at_all() -> None:
    rests = [wait_s(o, 1, 0.5) for o in (Pause(Reason.NOT_ACCEPTED), Halt(Reason.FORK), Shrink(), StartOver())]
    assert rests == [PAUSE_S, HALT_S, 0.0, 0.0]


def test_batches_grow_to_the_limit_and_halve_when_too_large() -> None:
    sizes, limit = [], 1
    for _ in range(5):
        sizes.append(limit)
        limit = next_batch(limit, limit, 0, Delivered())
    assert sizes == [1, 8, 64, 500, 500]
    assert next_batch(500, 37, 0, Shrink()) == 18


def test_bisection_reaches_the_one_entry_that_fails() -> None:
    """A club that stumbles over entry 300 of 500: everything before it passes, then it alone is tried."""
    first, limit, failures, tries = 1, 500, 0, 0
    while True:
        tries += 1
        sent = min(limit, 500 - first + 1)
        bad = first <= 300 < first + sent
        outcome: Outcome = Retry(Reason.CLUB_FAULT) if bad else Delivered()
        failures = failures + 1 if bad else 0
        if is_stuck(sent, failures, outcome):
            break
        limit = next_batch(limit, sent, failures, outcome)
        first += 0 if bad else sent
    assert (first, sent) == (300, 1)
    assert tries < 150


@pytest.mark.parametrize("reason", [Reason.UNREACHABLE, Reason.CLUB_BUSY, Reason.NOT_THE_CLUB, Reason.TIMEOUT])
def test_no_network_is_no_fault_of_an_entry(reason: Reason) -> None:
    assert not is_stuck(1, STUCK_AFTER * 10, Retry(reason))
    assert is_stuck(1, STUCK_AFTER, Retry(Reason.CLUB_FAULT)), "positive control"


def test_a_rest_is_resumed_by_the_monotonic_clock_of_its_boot() -> None:
    now = Instant(wall_ms=5_000, boot="aa", mono_ns=10_000_000_000)
    due = not_before(now, 40.0)
    later = Instant(wall_ms=99_999_999, boot="aa", mono_ns=now.mono_ns + 15_000_000_000)
    assert remaining_s(Attempts(3, due, Reason.TIMEOUT), later, 0.5) == 25.0
    assert remaining_s(Attempts(3, due, Reason.TIMEOUT), Instant(0, "aa", 10**15), 0.5) == 0.0
    assert remaining_s(Attempts(), later, 0.5) == 0.0


def test_after_another_boot_tills_spread_over_a_few_seconds() -> None:
    due = Instant(0, "before", 10**18)
    assert remaining_s(Attempts(9, due), Instant(0, "after", 1), 0.5) == RESTART_SPREAD_S / 2


def test_a_server_that_does_not_hold_its_answer_is_not_hammered() -> None:
    assert breather_s(0.01, 25.0, empty=True) == 1.0
    assert breather_s(25.0, 25.0, empty=True) == breather_s(0.01, 25.0, empty=False) == 0.0


def test_the_gravest_lane_decides_the_link() -> None:
    fork, paused, offline = Halt(Reason.FORK), Pause(Reason.NOT_ACCEPTED), Retry(Reason.TIMEOUT)
    assert combined(None, None) == (LinkState.OFFLINE, Reason.NOT_TRIED)
    assert combined(None, Delivered()) == (LinkState.ONLINE, None)
    assert combined(Delivered(), offline) == (LinkState.OFFLINE, Reason.TIMEOUT)
    assert combined(offline, paused) == (LinkState.PAUSED, Reason.NOT_ACCEPTED)
    assert combined(fork, paused) == (LinkState.HALTED, Reason.FORK)
