"""Looks over the shoulder of every card in the suite: each card reports what it is asked, and a command that writes,
locks or spends a try of a code fails the test on the spot.

Its list stands on the standards alone and says what is forbidden; posd's own guard says what is allowed, and neither
knows the other. As a pytest plug-in it counts for the whole session, so that nobody can say that it saw nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from posd.drivers.simulated_card import SimulatedCard

_COUNT = "chip_commands"

_ISO_WRITES = {
    *(0x04, 0x0E, 0x0F, 0x20, 0x21, 0x24, 0x28, 0x2C, 0x44),  # deactivate, erase, verify, change, reset, activate
    *(0x46, 0x82, 0xD0, 0xD1, 0xD2, 0xD6, 0xD7, 0xDA, 0xDB, 0xDC, 0xDD),  # generate keys, authenticate, write, put
    *(0xE0, 0xE2, 0xE4, 0xE6, 0xE8, 0xEE, 0xFE),  # create, append, delete, terminate
}
"""ISO/IEC 7816-4, -8, -9: instructions that change a card or use up tries."""
_EMV = {
    0xA8: "GET PROCESSING OPTIONS",
    0xAE: "GENERATE AC",
    0x88: "INTERNAL AUTHENTICATE",
    0x82: "EXTERNAL AUTHENTICATE",
}
"""What a terminal says to a payment card that it means to charge, class 80 or 00."""
_DESFIRE_WRITES = {
    *(0x0C, 0x1C, 0xDC, 0x3D, 0x3B, 0x8D, 0x8B, 0xDB, 0xBA, 0xEB, 0xC7, 0xA7),  # values, data, records, commit, abort
    *(0xCA, 0xDA, 0xCD, 0xCB, 0xCC, 0xC0, 0xC1, 0xDF, 0x5F, 0x5C, 0x54, 0xC4, 0xC6, 0xC9, 0xFC),  # create … format
}
"""MIFARE DESFire data sheets."""

_PUSH_DATA = 0x52
"""Google Smart Tap 2.1: hands the phone something to keep."""


class ForbiddenCommand(AssertionError):
    """A card was asked something that it must never be asked."""


class Watcher:
    """``seen``: how many commands, in this process."""

    def __init__(self) -> None:
        self.seen = 0

    def saw(self, command: bytes) -> None:
        self.seen += 1
        why = forbidden(command)
        if why is not None:
            raise ForbiddenCommand(f"{why}: {command[:5].hex(' ')} …")


WATCHER = Watcher()


def forbidden(command: bytes) -> str | None:
    """Why a card must never be asked this; None when it may."""
    if len(command) < 4:
        return "not a command"
    cla, ins = command[0], command[1]
    if cla == 0xFF:
        return _forbidden_to_reader(command)
    if cla == 0x90:
        fetches_more = ins == 0xC0 and len(command) == 5  # with data it would create a file
        if ins == _PUSH_DATA:
            return "Smart Tap: pushes to the phone"
        return "DESFire: changes the card" if ins in _DESFIRE_WRITES and not fetches_more else None
    if cla == 0x80 and ins == 0xCA:
        return _forbidden_to_ask(command[2:4])
    if ins in _EMV and cla & 0x80:
        return f"payment: {_EMV[ins]}"
    return "ISO 7816: writes, or spends a try" if ins in _ISO_WRITES else None


def _forbidden_to_ask(parameters: bytes) -> str | None:
    """GET DATA of class 80: a phone is asked for a pass by it, a payment card for its counters and limits (EMV Book 3
    §6.5.7), which are nobody's business. Parameters 01 00 make a phone offer its owner a link."""
    return None if parameters == b"\x01\x01" else "asks a payment card, or offers the phone's owner something"


def _forbidden_to_reader(command: bytes) -> str | None:
    """PC/SC part 3 and the readers' manuals: in class FF few instructions are harmless."""
    ins, p1, data = command[1], command[2], command[5:]
    if ins == 0x20:
        return "presents a code: three wrong ones kill the card"
    if ins == 0x82:
        return None if p1 & 0x20 == 0 else "stores a key for good"
    if ins == 0x00:
        return _forbidden_through_reader(data)
    return None if ins in (0xCA, 0xB0, 0xB2, 0x86, 0xA4) else "changes the card or the reader"


def _forbidden_through_reader(data: bytes) -> str | None:
    """A PN532's orders D4 40 (with target number) and D4 42 carry the tag's own command."""
    if data[:2] == b"\xd4\x40":
        data = data[:2] + data[3:]
    elif data[:2] != b"\xd4\x42":
        return "an order to the reader's chip"
    return (
        None if data[2:] in (b"\x60", b"\x3c\x00") or data[2:3] in (b"\x30", b"\x3a") else "not a tag's reading command"
    )


# --- as a plug-in


def pytest_configure() -> None:
    """The cards of the simulated reader are not ours, so they are overheard."""
    answer = SimulatedCard.__call__

    def overheard(card: SimulatedCard, command: bytes) -> bytes:
        WATCHER.saw(command)
        return answer(card, command)

    SimulatedCard.__call__ = overheard  # type: ignore[method-assign, assignment]  # for the length of the session


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    worker: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker[_COUNT] = WATCHER.seen


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist is done."""
    WATCHER.seen += getattr(node, "workeroutput", {}).get(_COUNT, 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if WATCHER.seen:
        terminalreporter.write_line(f"{WATCHER.seen:,} commands to chip cards were watched")


@pytest.fixture
def watched() -> Iterator[Watcher]:
    """The watcher, which must have seen something by the end of the test."""
    before = WATCHER.seen
    yield WATCHER
    assert WATCHER.seen > before, "no fake card reported what it was asked"
