"""Intake: the decision `accept`, without a database. A till's journal arrives whole and once, however pushes are cut,
repeated or lost; what contradicts the stored chain is a conflict; what contradicts itself is not the protocol."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.clock import Instant
from posd.club.journal import Accepted, Conflict, accept
from posd.ledger.entries import GENESIS, Draft, Entry, Head, Kind, chained
from posd.sync.wire import PushRequest, WireEntry, WireError

TILL = "till-a"
EMPTY = Head(1, 0, GENESIS)


def journal_of(count: int, salt: str = "") -> list[Entry]:
    head, entries = EMPTY, []
    for n in range(count):
        draft = Draft(n.to_bytes(16, "big"), Kind.SALE, Instant(n, "b0", n), None, (), {"n": n, "salt": salt})
        entries.append(chained(draft, head, TILL))
        head = Head(1, entries[-1].seq, entries[-1].hash)
    return entries


def push(entries: list[Entry], after: int, to: int) -> PushRequest:
    head = Head(1, after, entries[after - 1].hash if after else GENESIS)
    return PushRequest.of(head, tuple(entries[after:to]))


class Store:
    """What the database keeps for `accept`."""

    def __init__(self) -> None:
        self.head = EMPTY
        self.payloads: list[bytes] = []
        self.hashes: dict[int, bytes] = {}

    def take(self, request: PushRequest) -> Accepted | Conflict:
        verdict = accept(TILL, request, self.head, self.hashes)
        if isinstance(verdict, Accepted):
            self.payloads += [fact.payload for fact in verdict.new]
            self.hashes |= {fact.seq: fact.hash for fact in verdict.new}
            self.head = verdict.head
        return verdict


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=20))
def test_any_cut_repeat_and_lost_answer_gives_the_same_journal(count: int, sends: list[tuple[int, bool]]) -> None:
    """Each send is (how many entries more, whether the answer arrives); the last one always does."""
    entries, store, acknowledged = journal_of(count), Store(), 0
    for more, answered in [*sends, (count, True)]:
        to = min(acknowledged + more, count)
        verdict = store.take(push(entries, acknowledged, to))
        assert isinstance(verdict, Accepted)
        assert verdict.head.seq >= to
        if answered:
            acknowledged = verdict.head.seq
    assert store.payloads == [entry.payload for entry in entries]


def test_a_repeated_batch_is_known_and_changes_nothing() -> None:
    entries, store = journal_of(3), Store()
    store.take(push(entries, 0, 3))
    again = store.take(push(entries, 0, 3))
    assert again == Accepted((), 3, Head(1, 3, entries[2].hash))


def test_a_push_without_entries_asks_whether_the_heads_agree() -> None:
    entries, store = journal_of(3), Store()
    store.take(push(entries, 0, 3))
    assert store.take(push(entries, 2, 2)) == Accepted((), 0, store.head)
    assert isinstance(store.take(replace(push(entries, 2, 2), after_hash="11" * 32)), Conflict)


def test_a_gap_is_a_conflict_that_names_the_head() -> None:
    entries, store = journal_of(4), Store()
    store.take(push(entries, 0, 2))
    assert store.take(push(entries, 3, 4)) == Conflict(Head(1, 2, entries[1].hash))


@pytest.mark.parametrize(("after", "to"), [(0, 3), (1, 3), (2, 3), (3, 4)])
def test_another_history_is_a_conflict(after: int, to: int) -> None:
    """A clone wrote other entries at the same places; wherever it starts, it is noticed and nothing is stored."""
    ours, clone, store = journal_of(3), journal_of(4, salt="clone"), Store()
    store.take(push(ours, 0, 3))
    assert store.take(push(clone, after, to)) == Conflict(Head(1, 3, ours[2].hash))
    assert len(store.payloads) == 3


def test_a_longer_history_with_a_wrong_beginning_stores_nothing_of_it() -> None:
    ours, clone, store = journal_of(1), journal_of(5, salt="clone"), Store()
    store.take(push(ours, 0, 1))
    assert isinstance(store.take(push(clone, 0, 5)), Conflict)
    assert store.head.seq == 1


def test_another_epoch_is_a_conflict() -> None:
    elsewhere = Head(2, 0, GENESIS)
    entry = chained(Draft(bytes(16), Kind.SALE, Instant(0, "b0", 0), None, (), {}), elsewhere, TILL)
    assert accept(TILL, PushRequest.of(elsewhere, (entry,)), EMPTY, {}) == Conflict(EMPTY)


def first(request: PushRequest, **changes: object) -> PushRequest:
    return replace(request, entries=(replace(request.entries[0], **changes), *request.entries[1:]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "broken",
    [
        first(push(journal_of(2), 0, 2), seq=2),
        first(push(journal_of(2), 0, 2), hash="00" * 32),
        first(push(journal_of(2), 0, 2), hash="zz"),
        first(push(journal_of(2), 0, 2), payload='{"id":"00"}'),
        first(push(journal_of(2), 0, 2), payload="[" * 100_000),
        first(push(journal_of(2), 0, 2), payload="\ud800"),
        replace(push(journal_of(2), 0, 2), after_hash="short"),
        replace(push(journal_of(2), 0, 2), epoch=10**30),
        replace(push(journal_of(2), 0, 2), epoch=-1),
        replace(push(journal_of(2), 0, 2), after_seq=-1),
        replace(push(journal_of(2), 0, 2), after_seq=2**63),
        replace(push(journal_of(2), 0, 2), entries=(WireEntry(1, "aa" * 32, "not JSON"),)),
    ],
)
def test_what_contradicts_itself_is_not_the_protocol(broken: PushRequest) -> None:
    with pytest.raises(WireError):
        accept(TILL, broken, EMPTY, {})


def test_one_changed_byte_is_noticed() -> None:
    request = push(journal_of(1), 0, 1)
    changed = request.entries[0].payload.replace('"n":0', '"n":1')
    assert changed != request.entries[0].payload
    with pytest.raises(WireError, match="do not give its hash"):
        accept(TILL, first(request, payload=changed), EMPTY, {})


def test_another_tills_entries_are_not_taken_as_its_own() -> None:
    with pytest.raises(WireError):
        accept("till-b", push(journal_of(1), 0, 1), EMPTY, {})
