"""``posd sync run`` as systemd runs it: says when it is ready, sends, and ends on SIGTERM."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from posd.errors import ConfigError
from posd.ledger.entries import Draft, Kind
from posd.ledger.store import Store
from posd.machine import SystemClock, Uuid7Source
from posd.sync.enrolment import enrol_till
from posd.sync.link import LinkState
from posd.sync.local_port import LocalPort
from posd.sync.process import run_sync
from tests.fakes.club_server import GRANT, INVITATION, ClubServer
from tests.fakes.till_socket import TillSocket
from tests.fakes.waiting import eventually

PROGRAM = """
import sys
from pathlib import Path
from posd.sync.process import run_sync
sys.exit(run_sync(Path(sys.argv[1]), Path(sys.argv[2])))
"""
CLOCK = SystemClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    ledger = Store.open(tmp_path / "ledger.db", till_id=GRANT.till_id, clock=CLOCK, epoch=1, ballast_bytes=0)
    yield ledger
    ledger.close()


def test_a_till_without_a_club_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="posd enrol"):
        run_sync(tmp_path / "posd.sock", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_sends_and_ends_when_asked(store: Store, tmp_path: Path, number: signal.Signals) -> None:
    port = LocalPort(store)
    with (
        ClubServer() as club,
        TillSocket(tmp_path / "posd.sock", port),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager,
    ):
        enrol_till(club.url, INVITATION, "Till 1", tmp_path)
        service_manager.bind(str(tmp_path / "notify"))
        service_manager.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "posd.sock"), str(tmp_path)],
            env={"NOTIFY_SOCKET": str(tmp_path / "notify")},
        )
        try:
            assert b"READY=1" in service_manager.recv(4096)
            store.append(Draft(Uuid7Source()(), Kind.SALE, CLOCK.now(), None, (), {})).result(10)
            eventually(lambda: port.queue() == 0)
            eventually(lambda: port.link.state is LinkState.ONLINE)
            assert club.seqs == [1]
            process.send_signal(number)
            assert process.wait(5) == 0
            assert b"STOPPING=1" in service_manager.recv(4096)
        finally:
            process.kill()
            process.wait()
            port.cancel()
