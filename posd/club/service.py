"""The club at work: what the routes ask for, each as one call. Database work runs in threads, the event loop only
waits. Whoever changes something here rings the bell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool

from posd.clock import Clock
from posd.club.bell import Bell, rung
from posd.club.changes import numbered_changes
from posd.club.database import Database
from posd.club.deltas import read_page
from posd.club.effects import Desk, refresh_member
from posd.club.journal import Conflict, take_in
from posd.club.keys import ClubKeys
from posd.club.posting import post_pending, tills_behind
from posd.club.programs import active_programs
from posd.club.shop import Club
from posd.club.standing import members_to_reckon
from posd.club.tables import club as clubs
from posd.club.tables import journal
from posd.club.throttle import Throttle
from posd.club.tills import Shut, admit, admitted, note_status
from posd.ledger.entries import Head
from posd.ledger.members import DeltaPage
from posd.machine import Uuid7Source
from posd.sync.wire import Disposition, PushReply, PushRequest, TillGrant, TillRequest, TillStatus

T = TypeVar("T")

LONGEST_WAIT_S = 25
LOOK_AGAIN_S = 2.0
"""News made by another process (a command, a second server) does not ring our bell; waiting polls look this often."""
WRONG_CODES, WRONG_CODES_WINDOW_S = 10, 600


@dataclass(frozen=True, slots=True)
class Pushed:
    """The reply to a push, and whether it is an acknowledgement or a conflict."""

    reply: PushReply
    conflict: bool


class Service:
    """One club on one database."""

    def __init__(self, state_dir: Path, database: Database, club: Club, keys: ClubKeys, clock: Clock) -> None:
        self.state_dir = state_dir
        self.database = database
        self.club = club
        self.clock = clock
        self.bell = Bell()
        self.ending = False
        self.heard: dict[str, int] = {}
        """Till → when it was heard of last (Unix ms), for the owner's page; kept in memory only."""
        self.guesses = Throttle(WRONG_CODES, WRONG_CODES_WINDOW_S, lambda: clock.now().mono_ns)
        self._keys = keys
        self._new_id = Uuid7Source()

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await run_in_threadpool(self.database.read, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` and tell everybody that something changed."""
        result = await run_in_threadpool(self.database.write, work)
        self.bell.ring()
        return result

    def catch_up(self) -> None:
        """At start: post what was stored before the last stop, and let tiers follow the calendar."""
        for till_id in self.database.read(lambda c: tills_behind(c, self.club.club_id)):
            post_pending(self.database, self.club, self._keys, till_id)
        self.reckon_tiers()

    def end_waiting(self) -> None:
        """Answer everybody who waits, now: the server is about to stop."""
        self.ending = True
        self.bell.ring()

    # ---- tills ----

    async def admit(self, request: TillRequest) -> TillGrant | None:
        till_id, now = self._new_id().hex(), self.clock.now()
        return await self.write(lambda c: admit(c, self.club, self._keys, request, till_id, now))

    async def admitted(self, till_id: str, token: str) -> Shut | None:
        shut = await self.read(lambda c: admitted(c, self.club.club_id, till_id, token))
        if shut is None:
            self.heard[till_id] = self.clock.now().wall_ms
        return shut

    async def push(self, till_id: str, request: PushRequest) -> Pushed:
        """Store, then post; both are on disk when this returns. An error after storing loses nothing: the till sends
        the same again and hears that it is known."""
        pushed = await run_in_threadpool(self._push, till_id, request)
        self.bell.ring()
        return pushed

    def _push(self, till_id: str, request: PushRequest) -> Pushed:
        now_ms = self.clock.now().wall_ms
        verdict = self.database.write(lambda c: take_in(c, self.club.club_id, till_id, request, now_ms))
        head = verdict.head
        if isinstance(verdict, Conflict):
            return Pushed(PushReply(head.seq, head.hash.hex(), (), now_ms), conflict=True)
        post_pending(self.database, self.club, self._keys, till_id)
        self.reckon_tiers()
        dispositions = self.database.read(lambda c: _dispositions(c, self.club.club_id, till_id, request))
        seq, digest = acknowledged(request, head)
        return Pushed(PushReply(seq, digest, dispositions, now_ms), conflict=False)

    async def status(self, till_id: str, status: TillStatus) -> None:
        now_ms = self.clock.now().wall_ms
        await self.write(lambda c: note_status(c, self.club.club_id, till_id, status, now_ms))

    async def deltas(self, till_id: str, cursor: str | None, wait_s: int) -> DeltaPage | None:
        """The next page; when there is nothing new, waits up to ``wait_s`` for news. None: unknown cursor."""
        deadline = asyncio.get_running_loop().time() + min(max(wait_s, 0), LONGEST_WAIT_S)
        with self.bell.listening() as event:
            while True:
                page = await self.read(lambda c: read_page(c, self.club, till_id, cursor))
                left_s = deadline - asyncio.get_running_loop().time()
                if page is None or page.members or page.programs is not None or left_s <= 0 or self.ending:
                    return page
                await rung(event, min(left_s, LOOK_AGAIN_S))

    # ---- the calendar ----

    def reckon_tiers(self) -> None:
        """Once a day: purchases that left the window no longer count."""
        today = self.club.settings.day(self.clock.now().wall_ms)
        reckoned = self.database.read(lambda c: c.execute(select(clubs.c.tiers_day)).scalar_one())
        if reckoned < today:
            self.database.write(lambda c: self._reckon_tiers(c, int(reckoned), today))

    def _reckon_tiers(self, connection: Connection, since: int, today: int) -> None:
        with numbered_changes(connection, self.club.club_id) as next_change:
            programs = active_programs(connection, self.club.club_id)
            desk = Desk(connection, self.club, self._keys, programs, next_change)
            for member_id in members_to_reckon(connection, self.club, programs, since, today) if since else ():
                refresh_member(desk, member_id, today)
        connection.execute(clubs.update().where(clubs.c.club_id == self.club.club_id).values(tiers_day=today))


def acknowledged(request: PushRequest, head: Head) -> tuple[int, str]:
    """The position to echo: the request's last entry, even when the journal goes on behind it. A till believes only a
    position that it just sent, because no captive portal can guess one."""
    last = request.entries[-1] if request.entries else None
    return (last.seq, last.hash) if last else (head.seq, head.hash.hex())


def _dispositions(connection: Connection, club_id: str, till_id: str, request: PushRequest) -> tuple[Disposition, ...]:
    query = select(journal.c.seq, journal.c.state, journal.c.reason).where(
        journal.c.club_id == club_id,
        journal.c.till_id == till_id,
        journal.c.epoch == request.epoch,
        journal.c.seq.between(request.after_seq + 1, request.after_seq + len(request.entries)),
    )
    rows = connection.execute(query.order_by(journal.c.seq))
    return tuple(Disposition(int(row.seq), str(row.state), str(row.reason)) for row in rows)
