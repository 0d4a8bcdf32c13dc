"""Chip cards: real pyscard and a real pcscd with virtual readers, and cards in Python in them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from smartcard import scard

from posd.cards.chip import ChipContents, decode_chip, encode_chip
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file
from posd.cards.ndef import TEXT, NdefRecord, encode_message
from posd.cards.reads import RejectReason
from posd.cards.scripts.layouts import POSD_AID
from posd.drivers.base import Driver, HealthLevel
from posd.drivers.contract import DriverContract, Rig, Session, eventually, open_files
from posd.drivers.pcsc import GONE, MUTE, SPEC, PcscConfig, PcscReader
from posd.drivers.pcsc_service import NO_SERVICE
from posd.drivers.read_only import read_only
from posd.drivers.simulated_card import ISO_14443_4_ATR, SIMULATED_UID, SimulatedCard, loyalty_card, payment_card, tag
from posd.errors import DeviceLost, ReadCancelled
from posd.machine import SystemClock
from tests.fakes.pcscd import Pcscd, no_card_anywhere, process_pcscd
from tests.fakes.virtual_card import Slot

pytestmark = pytest.mark.slow

NUMBER = "6331940000012345"
FILE = encode_loyalty_file(LoyaltyFile("POSD", NUMBER))
MESSAGE = encode_message([NdefRecord(TEXT, NUMBER)])
CONTACT_ATR = bytes.fromhex("3B021450")


@pytest.fixture(scope="module")
def pcscd() -> Pcscd:
    return process_pcscd()


@pytest.fixture
def slots(pcscd: Pcscd) -> Iterator[tuple[Slot, Slot]]:
    slots = (Slot(pcscd.ports[0]), Slot(pcscd.ports[1]))
    yield slots
    for slot in slots:
        slot.remove()
    eventually(no_card_anywhere, "noticing that the cards are gone")


class ChipRig(Rig):
    """The piece is a card as a whole; losing the device is pcscd killed, the reader gone with it."""

    def __init__(self, pcscd: Pcscd, slot: Slot, cards: Sequence[SimulatedCard], reads: Sequence[bytes]) -> None:
        self.pcscd, self.slot, self.cards, self.reads = pcscd, slot, cards, reads
        self.config = PcscConfig(address="Virtual PCD*")
        self.losses = 1

    def open(self) -> Driver:
        """No card lies in the reader."""
        self.slot.remove()
        eventually(no_card_anywhere, "noticing that the card is gone")
        return self.open_as_it_is()

    def open_as_it_is(self) -> Driver:
        end = time.monotonic() + 5
        while True:
            try:
                return PcscReader("door", self.config, SystemClock())
            except DeviceLost:  # a pcscd that was started a moment ago
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def pieces(self, n: int) -> Sequence[SimulatedCard]:
        return [self.cards[n]]

    def send(self, pieces: Sequence[SimulatedCard]) -> None:
        for card in pieces:
            self.slot.remove()
            self.slot.insert(card.atr, card)

    def settle(self) -> None:
        pass

    def rest(self) -> None:
        self.slot.remove()

    def noise(self) -> None:
        """A card that is pulled before it says anything."""
        self.slot.remove()
        self.slot.insert(ISO_14443_4_ATR, SimulatedCard(), vanish_at=0)
        eventually(lambda: bool(self.slot.commands), "asking the card")
        self.slot.remove()

    def lose(self) -> None:
        self.pcscd.kill()

    def restore(self) -> None:
        self.slot.remove()
        self.pcscd.start()


CARDS = {
    "loyalty file": (loyalty_card(NUMBER), ChipContents(ISO_14443_4_ATR, None, {"loyalty": FILE})),
    "tag": (tag(message=MESSAGE), ChipContents(tag().atr, SIMULATED_UID, {"ndef": MESSAGE})),
    "uid": (SimulatedCard(), ChipContents(ISO_14443_4_ATR, SIMULATED_UID)),
}


class TestPcsc(DriverContract):
    @pytest.fixture
    def rig(self, pcscd: Pcscd, slots: tuple[Slot, Slot]) -> Rig:
        cards = [card for card, _ in CARDS.values()]
        return ChipRig(pcscd, slots[0], cards, [encode_chip(contents) for _, contents in CARDS.values()])


@pytest.fixture
def rig(pcscd: Pcscd, slots: tuple[Slot, Slot]) -> ChipRig:
    return ChipRig(pcscd, slots[0], [loyalty_card(NUMBER)], [encode_chip(CARDS["loyalty file"][1])])


def test_a_payment_card_is_refused_and_asked_nothing_more(rig: ChipRig) -> None:
    card = payment_card()
    with Session(rig) as session:
        rig.slot.insert(card.atr, card)
        assert decode_chip(session.next().payload) == ChipContents(refusal=RejectReason.PAYMENT_CARD)
        assert [command[:2].hex() for command in rig.slot.commands] == ["00a4"]


def test_a_card_pulled_at_any_point_of_the_conversation(rig: ChipRig) -> None:
    card = loyalty_card(NUMBER)
    with Session(rig) as session:
        rig.slot.insert(card.atr, card)
        session.next()
        commands = len(rig.slot.commands)
        assert commands > 2
        rig.slot.remove()
        for position in range(commands):
            eventually(no_card_anywhere, "noticing that the card is gone")
            rig.slot.insert(card.atr, card, vanish_at=position)
            read = session.next()
            assert (read.payload, read.flaw) == (b"", GONE), f"pulled at command {position}"
            rig.slot.remove()
        rig.slot.insert(card.atr, card)
        assert session.next().payload == rig.reads[0]


def test_a_card_that_was_swapped_between_two_looks_is_read(rig: ChipRig) -> None:
    with Session(rig) as session:
        for number in ("11111111", "22222222", "33333333"):
            card = loyalty_card(number)
            rig.slot.remove()
            rig.slot.insert(card.atr, card)  # at once: pcscd sees no empty slot
            assert number.encode() in session.next().payload


@pytest.mark.complaint(20)
def test_a_card_that_stays_is_read_once(rig: ChipRig) -> None:
    with Session(rig) as session:
        rig.send(rig.cards)
        session.next()
        assert session.silent(1.0)


def test_a_card_that_lies_there_when_posd_starts_is_read(rig: ChipRig) -> None:
    with Session(rig) as session:
        rig.send(rig.cards)
        session.next()
    with Session(rig, rig.open_as_it_is) as session:
        assert session.next().payload == rig.reads[0]


@pytest.mark.complaint(20)
def test_a_card_that_broke_off_and_lies_there_still_is_read_without_another_tap(rig: ChipRig) -> None:
    """The virtual reader shows a lost and renewed contact as no change at all; so do bad contactless readers."""
    card = loyalty_card(NUMBER)
    with Session(rig) as session:
        rig.slot.insert(card.atr, card, vanish_at=1)
        assert session.next().flaw == GONE
        rig.send([card])
        assert session.next().payload == rig.reads[0]
        assert session.silent(1.2)


@pytest.mark.complaint(22)
def test_each_slot_has_its_own_card(rig: ChipRig, slots: tuple[Slot, Slot]) -> None:
    first, second = loyalty_card("11111111"), loyalty_card("22222222")
    with Session(rig) as session:
        slots[0].insert(first.atr, first)
        assert b"11111111" in session.next().payload
        slots[1].insert(second.atr, second)
        assert b"22222222" in session.next().payload


def test_a_reader_is_chosen_by_name(rig: ChipRig, slots: tuple[Slot, Slot]) -> None:
    rig.config = PcscConfig(address="* 01")
    card = loyalty_card(NUMBER)
    with Session(rig) as session:
        slots[0].insert(card.atr, card)
        assert session.silent(0.6)
        slots[1].insert(card.atr, card)
        assert session.next().payload == rig.reads[0]
    rig.config = PcscConfig(address="Another reader*")
    assert not SPEC.present(rig.config)
    with pytest.raises(DeviceLost, match="Another reader"):
        PcscReader("door", rig.config, SystemClock())


def test_odd_cards_are_flaws(rig: ChipRig) -> None:
    with Session(rig) as session:
        rig.slot.insert(ISO_14443_4_ATR, lambda _command: b"\x90")
        assert session.next().flaw == GONE
        rig.slot.remove()
        rig.slot.insert(b"\x00\x01", lambda _command: b"\x90\x00")  # no ATR
        assert session.next().flaw in (MUTE, GONE)
        rig.slot.remove()
        rig.send(rig.cards)
        assert session.next().payload == rig.reads[0]


def test_a_card_that_another_program_holds_is_read_when_it_lets_go(
    rig: ChipRig, caplog: pytest.LogCaptureFixture
) -> None:
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    rig.send(rig.cards)
    name = "Virtual PCD 00 00"
    code, holder = scard.SCARD_E_NO_SMARTCARD, 0
    end = time.monotonic() + 5
    while code != scard.SCARD_S_SUCCESS and time.monotonic() < end:
        code, holder, _ = scard.SCardConnect(context, name, scard.SCARD_SHARE_EXCLUSIVE, 3)
    assert code == scard.SCARD_S_SUCCESS
    with Session(rig, rig.open_as_it_is) as session:
        assert session.silent(0.7)
        assert "another program" in caplog.text
        scard.SCardDisconnect(holder, scard.SCARD_LEAVE_CARD)
        assert session.next().payload == rig.reads[0]
    scard.SCardReleaseContext(context)


def test_a_card_that_others_share_is_read(rig: ChipRig) -> None:
    with Session(rig) as session:
        rig.send(rig.cards)
        session.next()
        _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        code, holder, _ = scard.SCardConnect(context, "Virtual PCD 00 00", scard.SCARD_SHARE_SHARED, 3)
        assert code == scard.SCARD_S_SUCCESS
    with Session(rig, rig.open_as_it_is) as session:
        assert session.next().payload == rig.reads[0]
    scard.SCardDisconnect(holder, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)


def test_health(rig: ChipRig) -> None:
    def health(address: str, level: HealthLevel) -> list[tuple[str, bool]]:
        return [(check.name, check.ok) for check in SPEC.check_health("door", PcscConfig(address), level)]

    assert health("*", HealthLevel.EXTERNAL) == [
        ("service", True),
        ("present", True),
        ("keys", True),
        ("answers", True),
    ]
    assert health("ACS*", HealthLevel.EXTERNAL) == [("service", True), ("present", False)]
    assert [candidate.address for candidate in SPEC.probe()] == ["Virtual PCD 00 00", "Virtual PCD 00 01"]
    rig.lose()
    (silent,) = SPEC.check_health("door", PcscConfig(), HealthLevel.INTERNAL)
    assert (silent.ok, f"{silent.detail}; {silent.fix}") == (False, NO_SERVICE)
    assert SPEC.probe() == []
    assert SPEC.present(PcscConfig()), "opening will tell why"
    rig.restore()
    eventually(lambda: SPEC.check_health("door", PcscConfig(), HealthLevel.INTERNAL)[-1].ok, "coming back")


def test_cancel_is_not_lost_whenever_it_comes(rig: ChipRig) -> None:
    """SCardCancel is forgotten when it comes a moment before the wait; so try many moments."""
    for n in range(60):
        with Session(rig) as session:
            threading.Event().wait(n * 0.00005)
            session.driver.cancel()
            with pytest.raises(ReadCancelled):
                session.next()


def test_many_taps_leave_nothing_open(rig: ChipRig) -> None:
    with Session(rig) as session:
        rig.send(rig.cards)
        session.next()
        files = open_files()
        for _ in range(4):
            rig.send(rig.cards)
            assert session.next().payload == rig.reads[0]
        assert open_files() <= files


def test_every_command_that_posd_sends_passes_the_guard(rig: ChipRig) -> None:
    sent: set[bytes] = set()
    everything: list[Any] = [loyalty_card(NUMBER), tag(message=MESSAGE), payment_card(), SimulatedCard()]
    with Session(rig) as session:
        for card in everything:
            rig.send([card])
            session.next()
            sent |= set(rig.slot.commands)
    assert {command[:2].hex() for command in sent} >= {"00a4", "00b0", "ffca", "ffb0"}
    assert all(read_only(command) == command for command in sent)
    assert POSD_AID in {command[5:10] for command in sent}
