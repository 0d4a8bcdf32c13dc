"""Simulated readers: what is presented as text takes a real card's way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from posd.cards.chip import decode_chip
from posd.cards.loyalty_file import LoyaltyFile, parse_loyalty_file
from posd.cards.ndef import parse_message
from posd.cards.reads import RejectReason
from posd.drivers import simulated
from posd.drivers.base import Driver, HealthLevel
from posd.drivers.contract import DriverContract, Rig, Session
from posd.drivers.simulated import SPEC, Kind, SimulatedConfig, SimulatedReader
from posd.events import DeviceClass
from posd.machine import SystemClock

NUMBER = "6331940000012345"


class SimulatedRig(Rig):
    losses = 1

    def __init__(self, kind: Kind, presented: Sequence[str], reads: Sequence[bytes]) -> None:
        self.config, self.presented, self.reads = SimulatedConfig(kind), presented, reads

    def open(self) -> Driver:
        return SimulatedReader("till", self.config, SystemClock())

    def pieces(self, n: int) -> Sequence[str]:
        return [self.presented[n]]

    def send(self, pieces: Sequence[str]) -> None:
        for piece in pieces:
            simulated.feed("till", piece)

    def settle(self) -> None:
        pass

    def noise(self) -> None:
        if self.config.kind is not Kind.TAP:
            simulated.feed("till", ";")

    def lose(self) -> None:
        simulated.unplug("till")

    def restore(self) -> None:
        simulated.plug("till")


@pytest.fixture
def swiper() -> Iterator[SimulatedRig]:
    tracks = f"%B{NUMBER}^A/B^2512?;{NUMBER}=2512?"
    yield SimulatedRig(Kind.SWIPE, [tracks, f";{NUMBER}?"], [tracks.encode(), f";{NUMBER}?".encode()])
    simulated.plug("till")


class TestSwipe(DriverContract):
    @pytest.fixture
    def rig(self, swiper: SimulatedRig) -> Rig:
        return swiper


class TestScan(DriverContract):
    @pytest.fixture
    def rig(self) -> Rig:
        codes = [NUMBER, "]C1018012345678901\x1d10AB", "/[]!"]
        return SimulatedRig(Kind.SCAN, codes, [code.encode() for code in codes])


def tapped(text: str) -> bytes:
    rig = SimulatedRig(Kind.TAP, [text], [b""])
    with Session(rig) as session:
        rig.send([text])
        read = session.next()
    assert read.device_class is DeviceClass.SMARTCARD
    return read.payload


class TestTap(DriverContract):
    @pytest.fixture
    def rig(self) -> Rig:
        texts = [NUMBER, "uid:04A2B3C4D5E680", f"ndef:{NUMBER}"]
        return SimulatedRig(Kind.TAP, texts, [tapped(text) for text in texts])


def test_what_is_on_the_simulated_chips() -> None:
    assert parse_loyalty_file(decode_chip(tapped(NUMBER)).contents["loyalty"]) == LoyaltyFile("POSD", NUMBER)
    assert decode_chip(tapped("uid:04a2b3c4")).uid == bytes.fromhex("04a2b3c4")
    (record,) = parse_message(decode_chip(tapped("ndef:hello")).contents["ndef"])
    assert record.text == "hello"
    long = "x" * 700
    (record,) = parse_message(decode_chip(tapped(f"ndef:{long}")).contents["ndef"])
    assert record.text == long
    assert decode_chip(tapped("payment")).refusal is RejectReason.PAYMENT_CARD


def test_a_broken_swipe_is_a_flaw(swiper: SimulatedRig) -> None:
    with Session(swiper) as session:
        simulated.feed("till", f";{NUMBER}")
        read = session.next()
        assert read.payload == b""
        assert (read.flaw or "").startswith("partial")


@pytest.mark.parametrize("data", ["", "   ", "\u6f22"])
def test_what_cannot_be_typed_is_refused_at_once(swiper: SimulatedRig, data: str) -> None:
    with Session(swiper), pytest.raises(ValueError, match=r"nothing|no key"):
        simulated.feed("till", data)


@pytest.mark.parametrize("data", ["uid:04", "uid:zz", "6331 9400", ""])
def test_what_is_no_card_is_refused_at_once(data: str) -> None:
    with Session(SimulatedRig(Kind.TAP, [], [])), pytest.raises(ValueError, match=r"UID|hex|number"):
        simulated.feed("till", data)


def test_a_reader_that_is_not_open_is_named() -> None:
    with pytest.raises(LookupError, match="nowhere"):
        simulated.feed("nowhere", "1")


def test_health_says_how_to_present_a_card() -> None:
    (check,) = SPEC.check_health("till", SimulatedConfig(Kind.TAP), HealthLevel.EXTERNAL)
    assert check.ok
    assert "posd simulate tap" in check.detail
