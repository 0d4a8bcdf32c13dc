"""Asking for leases beside the sale: a lost answer is made good by the next question, and nothing is asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from posd.errors import LedgerUnwritable
from posd.ledger.store import Store
from posd.sync.client import Exchange
from posd.sync.lease_asker import LeaseAsker
from posd.sync.local_port import LocalPort
from posd.sync.outcomes import Answer
from posd.sync.wire import LeaseAsk, LeaseReply
from tests.fakes.clock import FakeClock
from tests.fakes.sales import open_store
from tests.fakes.waiting import eventually


class Club:
    """Grants nothing, and remembers who was asked for; answers only when it is ``well``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.well = True
        self.closed = False

    def lease(self, ask: LeaseAsk) -> Exchange[LeaseReply]:
        self.asked.append(ask.member_id)
        return Exchange(Answer(200, echoed=True), LeaseReply()) if self.well else Exchange(Answer(503))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path) as store:
        yield store


@pytest.fixture
def port(store: Store) -> LocalPort:
    return LocalPort(store, clock=FakeClock())


def asker(port: LocalPort, club: Club) -> LeaseAsker:
    return LeaseAsker(port, club)  # type: ignore[arg-type]  # only these two of its methods are used


def test_the_first_contact_asks_for_what_an_earlier_process_may_have_lost(port: LocalPort) -> None:
    club = Club()
    one = asker(port, club)
    one.ask()
    one.ask()
    assert club.asked == [""]


def test_after_a_lost_answer_the_next_question_is_asked_even_for_nobody(port: LocalPort) -> None:
    club = Club()
    one = asker(port, club)
    one.ask()
    club.well = False
    port.wish_lease("m1")
    one.ask()
    one.ask()
    club.well = True
    one.ask()
    one.ask()
    assert club.asked == ["", "m1", "", ""], "not for m1 again: she may be gone"


def test_its_thread_survives_a_ledger_that_refuses_and_ends_when_told(
    port: LocalPort, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_reply: LeaseReply) -> None:
        raise LedgerUnwritable("the disk is full")

    club, well = Club(), port.take_leases
    one = asker(port, club)
    monkeypatch.setattr(port, "take_leases", refuse)
    one.thread.start()
    one.wake()
    eventually(lambda: "the disk is full" in caplog.text)
    monkeypatch.setattr(port, "take_leases", well)
    port.wish_lease("m1")
    one.wake()
    eventually(lambda: club.asked == ["", "m1"])
    one.stop()
    one.thread.join(5)
    assert not one.thread.is_alive()
    assert club.closed
