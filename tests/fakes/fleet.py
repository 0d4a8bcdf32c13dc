"""A shop of eight tills in one process: real ledgers, the real club, and a network, clocks and disks that misbehave
by a seed. One member, whose points everybody would like to spend.

What a till hands out is counted outside of all books, so that a spending which the books forget is still seen.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import insert, select, update

from posd.club.database import open_database
from posd.club.deltas import read_page
from posd.club.epochs import choose, grant_epoch
from posd.club.keys import load_keys
from posd.club.leases import grant, open_leases
from posd.club.owner import init_club
from posd.club.service import Service
from posd.club.shop import read_club
from posd.club.tables import balance, club, journal, lease, member, till
from posd.club.tills import Shut
from posd.ledger.members import DeltaPage
from posd.ledger.spending import Spending
from posd.ledger.store import Store
from posd.ledger.verify import verify_ledger
from posd.loyalty.model import Line, Quote, Redemption, Share
from posd.sync.client import Exchange
from posd.sync.fork import ForkSettler
from posd.sync.lease_asker import LeaseAsker
from posd.sync.local_port import LocalPort
from posd.sync.outcomes import Answer, Delivered, Failure
from posd.sync.pull import Pull
from posd.sync.push import Push
from posd.sync.wire import (
    EpochGrant,
    EpochRequest,
    LeaseAsk,
    LeaseReply,
    PushReply,
    PushRequest,
    TillStatus,
)
from posd.till.booking import SaleContext, sale_draft
from posd.till.lease_desk import LeaseDesk
from posd.till.lookup import Lookup
from posd.till.quoting import member_view
from posd.till.states import Customer, Facts, Link, LinkState
from tests.fakes.clock import FakeClock
from tests.fakes.sales import new_id

T = TypeVar("T")

TILLS, BALANCE = 8, 1000
MEMBER = "a1" * 16
HOUR_MS = 3600 * 1000
UNREACHABLE: Exchange[Any] = Exchange(Answer(failure=Failure.UNREACHABLE))


def found(directory: Path) -> None:
    """A club with eight tills and a member who has 1,000 points, and the ledger of a till that has heard of her; made
    once and copied for each fleet."""
    init_club(directory / "club", "Narenj Club")
    database = open_database(directory / "club", serves=True)
    told = database.read(read_club)
    assert told is not None
    whose = {"club_id": told.club_id}

    def fill(connection: Any) -> DeltaPage | None:
        for n in range(TILLS):
            connection.execute(insert(till).values(**whose, till_id=f"till-{n}", epoch=1))
        connection.execute(insert(member).values(**whose, member_id=MEMBER, change=1))
        connection.execute(insert(balance).values(**whose, member_id=MEMBER, unit="PTS", amount=BALANCE))
        connection.execute(update(club).values(changes=1, tiers_day=20_990_101))
        return read_page(connection, told, "till-0", None)

    page = database.write(fill)
    database.close()
    assert page is not None
    store = Store.open(directory / "ledger.db", till_id="till", clock=FakeClock(), epoch=1, ballast_bytes=0)
    store.apply_deltas(page).result()
    store.close()


class VirtualClub:
    """The real club without its HTTP."""

    def __init__(self, directory: Path, clock: FakeClock) -> None:
        self.database = open_database(directory, serves=True)
        told, keys = self.database.read(read_club), load_keys(directory)
        assert told is not None and keys is not None
        self.club = told
        self.clock = clock
        self.service = Service(directory, self.database, told, keys, clock)

    def push(self, till_id: str, request: PushRequest) -> Exchange[PushReply]:
        pushed = self.service._push(till_id, request)
        if isinstance(pushed, Shut):
            return _shut(pushed)
        return Exchange(Answer(409 if pushed.conflict else 200, echoed=True), pushed.reply)

    def lease(self, till_id: str, ask: LeaseAsk) -> Exchange[LeaseReply]:
        now_ms = self.clock.now().wall_ms
        reply = self.database.write(lambda c: grant(c, self.club.club_id, till_id, ask, now_ms))
        return Exchange(Answer(200, echoed=True), reply)

    def deltas(self, till_id: str, cursor: str | None, epoch: int) -> Exchange[DeltaPage]:
        page = self.database.read(lambda c: self.service._page(c, till_id, epoch, cursor))
        if isinstance(page, Shut):
            return _shut(page)
        return Exchange(Answer(410 if page is None else 200, echoed=True), page)

    def epoch(self, till_id: str, request: EpochRequest) -> Exchange[EpochGrant]:
        now_ms = self.clock.now().wall_ms
        granted = self.database.write(lambda c: grant_epoch(c, self.club.club_id, till_id, request, now_ms))
        return Exchange(Answer(200, echoed=True), granted)

    def decide(self, till_id: str, epoch: int) -> None:
        """The owner says which copy is the till."""
        self.database.write(lambda c: choose(c, self.club.club_id, till_id, epoch))

    def points(self) -> int:
        query = select(balance.c.amount)
        return int(self.database.read(lambda c: c.execute(query).scalar_one()))

    def set_apart(self) -> int:
        return sum(row["rest"] for row in self.database.read(lambda c: open_leases(c, self.club.club_id)))

    def parked(self) -> int:
        query = select(journal.c.seq).where(journal.c.state == "parked")
        return len(self.database.read(lambda c: list(c.execute(query))))


def _shut(shut: Shut) -> Exchange[Any]:
    return Exchange(Answer(409 if shut.code == "epoch_over" else 403, echoed=True, code=shut.code))


class ReclaimingClub(VirtualClub):
    """The tempting mistake: what was not heard of for an hour is taken back."""

    def lease(self, till_id: str, ask: LeaseAsk) -> Exchange[LeaseReply]:
        old = lease.c.made_ms < self.clock.now().wall_ms - HOUR_MS
        back = update(lease).where(old).values(returned=lease.c.granted - lease.c.spent)
        self.database.write(lambda c: c.execute(back))
        return super().lease(till_id, ask)


class VirtualClient:
    """`posd.sync.client.ClubClient` on a network that loses questions and answers and repeats old questions."""

    def __init__(self, club: VirtualClub, till_id: str, dice: random.Random) -> None:
        self._club = club
        self._till_id = till_id
        self._dice = dice
        self._old: list[LeaseAsk] = []
        self.connected = True

    def push(self, request: PushRequest) -> Exchange[PushReply]:
        return self._carried(lambda: self._club.push(self._till_id, request))

    def lease(self, ask: LeaseAsk) -> Exchange[LeaseReply]:
        self._old.append(ask)
        if self._dice.random() < 0.1:
            self._carried(lambda: self._club.lease(self._till_id, self._dice.choice(self._old)))
        return self._carried(lambda: self._club.lease(self._till_id, ask))

    def deltas(self, cursor: str | None, _wait_s: int, epoch: int) -> Exchange[DeltaPage]:
        return self._carried(lambda: self._club.deltas(self._till_id, cursor, epoch))

    def ask_epoch(self, request: EpochRequest) -> Exchange[EpochGrant]:
        return self._carried(lambda: self._club.epoch(self._till_id, request))

    def status(self, _status: TillStatus) -> Exchange[None]:
        return UNREACHABLE

    def close(self) -> None:
        """Nothing to close."""

    def _carried(self, ask: Callable[[], Exchange[T]]) -> Exchange[T]:
        luck = self._dice.random()
        if not self.connected or luck < 0.1:
            return UNREACHABLE
        answer = ask()
        return UNREACHABLE if luck < 0.25 else answer


class VirtualTill:
    """One till: its disk is a folder, its process is between `start` and `stop`."""

    def __init__(self, folder: Path, name: str, club: VirtualClub, dice: random.Random) -> None:
        self.folder = folder
        self.path = folder / "ledger.db"
        self.name = name
        self.dice = dice
        self.clock = FakeClock(wall_ms=1_763_000_000_000 + dice.randrange(-(10**10), 10**10))
        self.client = VirtualClient(club, name, dice)
        self.handed_out = 0
        self.start()

    def start(self) -> None:
        self.store = Store.open(self.path, till_id=self.name, clock=self.clock, ballast_bytes=0)
        self.port = LocalPort(self.store, clock=self.clock)
        client: Any = self.client
        fork = ForkSettler(self.port)
        self.push = Push(self.port, client, fork, self.clock)
        self.pull = Pull(self.port, client, fork, self.clock)
        self.asker = LeaseAsker(self.port, client)
        lookup = Lookup(self.store.reader, b"k" * 32, "IR", str)
        self.desk = LeaseDesk(lookup, lambda draft: self.store.append(draft).result(), self.facts, self.clock, new_id)
        self.desk.wish = self.port.wish_lease
        self.desk.keep_permille = self.dice.choice((0, 500, 1000))

    def stop(self) -> None:
        self.store.close()

    def facts(self) -> Facts:
        state = LinkState.ONLINE if self.client.connected else LinkState.OFFLINE
        return Facts("IRR", "Narenj", link=Link(state, frozen=self.frozen))

    @property
    def frozen(self) -> bool:
        return self.port.spending() is not Spending.FREE

    def customer(self) -> Customer | None:
        standing = self.store.reader().standing(MEMBER)
        return None if standing is None else Customer(standing)

    def synchronise(self) -> None:
        """What the lanes do in a moment."""
        self._push_all()
        self.pull.attempt()
        self.asker.ask()
        self.desk.look_now()
        self.desk.tidy(None)
        self._push_all()

    def _push_all(self) -> None:
        outcome = self.push.attempt()
        while isinstance(outcome, Delivered):
            self.push.settle(outcome, 0)
            outcome = self.push.attempt()

    def held(self) -> int:
        """What it could spend now."""
        customer = self.customer()
        return 0 if customer is None else member_view(customer, self.facts()).usable.get("PTS", 0)

    def serve(self, wanted: int) -> None:
        """The member comes, spends what may be spent of ``wanted``, and goes."""
        customer = self.customer()
        if customer is None:
            return
        self.desk.tidy(customer)
        if self.client.connected:
            self.asker.ask()
        customer = self.customer()
        assert customer is not None
        self.sell(customer, min(wanted, member_view(customer, self.facts()).usable.get("PTS", 0)))
        self.desk.tidy(None)

    def sell(self, customer: Customer, points: int) -> None:
        share = (Share(1, points),)
        spent = (Redemption("points", 1, "use", "PTS", points, points, share, share),) if points else ()
        quote = Quote("IRR", 10_000, 10_000 - points, spent, (), ())
        lines = (Line(1, 10_000),)
        at = self.clock.now()
        held = customer.standing.leases
        draft = sale_draft(new_id(), at, member=MEMBER, lines=lines, quote=quote, context=SaleContext(), leases=held)
        self.store.append(draft).result()
        self.handed_out += points

    def restart(self) -> None:
        self.stop()
        self.start()

    def back_up(self) -> None:
        """The technician copies the state directory."""
        self.stop()
        shutil.rmtree(self.folder / "backup", ignore_errors=True)
        kept = [path for path in self.folder.iterdir() if path.is_file()]
        (self.folder / "backup").mkdir()
        for path in kept:
            shutil.copy(path, self.folder / "backup" / path.name)
        self.start()

    def restore(self) -> None:
        """The last copy is put back: the ledger alone, or all of it under new inodes."""
        backup = self.folder / "backup"
        if not backup.is_dir():
            return
        self.stop()
        everything = self.dice.random() < 0.5
        for path in [path for path in self.folder.iterdir() if path.is_file()]:
            if everything or path.name.startswith("ledger.db-"):
                path.rename(path.with_name("old-" + path.name))
        for path in backup.iterdir():
            if everything or path == backup / "ledger.db":
                shutil.copy(path, self.folder / path.name)
        for old in self.folder.glob("old-*"):
            old.unlink()
        self.start()

    def lose_a_day(self, wanted: int) -> None:
        """Without a network: a copy, a day's sales, and the copy is put back."""
        self.client.connected = False
        self.back_up()
        self.serve(wanted)
        self.restore()


class Fleet:
    """``step`` as often as wanted, then ``heal``; both raise what a till or the club would."""

    def __init__(self, folder: Path, template: Path, seed: int, club: type[VirtualClub], *, restores: bool) -> None:
        self.dice = random.Random(seed)
        self.restores = restores
        self.exposed = 0
        """The most that was handed out and could be handed out besides, at any moment."""
        shutil.copytree(template / "club", folder / "club")
        self.clock = FakeClock()
        self.club = club(folder / "club", self.clock)
        for n in range(TILLS):
            (folder / f"till-{n}").mkdir()
            shutil.copy(template / "ledger.db", folder / f"till-{n}" / "ledger.db")
        self.tills = [VirtualTill(folder / f"till-{n}", f"till-{n}", self.club, self.dice) for n in range(TILLS)]

    def step(self) -> None:
        one, luck = self.dice.choice(self.tills), self.dice.random()
        self.clock.advance_ms(self.dice.randrange(HOUR_MS // 4))
        one.clock.advance_ms(self.dice.randrange(HOUR_MS // 4))
        if luck < 0.10:
            one.client.connected = not one.client.connected
        elif luck < 0.35:
            one.synchronise()
        elif luck < 0.38:
            one.restart()
        elif luck < 0.40:
            one.clock.step_wall_ms(self.dice.randrange(-(10**9), 10**9))
        elif luck < 0.41:
            one.clock.advance_ms(80 * HOUR_MS)
        elif self.restores and luck < 0.45:
            one.back_up()
        elif self.restores and luck < 0.49:
            one.restore()
        elif self.restores and luck < 0.54:
            one.lose_a_day(self._wanted())
        elif self.restores and luck < 0.57:
            self.club.decide(one.name, one.store.reader().head().epoch)
        else:
            one.serve(self._wanted())
        self.exposed = max(self.exposed, sum(till.handed_out + till.held() for till in self.tills))

    def _wanted(self) -> int:
        return self.dice.choice((10, 40, 100, 400))

    def heal(self) -> None:
        """Faults stop; everything that waits arrives, and after three days everything comes back."""
        for one in self.tills:
            one.client.connected = True
            one.client._dice = _Lucky()
        for _ in range(4):
            for one in self.tills:
                one.synchronise()
                self.club.decide(one.name, one.store.reader().head().epoch)
                one.clock.advance_ms(80 * HOUR_MS)
        for one in self.tills:
            one.synchronise()

    def close(self) -> None:
        for one in self.tills:
            one.stop()
        self.club.database.close()

    @property
    def handed_out(self) -> int:
        return sum(one.handed_out for one in self.tills)

    def broken(self) -> list[str]:
        """Promises that do not hold in the books."""
        reports = [verify_ledger(one.path) for one in self.tills]
        return [str(report.broken) for report in reports if report.broken is not None]


class _Lucky(random.Random):
    def random(self) -> float:
        return 0.9


@contextmanager
def fleet(
    folder: Path, template: Path, seed: int, club: type[VirtualClub] = VirtualClub, *, restores: bool = False
) -> Iterator[Fleet]:
    """A fleet in ``folder/<seed>``, which is gone afterwards."""
    place = folder / str(seed)
    place.mkdir()
    shop = Fleet(place, template, seed, club, restores=restores)
    try:
        yield shop
    finally:
        shop.close()
        shutil.rmtree(place)
