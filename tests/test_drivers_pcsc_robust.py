"""Many readers, many taps, a pcscd that comes and goes: what ends other programs' monitoring for good."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from posd.cards.chip import LOYALTY, decode_chip
from posd.cards.reads import RejectReason, parse_flaw
from posd.drivers.contract import Session, eventually, open_files
from posd.drivers.pcsc import SPEC, TWO_CARDS, PcscConfig, PcscReader
from posd.drivers.read_filter import SAME_AGAIN, ReadOptions
from posd.drivers.simulated_card import loyalty_card
from posd.errors import DeviceLost
from posd.events import RawRead
from posd.machine import SystemClock
from tests.fakes.pcscd import Pcscd, cards_lie_in, no_card_anywhere, process_pcscd
from tests.fakes.virtual_card import Slot
from tests.test_drivers_pcsc import ChipRig

pytestmark = pytest.mark.slow

COMMANDS_OF_A_READ = 3
"""Payment directory, loyalty application, its file: then a loyalty card has said everything."""


@pytest.fixture(scope="module")
def pcscd() -> Pcscd:
    return process_pcscd()


@pytest.fixture
def slots(pcscd: Pcscd) -> Iterator[list[Slot]]:
    slots = [Slot(port) for port in pcscd.ports]
    yield slots
    for slot in slots:
        slot.remove()
    eventually(no_card_anywhere, "noticing that the cards are gone")


@pytest.fixture
def rig(pcscd: Pcscd, slots: list[Slot]) -> ChipRig:
    return ChipRig(pcscd, slots[0], [], [])


def put(slot: Slot, number: int, vanish_at: int | None = None) -> None:
    card = loyalty_card(f"{number:08}")
    slot.insert(card.atr, card, vanish_at=vanish_at)


def number_in(read: RawRead) -> int:
    file = decode_chip(read.payload).contents[LOYALTY]
    return int(file[file.index(b"\xc2\x08") + 2 :][:8])


def was_read(slot: Slot) -> bool:
    return len(slot.commands) >= COMMANDS_OF_A_READ


@pytest.mark.complaint(20)
def test_a_tap_that_flutters_is_one_read(rig: ChipRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second event of the tap is empty; then the same card comes again. The virtual reader looks every 400 ms, so a
    flutter takes as long here."""
    monkeypatch.setattr("posd.drivers.pcsc_slots.BOUNCE_NS", 1_000_000_000)
    told = SPEC.new_filter(rig.config, ReadOptions())
    with Session(rig) as session:
        put(rig.slot, 1)
        assert number_in(told(session.next())) == 1
        rig.slot.remove()
        put(rig.slot, 1, vanish_at=0)
        eventually(lambda: bool(rig.slot.commands), "asking the card")
        assert session.silent(0.6), "an empty event of a card that leaves"
        rig.slot.remove()
        put(rig.slot, 2)
        assert number_in(told(session.next())) == 2, "positive control: another card is read at once"
        rig.slot.remove()
        put(rig.slot, 2)
        assert told(session.next()).flaw == SAME_AGAIN


@pytest.mark.complaint(22)
def test_two_cards_at_once_are_refused_and_the_one_that_stays_is_read(rig: ChipRig, slots: list[Slot]) -> None:
    for number, slot in enumerate(slots):
        put(slot, number)
    eventually(partial(cards_lie_in, 2), "noticing both cards")
    with Session(rig, rig.open_as_it_is) as session:
        refused = session.next()
        assert (refused.payload, refused.flaw) == (b"", TWO_CARDS)
        assert parse_flaw(TWO_CARDS)[0] is RejectReason.TWO_AT_ONCE
        assert session.silent(0.6), "once, and neither of them is read"
        assert not any(slot.commands for slot in slots)
        slots[0].remove()
        assert number_in(session.next()) == 1
        put(slots[0], 7)
        assert number_in(session.next()) == 7, "the one that lies there was read and does not count"


@pytest.mark.complaint(22)
def test_taps_on_two_readers_in_turn_are_all_read(rig: ChipRig, slots: list[Slot]) -> None:
    """One program, two readers: the card in one goes while another comes to the other."""
    with Session(rig) as session:
        for number in range(16):
            put(slots[number % 2], number)
            assert number_in(session.next()) == number
            slots[number % 2].remove()
        assert session.silent(0.6)


@pytest.mark.complaint(22)
def test_two_programs_on_two_readers_read_each_their_own(rig: ChipRig, slots: list[Slot]) -> None:
    """Each reader has its own `[[reader]]` table, as two lanes have."""
    taps = 10
    seen: dict[int, list[int]] = {}

    def lane(n: int) -> None:
        config = PcscConfig(address=f"* 0{n}")
        with Session(rig, lambda: PcscReader(f"lane {n}", config, SystemClock())) as session:
            for tap in range(taps):
                put(slots[n], n * 1000 + tap)
                seen.setdefault(n, []).append(number_in(session.next()))
                slots[n].remove()

    threads = [threading.Thread(target=lane, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == {n: [n * 1000 + tap for tap in range(taps)] for n in range(2)}


@pytest.mark.complaint(21)
def test_pcscd_may_stop_and_start_as_often_as_it_likes(rig: ChipRig) -> None:
    files = None
    for life in range(4):
        with Session(rig) as session:
            put(rig.slot, life)
            assert number_in(session.next()) == life
            rig.lose()
            assert session.good_until_lost() == set()
        rig.restore()
        files = files or open_files()
        assert open_files() <= files


@pytest.mark.complaint(21)
def test_readers_come_and_go_and_the_others_are_read(rig: ChipRig, pcscd: Pcscd) -> None:
    def anew(change: Callable[[], object]) -> None:
        pcscd.kill()
        change()
        pcscd.start()

    with Session(rig) as session:
        anew(lambda: pcscd.plug_reader("Virtual PCD second"))
        with pytest.raises(DeviceLost):
            session.next()
    more = [Slot(port) for port in pcscd.ports[2:]]
    eventually(partial(no_card_anywhere, 4), "four slots")
    with Session(rig, rig.open_as_it_is) as session:
        for number, slot in enumerate([rig.slot, *more]):
            put(slot, number)
            assert number_in(session.next()) == number
            slot.remove()
        anew(lambda: pcscd.unplug_reader("Virtual PCD second"))
        with pytest.raises(DeviceLost):
            session.next()
    with Session(rig) as session:
        put(rig.slot, 9)
        assert number_in(session.next()) == 9
