"""The till without a network: `posd run --sync separate`, with `posd sync run` as the only process that talks to the
club. A real club in a process of its own, real HTTP, a real Unix socket between the two."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from sqlalchemy import select

from posd.club.owner import init_club, invite, list_members, open_club, set_program
from posd.club.tables import journal
from posd.ledger.reader import Reader
from posd.loyalty.programs import document_from_toml
from tests.fakes.internet_sockets import LISTENING, internet_sockets
from tests.fakes.running_club import ClubProcess
from tests.fakes.running_till import PATIENCE_S, RunningTill, wait_for
from tests.fakes.shop_programs import template_text

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CARD = "9800000000012345"
KILLS = 4
PACE_S = 0.01


class SyncProcess:
    """``posd sync run`` beside a till, as posd-sync.service starts it."""

    def __init__(self, till: RunningTill) -> None:
        self._till = till
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = self._till.command("sync", "run")
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, text=True, env=self._till.environment)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def __enter__(self) -> SyncProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Shop:
    """A club, a till that belongs to it, and the process between them; all of them real."""

    def __init__(self, directory: Path) -> None:
        self.club_dir = directory / "club"
        init_club(self.club_dir, "Narenj Club")
        self.club = ClubProcess(self.club_dir)
        self.till = RunningTill(directory, arguments=("--sync", "separate"))
        enrolled = self.till.posd("enrol", self.club.url, invite(self.club_dir))
        assert enrolled.returncode == 0, enrolled.stderr
        self.till.start()
        self.sync = SyncProcess(self.till)
        self.sync.start()
        self.till.wait_online()

    def close(self) -> None:
        with suppress(AssertionError):
            self.sync.kill()
        self.till.kill()
        self.club.kill()

    def enrol(self) -> str:
        """A member with `CARD`; her id."""
        self.till.simulate("swipe", f";{CARD}?")
        self.till.page.wait_for_screen("enrol")
        view = self.till.page.act("enrol", phone="09120001234", name="پریسا", consent=True)
        self.till.page.act("back")
        member_id: str = view["member"]["member_id"]
        return member_id

    def sell(self, key: str, member_id: str | None, amount_minor: int = 1_000_000) -> dict[str, Any]:
        sale = {"currency": "IRR", "lines": [{"amount_minor": amount_minor}]}
        if member_id is not None:
            sale["member_id"] = member_id
        answer: dict[str, Any] = self.till.client.post("/v1/sales", sale, **{"Idempotency-Key": key})
        return answer

    def wait_delivered(self) -> int:
        """Until the club has everything; how much that is."""
        head = len(self.till.journal())
        wait_for(lambda: self.till.client.get("/v1/sync")["acked_seq"] == head, f"{head} at the club", 40)
        return head

    def club_journal(self) -> list[tuple[int, bytes]]:
        with open_club(self.club_dir) as opened:
            rows = opened.database.read(
                lambda c: c.execute(select(journal.c.seq, journal.c.payload).order_by(journal.c.seq)).all()
            )
        return [(int(row.seq), bytes(row.payload)) for row in rows]

    def acked_seq(self) -> int:
        return int(self.till.client.get("/v1/sync")["acked_seq"])

    def wait_progress(self) -> None:
        """Until something more has arrived at the club."""
        before = self.acked_seq()
        wait_for(lambda: self.acked_seq() > before, "something that arrives")

    def till_journal(self) -> list[tuple[int, bytes]]:
        reader = Reader(self.till.state_dir / "ledger.db")
        try:
            return [(entry.seq, entry.payload) for entry in reader.entries(0, 100_000)]
        finally:
            reader.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def test_a_sale_reaches_the_club_and_a_program_reaches_the_till(shop: Shop) -> None:
    member_id = shop.enrol()
    sold = shop.sell("receipt-1", member_id)
    assert {item["unit"]: item["earned"] for item in sold["body"]["earnings"]} == {"PTS": 10, "CREDIT": 10_000}
    shop.wait_delivered()
    assert shop.club_journal() == shop.till_journal()
    (member,) = list_members(shop.club_dir)
    assert member.member_id == member_id
    assert dict(member.balances) == sold["balances"]

    document = document_from_toml(template_text("percent_credit").replace("basis_points = 100", "basis_points = 300"))
    assert isinstance(document, dict)
    set_program(shop.club_dir, {**document, "version": 2})
    wait_for(lambda: {"id": "credit", "version": 2} in shop.till.client.get("/v1/status")["programs"], "the program")
    sold = shop.sell("receipt-2", member_id)
    assert {item["unit"]: item["earned"] for item in sold["body"]["earnings"]} == {"PTS": 10, "CREDIT": 30_000}
    assert shop.sync.stop() == 0
    assert shop.till.stop() == 0
    shop.till.start()


def test_the_till_itself_holds_no_internet_connection(shop: Shop) -> None:
    """Its only internet sockets are those of its own API on loopback; the other process holds the line to the club."""
    club_port = int(shop.club.url.rpartition(":")[2])
    shop.enrol()
    sync_pid = shop.sync.pid
    for n in range(20):
        shop.sell(f"receipt-{n}", None)
        for sock in internet_sockets(shop.till.pid()):
            assert sock.protocol in ("tcp", "tcp6"), sock
            assert ip_address(sock.local[0]).is_loopback, sock
            assert sock.local[1] == shop.till.port, f"neither its listener nor a guest of its API: {sock}"
    listening = [sock for sock in internet_sockets(shop.till.pid()) if sock.state == LISTENING]
    assert listening, "positive control: the till's listener is seen"
    to_the_club = [sock for sock in internet_sockets(sync_pid) if sock.remote[1] == club_port]
    assert to_the_club, "positive control: a line to the club is seen where there is one"
    assert not [sock for sock in internet_sockets(sync_pid) if sock.state == LISTENING]


def test_kill_9_of_the_sync_process_loses_and_doubles_nothing(shop: Shop) -> None:
    member_id = shop.enrol()
    enough = threading.Event()
    sold: list[dict[str, Any]] = []

    def sell_on() -> None:
        while not enough.wait(PACE_S):
            sold.append(shop.sell(f"receipt-{len(sold)}", member_id))

    selling = threading.Thread(target=sell_on)
    selling.start()
    try:
        for _ in range(KILLS):
            shop.wait_progress()
            shop.sync.kill()
            shop.sync.start()
    finally:
        enough.set()
        selling.join()
    assert shop.wait_delivered() == len(sold) + 1 > KILLS
    assert shop.club_journal() == shop.till_journal()
    (member,) = list_members(shop.club_dir)
    assert dict(member.balances) == sold[-1]["balances"]
    assert shop.till.posd("ledger", "verify").returncode == 0


def test_kill_9_of_the_till_and_the_sync_process_stays(shop: Shop) -> None:
    """The till comes back and hears anew how the line stands, though nothing about it has changed."""
    shop.enrol()
    shop.sell("receipt-1", None)
    shop.wait_delivered()
    shop.till.kill()
    shop.till.start()
    shop.till.wait_online()
    shop.sell("receipt-2", None)
    assert shop.wait_delivered() == 3
    assert shop.club_journal() == shop.till_journal()
