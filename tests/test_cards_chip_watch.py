"""The watcher over all chip cards of the suite: that it hears every kind of card, and that it would cry out."""

from __future__ import annotations

import pytest

from posd.drivers.simulated_card import loyalty_card
from tests.fakes.apdu_watch import WATCHER, ForbiddenCommand, Watcher, forbidden
from tests.fakes.chip_card import FakeChipCard
from tests.test_drivers_pcsc_guard import ALLOWED, REFUSED

HARMLESS = {"empty", "too short", "reader: key of another length", "reader: key into another place"}
"""What the guard refuses because posd has no use for it, and a card would not mind."""
HARMLESS |= {"SELECT with secure messaging", "reader: authenticate as no known key type"}
HARMLESS |= {"reader: memory card of another type", "DESFire with parameters", "Smart Tap: negotiate, with parameters"}


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in HARMLESS])
def test_every_writing_or_locking_command_is_forbidden(name: str) -> None:
    assert forbidden(bytes.fromhex(REFUSED[name])), name


@pytest.mark.parametrize("name", ALLOWED)
def test_reading_is_not(name: str) -> None:
    assert forbidden(bytes.fromhex(ALLOWED[name])) is None


def test_a_card_in_memory_fails_the_test_at_once(watched: Watcher) -> None:
    """Positive control."""
    for card in (FakeChipCard().transmit, loyalty_card("12345678")):
        with pytest.raises(ForbiddenCommand, match="code"):
            card(bytes.fromhex("FF20000003FFFFFF"))
    assert watched is WATCHER


def test_each_command_is_counted() -> None:
    before, card = WATCHER.seen, FakeChipCard()
    for command in ALLOWED.values():
        card.transmit(bytes.fromhex(command))
    assert WATCHER.seen - before == len(ALLOWED) == len(card.asked)
