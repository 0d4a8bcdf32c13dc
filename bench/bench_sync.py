"""Synchronisation: a backlog drained over HTTP, what a club takes in and posts, and the outbox as a queue.

    python -m bench.bench_sync [DIRECTORY]

Baselines of the same run: the same entries sent one by one over the same kept connection; sales at an idle till;
persist-queue's SQLiteAckQueue at equal durability (in ``.venv/peer``, which ``make bench`` makes). The directory must
be on a disk. The club is a process of its own, as in a shop.
"""

from __future__ import annotations

import argparse
import atexit
import gzip
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert

from bench.rounds import Case, show, take_turns
from posd.club.body import unpacked
from posd.club.journal import take_in
from posd.club.keys import load_keys
from posd.club.owner import OpenClub, init_club, invite, open_club
from posd.club.posting import post_pending
from posd.club.tables import till as tills
from posd.ledger.accounts import ISSUED, member_account
from posd.ledger.entries import Draft, Entry, Head, Kind, Leg
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source
from posd.sync.client import ClubClient
from posd.sync.enrolment import enrol_till
from posd.sync.local_port import LocalPort
from posd.sync.policy import MAX_BATCH, MAX_BATCH_BYTES
from posd.sync.sealing import seal
from posd.sync.wire import PushRequest
from posd.sync.worker import SyncWorker
from tests.fakes.postgres import Postgres, find_binaries
from tests.fakes.running_club import ClubProcess

PEER_NAME = "persist-queue SQLiteAckQueue"
PEER = Path(__file__).resolve().parent.parent / ".venv/peer/bin/python"
QUEUED = 20_000
ONE_BY_ONE = 400
MEMBERS = 200
MESSAGES, ROUNDS = 400, 7
LEFT_MARGIN = 66
CLOCK = SystemClock()
NEW_ID = Uuid7Source()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("directory", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--queued", type=int, default=QUEUED)
    arguments, _ = options.parse_known_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        directory = Path(folder)
        with closing(Backlog(directory, arguments.queued)) as till:
            till.show_drain()
            entries = till.store.reader().entries(0, arguments.queued + MEMBERS)
        show_club(directory, till.till_id, entries)
        show_queue(directory)


def say(what: str, figures: str) -> None:
    print(f"{what:<{LEFT_MARGIN}}{figures}")


def enrolment(member: str, seal_key: str) -> Draft:
    who = json.dumps({"phone": "+989120001234", "name": "زهرا رضایی", "consent": True}, ensure_ascii=False)
    body = {"member_id": member, "keys": [member], "sealed": seal(seal_key, who, os.urandom(32)), "consent": True}
    return Draft(NEW_ID(), Kind.ENROL, CLOCK.now(), member, (), body)


def sale(number: int) -> Draft:
    """Two lines; earns points and credit."""
    member = member_of(number)
    account = member_account(member)
    legs = [
        Leg(account, "PTS", 12),
        Leg(ISSUED, "PTS", -12),
        Leg(account, "CREDIT", 12_880),
        Leg(ISSUED, "CREDIT", -12_880),
    ]
    lines = [{"n": n, "amount_minor": 644_000, "name": "برنج هاشمی", "sku": f"62600000{n}"} for n in (1, 2)]
    earned = [{"unit": "PTS", "earned": 12}, {"unit": "CREDIT", "earned": 12_880}]
    body = {
        "currency": "IRR",
        "total_minor": 1_288_000,
        "payable_minor": 1_288_000,
        "lines": lines,
        "earnings": earned,
        "redemptions": [],
    }
    return Draft(NEW_ID(), Kind.SALE, CLOCK.now(), member, tuple(legs), body)


def member_of(number: int) -> str:
    return f"{number % MEMBERS:032x}"


class Backlog:
    """A till with a long queue, and its club in a process of its own."""

    def __init__(self, directory: Path, queued: int) -> None:
        init_club(directory / "club", "Narenj Club")
        self._club = ClubProcess(directory / "club")
        self._linked = enrol_till(self._club.url, invite(directory / "club"), "Till 1", directory / "till")
        grant = self._linked.grant
        self.till_id = grant.till_id
        self.store = Store.open(directory / "till" / "ledger.db", till_id=grant.till_id, clock=CLOCK, epoch=grant.epoch)
        self._port = LocalPort(self.store)
        drafts = [enrolment(member_of(n), grant.seal_key) for n in range(MEMBERS)] + [sale(n) for n in range(queued)]
        for future in [self.store.append(draft) for draft in drafts]:
            future.result()

    def close(self) -> None:
        self._port.cancel()
        self.store.close()
        self._club.terminate()

    def connect(self) -> ClubClient:
        return ClubClient(self._linked.address)

    def show_drain(self) -> None:
        one_by_one = self.one_by_one(ONE_BY_ONE)
        idle = [self.sell(number) for number in range(100)]
        waiting = self._port.queue()
        worker = SyncWorker(self._port, self.connect, CLOCK)
        started = time.perf_counter()
        worker.start()
        during: list[float] = []
        while self._port.queue() > 1:
            during.append(self.sell(len(during)))
        drained = waiting / (time.perf_counter() - started)
        worker.stop()
        say("drain, posted at the club (SQLite), entries/s", f"{drained:,.0f}")
        say("the same one by one, entries/s", f"{one_by_one:,.0f}")
        say("ratio (≥ 25)", f"{drained / one_by_one:.1f}")
        say("a sale at an idle till, ms", quantiles(idle))
        say("a sale during the drain, ms", quantiles(during))

    def one_by_one(self, count: int) -> float:
        """The outbox without runs: a request and an acknowledgement for each entry."""
        with closing(self.connect()) as client:
            started = time.perf_counter()
            for _ in range(count):
                acked = self._port.acked_head()
                (entry,) = self._port.entries(acked.seq, 1, MAX_BATCH_BYTES)
                reply = client.push(PushRequest.of(acked, (entry,))).value
                assert reply is not None
                self._port.acknowledge(Head(entry.epoch, entry.seq, entry.hash), reply.dispositions)
            return count / (time.perf_counter() - started)

    def sell(self, number: int) -> float:
        """Milliseconds until the sale was durable; then the next customer is waited for."""
        draft = sale(number)
        started = time.perf_counter()
        self.store.append(draft).result()
        took = time.perf_counter() - started
        time.sleep(0.02)
        return took * 1000


def quantiles(values: list[float]) -> str:
    ordered = sorted(values)
    p99 = ordered[int(len(ordered) * 0.99)]
    return f"median {statistics.median(ordered):.2f}  p99 {p99:.2f}  worst {ordered[-1]:.2f}  n {len(ordered)}"


def show_club(directory: Path, till_id: str, entries: Sequence[Entry]) -> None:
    """Inside the club: from the bytes of a push to stored, and from stored to posted. One run of 500 at a time."""
    keys = load_keys(directory / "club")
    assert keys is not None
    bodies = [gzip.compress(json.dumps(run.as_json()).encode(), 6) for run in runs(entries)]
    for name, url in (("SQLite", None), ("PostgreSQL", durable_postgres())):
        state_dir = directory / name
        init_club(state_dir, "Narenj Club", database_url=url)
        with open_club(state_dir, url, serves=True) as opened:
            row = {"club_id": opened.club.club_id, "till_id": till_id, "epoch": entries[0].epoch, "created_ms": 0}
            opened.database.write(partial(Connection.execute, statement=insert(tills).values(row)))
            accepted_s = timed(partial(accept_all, opened, till_id, bodies))
            posted_s = timed(partial(post_pending, opened.database, opened.club, keys, till_id))
        say(f"accepted into {name}, durable, entries/s", f"{len(entries) / accepted_s:,.0f}")
        say(f"posted in {name}, durable, entries/s", f"{len(entries) / posted_s:,.0f}")


def runs(entries: Sequence[Entry]) -> Iterator[PushRequest]:
    for first in range(0, len(entries), MAX_BATCH):
        run = entries[first : first + MAX_BATCH]
        yield PushRequest.of(Head(run[0].epoch, run[0].seq - 1, run[0].prev), tuple(run))


def accept_all(opened: OpenClub, till_id: str, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        request = PushRequest.from_json(json.loads(unpacked(body)))
        now_ms, club_id = CLOCK.now().wall_ms, opened.club.club_id
        opened.database.write(partial(take_in, club_id=club_id, till_id=till_id, request=request, now_ms=now_ms))


def durable_postgres() -> str:
    binaries = find_binaries()
    assert binaries is not None, "PostgreSQL is not installed: apt-get install postgresql"
    server = Postgres(binaries, settings=("listen_addresses=", "max_connections=20"))
    atexit.register(server.stop)
    return server.migrated_database()


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def show_queue(directory: Path) -> None:
    with queue_of_ours(directory) as ours, queue_of_the_peer(directory) as theirs:
        rates = take_turns({PEER_NAME: theirs, "outbox, acknowledged in runs as sync does": ours}, ROUNDS)
    show("a message of 300 bytes: put, take, acknowledge; durable (target ≥ 2)", rates, PEER_NAME)


@contextmanager
def queue_of_ours(directory: Path) -> Iterator[Case]:
    with closing(Store.open(directory / "queue" / "ledger.db", clock=CLOCK, till_id="bench", ballast_bytes=0)) as store:
        note = {"note": "x" * 100}

        def run() -> float:
            drafts = [Draft(NEW_ID(), Kind.SALE, CLOCK.now(), None, (), note) for _ in range(MESSAGES)]
            started = time.perf_counter()
            for draft in drafts:
                store.append(draft).result()
            while waiting := store.reader().pending(0, MAX_BATCH, MAX_BATCH_BYTES):
                store.acknowledge(waiting[-1].seq, waiting[-1].hash).result()
            return MESSAGES / (time.perf_counter() - started)

        yield run


@contextmanager
def queue_of_the_peer(directory: Path) -> Iterator[Case]:
    script = Path(__file__).with_name("peer_persist_queue.py")
    assert PEER.exists(), "the peer is not installed; run: make bench"
    with subprocess.Popen([PEER, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def run() -> float:
            print(json.dumps([str(directory), MESSAGES]), file=requests, flush=True)
            return float(json.loads(answers.readline()))

        yield run


if __name__ == "__main__":
    main()
