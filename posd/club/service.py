"""The club at work: what the routes ask for, each as one call. Database work runs in threads, the event loop only
waits. Whoever changes something here rings the bell."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool

from posd.clock import Clock
from posd.club.bell import Bell, rung
from posd.club.changes import numbered_changes
from posd.club.database import Database
from posd.club.deltas import read_page, rename_lost_feed, spread_s
from posd.club.effects import Desk, refresh_members
from posd.club.epochs import EpochState, epochs_of, grant_epoch
from posd.club.journal import Conflict, take_in
from posd.club.keys import ClubKeys
from posd.club.leases import grant
from posd.club.posting import post_pending, tills_behind
from posd.club.programs import active_programs
from posd.club.proof import Freshness
from posd.club.shelf import Shelf
from posd.club.shop import Club
from posd.club.standing import members_to_reckon
from posd.club.tables import club as clubs
from posd.club.tables import journal
from posd.club.throttle import Throttle
from posd.club.tills import Known, Newcomer, Shown, Shut, admit, adopt_key, announce_key, note_status, recognised
from posd.ledger.entries import Head
from posd.ledger.members import DeltaPage
from posd.machine import Uuid7Source
from posd.sync.wire import (
    Disposition,
    EpochGrant,
    EpochRequest,
    KeyChange,
    LeaseAsk,
    LeaseReply,
    PushReply,
    PushRequest,
    TillGrant,
    TillRequest,
    TillStatus,
)

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
        self.signing_key = keys.signing_key()
        self.freshness = Freshness(clock)
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

    async def admit(self, request: TillRequest, key: str) -> TillGrant | None:
        newcomer, now = Newcomer(request, self._new_id().hex(), key), self.clock.now()
        return await self.write(lambda c: admit(c, self.club, self._keys, newcomer, now))

    async def recognised(self, till_id: str, shown: Shown) -> Shut | Known:
        found = await self.read(lambda c: recognised(c, self.club.club_id, till_id, shown))
        if found is Known.BY_NEW_KEY:
            await self.write(lambda c: adopt_key(c, self.club.club_id, till_id, shown))
        if isinstance(found, Known):
            self.heard[till_id] = self.clock.now().wall_ms
        return found

    async def announce_key(self, till_id: str, old: str, change: KeyChange) -> bool:
        return await self.write(lambda c: announce_key(c, self.club.club_id, till_id, old, change))

    async def push(self, till_id: str, request: PushRequest) -> Pushed | Shut:
        """Store, then post; both are on disk when this returns. An error after storing loses nothing: the till sends
        the same again and hears that it is known."""
        pushed = await run_in_threadpool(self._push, till_id, request)
        self.bell.ring()
        return pushed

    def _push(self, till_id: str, request: PushRequest) -> Pushed | Shut:
        now_ms = self.clock.now().wall_ms
        verdict = self.database.write(lambda c: take_in(c, self.club.club_id, till_id, request, now_ms))
        if isinstance(verdict, Shut):
            return verdict
        head = verdict.head
        if isinstance(verdict, Conflict):
            return Pushed(PushReply(head.seq, head.hash.hex(), (), now_ms), conflict=True)
        post_pending(self.database, self.club, self._keys, till_id)
        self.reckon_tiers()
        reply = self.database.read(lambda c: _reply(c, self.club.club_id, till_id, request, head))
        return Pushed(replace(reply, server_time_ms=now_ms), conflict=False)

    async def status(self, till_id: str, status: TillStatus) -> None:
        now_ms = self.clock.now().wall_ms
        await self.write(lambda c: note_status(c, self.club.club_id, till_id, status, now_ms))

    async def lease(self, till_id: str, ask: LeaseAsk) -> LeaseReply:
        now_ms = self.clock.now().wall_ms
        return await self.write(lambda c: grant(c, self.club.club_id, till_id, ask, now_ms))

    async def grant_epoch(self, till_id: str, request: EpochRequest) -> EpochGrant | None:
        """The epoch under which this copy of the till's ledger goes on; None: it is blocked."""
        now_ms = self.clock.now().wall_ms
        return await self.write(lambda c: grant_epoch(c, self.club.club_id, till_id, request, now_ms))

    async def deltas(self, till_id: str, epoch: int, cursor: str | None, wait_s: int) -> DeltaPage | Shut | None:
        """The next page; when there is nothing new, waits up to ``wait_s`` for news. None: unknown cursor."""
        deadline = asyncio.get_running_loop().time() + min(max(wait_s, 0), LONGEST_WAIT_S)
        told: bool | None = None
        feed = secrets.token_hex(4)
        with self.bell.listening() as event:
            while True:
                page = await self.read(lambda c: self._page(c, till_id, epoch, cursor))
                if page is None:
                    await self.write(lambda c: rename_lost_feed(c, self.club, till_id, cursor, epoch, feed))
                if page is None or isinstance(page, Shut) or page.has_news:
                    return page
                left_s = deadline - asyncio.get_running_loop().time()
                if left_s <= 0 or self.ending or told not in {None, page.frozen}:
                    return page
                told = page.frozen
                await rung(event, min(left_s, LOOK_AGAIN_S))

    def _page(self, connection: Connection, till_id: str, number: int, cursor: str | None) -> DeltaPage | Shut | None:
        epoch = epochs_of(connection, self.club.club_id, till_id).get(number)
        if epoch is not None and epoch.state is EpochState.BLOCKED:
            return Shut("copy_blocked")
        if epoch is None or epoch.state is EpochState.CLOSED:
            return Shut("epoch_over")
        return read_page(connection, self.club, till_id, cursor, number)

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
            members = members_to_reckon(connection, self.club, programs, since, today) if since else ()
            shelf, touched = Shelf(connection, self.club.club_id), dict.fromkeys(members, today)
            refresh_members(Desk(shelf, self.club, self._keys, programs, next_change, touched))
        connection.execute(clubs.update().where(clubs.c.club_id == self.club.club_id).values(tiers_day=today))


def acknowledged(request: PushRequest, head: Head) -> tuple[int, str]:
    """The position to echo: the request's last entry, even when the journal goes on behind it. A till believes only a
    position that it just sent, because no captive portal can guess one."""
    last = request.entries[-1] if request.entries else None
    return (last.seq, last.hash) if last else (head.seq, head.hash.hex())


def _reply(connection: Connection, club_id: str, till_id: str, request: PushRequest, head: Head) -> PushReply:
    dispositions = _dispositions(connection, club_id, till_id, request)
    return PushReply(*acknowledged(request, head), dispositions, spread_s=spread_s(connection, club_id))


def _dispositions(connection: Connection, club_id: str, till_id: str, request: PushRequest) -> tuple[Disposition, ...]:
    query = select(journal.c.seq, journal.c.state, journal.c.reason).where(
        journal.c.club_id == club_id,
        journal.c.till_id == till_id,
        journal.c.epoch == request.epoch,
        journal.c.seq.between(request.after_seq + 1, request.after_seq + len(request.entries)),
    )
    rows = connection.execute(query.order_by(journal.c.seq))
    return tuple(Disposition(int(row.seq), str(row.state), str(row.reason)) for row in rows)
