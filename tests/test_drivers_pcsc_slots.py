"""One tap, two cards, many readers: what becomes of the states that pcscd tells, without pcscd."""

from __future__ import annotations

import pytest
from smartcard import scard

from posd.drivers.pcsc_slots import BOUNCE_NS, GRACE_NS, RETRY_MS, Slots

A, B = "Reader A 00", "Reader B 00"
ATR = [0x3B, 0x80, 0x80, 0x01, 0x01]
GONE = "removed_early"
MS = 1_000_000


class Counter:
    """Readers on a counter, and a clock that stands still until it is moved on."""

    def __init__(self, *names: str) -> None:
        self.slots, self.names, self.now_ns = Slots(), list(names), 0
        self._events = dict.fromkeys(names, 0)
        self.slots.keep(self.names)

    def tell(self, *changes: tuple[str, bool], mute: bool = False) -> None:
        """pcscd tells these changes in one go: a card came (True) or went."""
        states = []
        for name, present in changes:
            self._events[name] += 1
            bits = scard.SCARD_STATE_PRESENT if present else scard.SCARD_STATE_EMPTY
            bits |= scard.SCARD_STATE_MUTE if mute else 0
            states.append((name, self._events[name] << 16 | bits | scard.SCARD_STATE_CHANGED, ATR))
        self.slots.see(states, self.now_ns)

    def swap(self, name: str) -> None:
        """Out and in again between two looks: only the event counter shows it."""
        self._events[name] += 1
        self.tell((name, True))

    def tries(self) -> list[str]:
        return [slot.name for slot in self.slots.to_try()]

    def read_well(self) -> list[str]:
        tried = self.slots.to_try()
        for slot in tried:
            slot.was_read()
        return [slot.name for slot in tried]

    def break_off(self) -> None:
        for slot in self.slots.to_try():
            slot.broke_off(GONE, self.now_ns)

    def due(self, after_ns: int = 0) -> str | None:
        self.now_ns += after_ns
        return self.slots.due_flaw(self.now_ns)


def test_a_card_is_tried_once_when_it_comes() -> None:
    counter = Counter(A)
    assert (counter.tries(), counter.slots.wait_ms(0)) == ([], None)
    counter.tell((A, True))
    assert counter.slots.wait_ms(0) == 0, "nothing that is to be done waits for the next event"
    assert counter.read_well() == [A]
    assert (counter.tries(), counter.slots.wait_ms(0)) == ([], None)
    counter.swap(A)
    assert counter.read_well() == [A]


@pytest.mark.complaint(20)
def test_a_card_that_shows_itself_breaks_off_and_comes_back_is_one_read_and_no_flaw() -> None:
    counter = Counter(A)
    counter.tell((A, True))
    counter.break_off()
    counter.tell((A, False))
    counter.now_ns += 100 * MS
    counter.tell((A, True))
    assert counter.read_well() == [A]
    assert counter.due(2 * GRACE_NS) is None


@pytest.mark.complaint(20)
@pytest.mark.parametrize("flutters", [1, 3])
def test_the_empty_events_of_a_card_that_leaves_are_told_to_nobody(flutters: int) -> None:
    counter = Counter(A)
    counter.tell((A, True))
    counter.read_well()
    counter.tell((A, False))
    for _ in range(flutters):
        counter.now_ns += BOUNCE_NS // 4
        counter.tell((A, True))
        counter.break_off()
        counter.now_ns += BOUNCE_NS  # the reader is slow to notice, and it is tried again
        counter.break_off()
        counter.tell((A, False))
    assert counter.due(2 * GRACE_NS) is None


@pytest.mark.complaint(20)
def test_a_card_that_is_pulled_early_is_told_once_however_it_flutters() -> None:
    """Positive control of the two above."""
    counter = Counter(A)
    for _ in range(3):
        counter.tell((A, True))
        counter.break_off()
        counter.tell((A, False))
        assert counter.due(10 * MS) is None
    assert counter.slots.wait_ms(counter.now_ns) == (GRACE_NS - 30 * MS) // MS
    assert counter.due(GRACE_NS) == GONE
    assert counter.due(GRACE_NS) is None


@pytest.mark.complaint(20)
def test_a_ghost_that_lies_there_for_ever_is_told_once_and_tried_at_leisure() -> None:
    counter = Counter(A)
    counter.tell((A, True))
    counter.break_off()
    assert counter.due(GRACE_NS) == GONE
    for _ in range(5):
        assert counter.slots.wait_ms(counter.now_ns) == RETRY_MS
        assert counter.tries() == [A]
        counter.break_off()
        assert counter.due(RETRY_MS * MS) is None
    counter.swap(A)
    assert counter.read_well() == [A], "a real card on top of it is seen"


@pytest.mark.complaint(20)
@pytest.mark.complaint(22)
def test_a_ghost_in_one_reader_does_not_blind_the_other() -> None:
    counter = Counter(A, B)
    counter.tell((A, True))
    counter.break_off()
    counter.tell((B, True))
    assert not counter.slots.are_two_new(), "one that was tried before is no second card"
    assert counter.tries() == [B, A]


@pytest.mark.complaint(22)
def test_two_cards_at_once_are_told_once_and_the_one_that_stays_is_read() -> None:
    counter = Counter(A, B)
    counter.tell((A, True), (B, True))
    assert counter.slots.are_two_new()
    assert (counter.tries(), counter.slots.wait_ms(0)) == ([], None)
    assert not counter.slots.are_two_new(), "told once"
    counter.tell((A, False))
    assert not counter.slots.are_two_new()
    assert (counter.slots.wait_ms(0), counter.read_well()) == (0, [B])
    counter.tell((A, True))
    assert not counter.slots.are_two_new(), "the other was read already"
    assert counter.read_well() == [A]
    counter.swap(A)
    counter.swap(B)
    assert counter.slots.are_two_new(), "and told again when it happens again"


@pytest.mark.complaint(22)
def test_a_card_of_another_tap_is_not_lost_behind_one_that_is_read() -> None:
    counter = Counter(A, B)
    for tap in range(1000):
        here, there = (A, B) if tap % 2 else (B, A)
        counter.tell((there, False), (here, True))
        assert not counter.slots.are_two_new()
        assert counter.read_well() == [here]


@pytest.mark.complaint(21)
def test_a_reader_that_was_unplugged_is_forgotten_and_new_when_it_comes_back() -> None:
    counter = Counter(A, B)
    counter.tell((A, True), (B, False))
    counter.read_well()
    assert dict(counter.slots.keep([B])).keys() == {B}
    counter.slots.see([(A, 5 << 16 | scard.SCARD_STATE_PRESENT, ATR)], 0)
    assert counter.tries() == [], "a late word about it counts nothing"
    assert dict(counter.slots.keep([A, B]))[A] == scard.SCARD_STATE_UNAWARE
    counter.tell((A, True))
    assert counter.read_well() == [A]


def test_a_card_that_was_mute_and_then_answers_is_read() -> None:
    counter = Counter(A)
    counter.tell((A, True), mute=True)
    (slot,) = counter.slots.to_try()
    assert slot.mute
    slot.broke_off("unreadable", 0)
    counter.slots.see([(A, 1 << 16 | scard.SCARD_STATE_PRESENT, ATR)], 0)
    assert counter.read_well() == [A]
    assert counter.due(2 * GRACE_NS) is None


def test_a_card_that_another_program_holds_is_tried_again_and_nothing_is_told() -> None:
    counter = Counter(A)
    counter.tell((A, True))
    (slot,) = counter.slots.to_try()
    assert slot.tried_first()
    slot.broke_off(None, 0)
    assert not slot.tried_first()
    assert counter.due(2 * GRACE_NS) is None
    assert counter.slots.wait_ms(0) == RETRY_MS
