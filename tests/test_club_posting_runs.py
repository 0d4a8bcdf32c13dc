"""Posting many entries in one transaction comes to the same as posting them one by one, and an entry that the database
itself refuses holds up nobody."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from posd.clock import Instant
from posd.club.journal import take_in
from posd.club.owner import OpenClub, init_club, open_club
from posd.club.posting import post_pending
from posd.club.reading import LARGEST
from posd.club.tables import (
    balance,
    booked,
    card_key,
    day_total,
    day_unit,
    journal,
    member,
    movement,
    sale,
    spend,
    till,
)
from posd.ledger.entries import GENESIS, Draft, Entry, Head, Kind, Leg, chained
from posd.sync.sealing import seal
from posd.sync.wire import PushRequest
from tests.fakes.journal import moves
from tests.fakes.postgres import ENGINES, database_url

pytestmark = pytest.mark.slow
TILL, NOW_MS = "till-1", 1_795_000_000_000
COMPARED = (balance, booked, card_key, day_total, day_unit, journal, member, movement, sale, spend)
NOT_COMPARED = {"club_id", "change"}
"""Clubs have ids of their own; a member who is touched twice in one transaction is told of once."""


class Journal:
    """Entries of one till, some of which no club can post at once."""

    def __init__(self, seal_key: str, seed: int) -> None:
        self.entries: list[Entry] = []
        self.head = Head(1, 0, GENESIS)
        self._dice = random.Random(seed)
        self._seal_key = seal_key
        self._sales: list[tuple[bytes, str | None]] = []

    def write(self, kind: Kind, member_id: str | None, legs: Sequence[Leg], body: Any, **more: Any) -> bytes:
        entry_id = more.pop("entry_id", None) or self._dice.randbytes(16)
        at = Instant(NOW_MS - 1000 * self._dice.randrange(200_000), "b", 1)
        entry = chained(Draft(entry_id, kind, at, member_id, tuple(legs), body, **more), self.head, TILL)
        self.head = Head(1, entry.seq, entry.hash)
        self.entries.append(entry)
        return entry_id

    def enrol(self, member_id: str) -> None:
        who = json.dumps({"phone": "+989120001234", "name": member_id, "consent": True})
        key = f"{self._dice.randrange(5):032x}"
        sealed = seal(self._seal_key, who, self._dice.randbytes(32))
        body = {"member_id": member_id, "keys": [key], "sealed": sealed, "consent": True}
        self.write(Kind.ENROL, member_id, moves(member_id, {"PTS": 20}), body)

    def sell(self, member_id: str | None, earned: int, spent: int, entry_id: bytes | None = None) -> None:
        body = {
            "currency": "IRR",
            "total_minor": 1000,
            "payable_minor": 1000 - spent,
            "earnings": [{"unit": "PTS", "earned": earned}],
            "redemptions": [{"unit": "PTS", "spent": spent}],
        }
        legs = [*moves(member_id, {"PTS": earned}), *moves(member_id, {"PTS": -spent})] if member_id else []
        self._sales.append((self.write(Kind.SALE, member_id, legs, body, entry_id=entry_id), member_id))

    def undo(self) -> None:
        sale_id, member_id = self._dice.choice(self._sales)
        if self._dice.random() < 0.5:
            self.write(Kind.VOID, member_id, (), {"total_minor": 1000}, ref=sale_id)
            return
        body = {"currency": "IRR", "gross_minor": 10, "pay_back_minor": 10, "taken_back": {"PTS": 1}, "given_back": {}}
        legs = moves(member_id, {"PTS": -1}) if member_id else []
        self.write(Kind.REFUND, member_id, legs, body, ref=sale_id)

    def write_many(self, count: int) -> None:
        members = [f"{n:032x}" for n in range(8)]
        self.sell(members[0], 5, 0)
        self.sell("f" * 32, 5, 0)
        for _ in range(count):
            who = self._dice.choice([*members, None])
            what = self._dice.random()
            if what < 0.12 and who is not None:
                self.enrol(who)
            elif what < 0.7:
                self.sell(who, self._dice.randrange(1, 9), self._dice.choice([0, 0, 3, 40]))
            elif what < 0.75:
                self.sell(who, 1, 0, self._dice.choice(self._sales)[0])
            else:
                self.undo()

    def requests(self, size: int) -> Iterator[PushRequest]:
        for first in range(0, len(self.entries), size):
            before = self.entries[first - 1] if first else None
            after = Head(1, before.seq, before.hash) if before else Head(1, 0, GENESIS)
            yield PushRequest.of(after, tuple(self.entries[first : first + size]))


@pytest.fixture(params=ENGINES)
def clubs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[OpenClub]]:
    with ExitStack() as parts:
        found = []
        for name in ("together", "one_by_one"):
            url = database_url(request.param)
            init_club(tmp_path / name, "Narenj Club", database_url=url)
            opened = parts.enter_context(open_club(tmp_path / name, url))
            row = {"club_id": opened.club.club_id, "till_id": TILL, "epoch": 1, "created_ms": NOW_MS - 10**9}
            opened.database.write(partial(Connection.execute, statement=insert(till).values(row)))
            found.append(opened)
        yield found


def take_and_post(opened: OpenClub, journal: Journal, size: int, keys: Any) -> None:
    for request in journal.requests(size):
        taken = partial(take_in, club_id=opened.club.club_id, till_id=TILL, request=request, now_ms=NOW_MS)
        opened.database.write(taken)
        post_pending(opened.database, opened.club, keys, TILL)


def books(opened: OpenClub) -> dict[str, list[str]]:
    def rows(table: Any) -> list[str]:
        columns = [column for column in table.columns if column.name not in NOT_COMPARED]
        found = opened.database.read(lambda connection: connection.execute(select(*columns)).mappings().all())
        return sorted(repr(dict(row)) for row in found)

    return {table.name: rows(table) for table in COMPARED}


@pytest.mark.parametrize("seed", [1, 2])
def test_together_or_one_by_one_comes_to_the_same(clubs: list[OpenClub], seed: int) -> None:
    together, one_by_one = clubs
    one_by_one.database.batch = 1
    written = Journal(together.keys.seal_public, seed)
    written.write_many(150)
    for opened in clubs:
        take_and_post(opened, written, 60, together.keys)
    expected = books(one_by_one)
    assert books(together) == expected
    reasons = {row["reason"] for row in parked(one_by_one)}
    assert reasons >= {"", "unknown_member", "overdrawn", "key_taken", "duplicate_entry"}, "the mix has some of each"
    assert len(expected["balance"]) > 3


def parked(opened: OpenClub) -> list[Any]:
    query = select(journal.c.seq, journal.c.state, journal.c.reason).order_by(journal.c.seq)
    return list(opened.database.read(lambda connection: connection.execute(query).mappings().all()))


def test_an_entry_that_the_database_refuses_is_parked_and_holds_up_nobody(clubs: list[OpenClub]) -> None:
    """Each amount fits; their sum does not fit a 64-bit column."""
    opened, _ = clubs
    written = Journal(opened.keys.seal_public, 1)
    written.enrol("ab" * 16)
    for _ in range(9):
        written.sell("ab" * 16, LARGEST, 0)
    written.sell("ab" * 16, 7, 0)
    take_and_post(opened, written, 500, opened.keys)
    states = [(row["state"], row["reason"]) for row in parked(opened)]
    assert states.count(("parked", "unreadable")) == 2, "the eighth and the ninth are too many"
    assert states[-1] == ("posted", "")
    assert f"'amount': {7 * LARGEST + 27}" in "".join(books(opened)["balance"])
