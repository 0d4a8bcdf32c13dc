"""Drafts as a till makes them, and a ledger in a folder, for tests of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from posd.clock import Clock
from posd.ledger.accounts import ISSUED, REDEEMED, TENDER, TURNOVER, member_account
from posd.ledger.entries import Draft, Kind, Leg
from posd.ledger.members import MemberRow
from posd.ledger.store import Store
from posd.machine import Uuid7Source
from tests.fakes.clock import FakeClock

new_id = Uuid7Source()


def sale(member_id: str | None = "m1", *, earned: int = 10, spent: int = 0, entry_id: bytes | None = None) -> Draft:
    """A sale of 100,000 rial that earns and spends points."""
    legs = [Leg(TURNOVER, "IRR", -100_000), Leg(TENDER, "IRR", 100_000)]
    if member_id is not None:
        account = member_account(member_id)
        legs += [Leg(account, "PTS", earned), Leg(ISSUED, "PTS", -earned)] if earned else []
        legs += [Leg(account, "PTS", -spent), Leg(REDEEMED, "PTS", spent)] if spent else []
    body = {"currency": "IRR", "lines": [{"n": 1, "amount_minor": 100_000, "name": "برنج"}]}
    return Draft(entry_id or new_id(), Kind.SALE, FakeClock().now(), member_id, tuple(legs), body)


def back(sale_draft: Draft, kind: Kind = Kind.VOID) -> Draft:
    """What undoes a sale."""
    legs = tuple(Leg(leg.account, leg.unit, -leg.amount) for leg in sale_draft.legs)
    return Draft(new_id(), kind, FakeClock().now(), sale_draft.member, legs, {}, ref=sale_draft.entry_id)


def enrolment(member_id: str) -> Draft:
    return Draft(new_id(), Kind.ENROL, FakeClock().now(), member_id, (), {"member": member_id})


def member(member_id: str = "m1", *, points: int = 0, version: int = 1, keys: tuple[str, ...] = ()) -> MemberRow:
    return MemberRow(member_id, "Sara", "•• 34", None, {"PTS": points}, keys, version)


@contextmanager
def held_writer(store: Store) -> Iterator[None]:
    """The writer waits; what is handed in meanwhile shares the next commit."""
    held, go = Event(), Event()

    def hold(_books: object) -> bool:
        held.set()
        return go.wait(30)

    holder = Thread(target=lambda: store._writing.submit(hold))
    holder.start()
    assert held.wait(30)
    try:
        yield
    finally:
        go.set()
        holder.join(30)
        assert not holder.is_alive()


@contextmanager
def open_store(folder: Path, *, till_id: str | None = "till-1", clock: Clock | None = None) -> Iterator[Store]:
    """``folder/ledger.db``, closed at the end; no reserve, since many are opened."""
    store = Store.open(folder / "ledger.db", till_id=till_id, clock=clock or FakeClock(), ballast_bytes=0)
    try:
        yield store
    finally:
        store.close()
