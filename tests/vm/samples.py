"""What is presented to each reader of the virtual till, and what posd must make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file
from posd.cards.scripts.layouts import POSD_AID
from tests.fakes.chip_card import FakeChipCard
from tests.vm.till import PosdTill


@dataclass(frozen=True)
class Sample:
    """``text`` is what the reader sends; ``number`` is in it, and the till's events tell its last four characters.
    (A stripe with Luhn digit and expiry would be a bank card.)"""

    number: str
    text: str


SAMPLES = {
    "swiper": Sample("9800000000012345", "%M9800000000012345^MEMBER?\n;9800000000012345?\n"),
    "left": Sample("9800000000022222", "9800000000022222\n"),
    "right": Sample("9800000000033333", "9800000000033333\n"),
    "cdc": Sample("9800000000044444", "9800000000044444\r\n"),
    "ftdi": Sample("9800000000055555", "9800000000055555\r\n"),
    "magtek": Sample("9800000000066666", ";9800000000066666=2512?"),
    "pos": Sample("9800000000077777", "9800000000077777"),
    "chips": Sample("9800000000088888", ""),
}
CHIP_ATR = bytes.fromhex("3B80800101")


def loyalty_card(number: str) -> FakeChipCard:
    file = encode_loyalty_file(LoyaltyFile("SHOP", number))
    return FakeChipCard(applications={POSD_AID: b""}, files={(POSD_AID, None): file})


def present(till: PosdTill, name: str) -> dict[str, Any]:
    """Swipe, scan or tap, and wait for the one event that must come of it."""
    sample, heard = SAMPLES[name], till.listen()
    if name == "chips":
        insert_card(till)
    else:
        till.send(name, sample.text)
    event: dict[str, Any] = heard.until_heard(1, name)[0]
    heard.until_quiet()
    if till.slot is not None:
        till.slot.remove()
    assert len(heard.of(name)) == 1, heard.heard
    assert event["type"] == "card.read", event
    assert event["tail"] == sample.number[-4:]
    return event


def insert_card(till: PosdTill) -> None:
    assert till.slot is not None, "the chip reader is not plugged in"
    till.slot.insert(CHIP_ATR, loyalty_card(SAMPLES["chips"].number).transmit)
