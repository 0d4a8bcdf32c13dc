"""What goes wrong around a till: each is told in one line that says what to do next, with an exit status that fits, and
what can go on goes on.

Clock jumps are tested where the clock can be turned: `test_till_loop.test_the_wall_clock_may_jump_as_it_likes`,
`test_ledger_store`, and with every step of `test_ledger_machine`.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from posd.cli.place import how_to_write
from posd.cli.till_client import TillNotRunning, TillRefused
from posd.sync.grant import Linked, store_grant
from tests.fakes.club_server import GRANT
from tests.fakes.fault_proxy import Fault, FaultProxy
from tests.fakes.running_club import RunningClub
from tests.fakes.running_till import RunningTill, free_port, wait_for
from tests.fakes.small_disk import can_mount, limited_files, set_limit, small_disk
from tests.fakes.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CONFIG, LEDGER, LATER = 78, 74, 75
"""Exit statuses (sysexits): EX_CONFIG, EX_IOERR, EX_TEMPFAIL."""
NOWHERE = "http://127.0.0.1:1"
AS_ORDINARY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""Root looks through every permission; without these two capabilities it is an ordinary user as far as files go."""


@pytest.fixture
def till(tmp_path: Path) -> Iterator[RunningTill]:
    """A till that belongs to a club nobody can reach: it starts at once and has no children. Not started yet."""
    till = linked_till(tmp_path)
    yield till
    with suppress(AssertionError):
        till.kill()


def linked_till(directory: Path, **settings: Any) -> RunningTill:
    till = RunningTill(directory, arguments=(), **settings)
    till.state_dir.mkdir(mode=0o700)
    store_grant(Linked(NOWHERE, GRANT), till.state_dir)
    return till


def refused(command: list[str], till: RunningTill) -> tuple[int, str]:
    """Exit status and message of a till that must not start; the message is one line."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=till.environment, timeout=60)
    told = [line for line in done.stderr.splitlines() if line.startswith("posd: ")]
    assert "Traceback" not in done.stderr, done.stderr
    assert len(told) == 1, done.stderr
    return done.returncode, told[0]


def sell(till: RunningTill, key: str, amount_minor: int = 1000) -> dict[str, Any]:
    sale = {"currency": "IRR", "lines": [{"amount_minor": amount_minor}]}
    answer: dict[str, Any] = till.client.post("/v1/sales", sale, **{"Idempotency-Key": key})
    return answer


# Somebody is there already.


def test_a_port_that_another_program_has(till: RunningTill) -> None:
    with socket.create_server(("127.0.0.1", till.port)):
        code, told = refused(till.command("run"), till)
    assert code == CONFIG
    assert f"port {till.port} is in use by" in told
    assert f"(pid {os.getpid()}); stop it, or set another [api] port" in told
    till.start()  # positive control: it was the port


def test_a_second_posd_on_the_same_state(till: RunningTill, tmp_path: Path) -> None:
    """By whatever it notices the first one: the port, the socket, the ledger's lock. Each names the process."""
    till.start()
    pid = f"pid {till.pid()}"
    code, told = refused(till.command("run"), till)
    assert (code, pid in told, "stop it" in told) == (CONFIG, True, True)

    config = tmp_path / "second.toml"
    command = [*till.command()[:-1], str(config), "run"]
    config.write_text(f"[api]\nport = {free_port()}\n")
    code, told = refused(command, till)
    assert (code, pid in told, "systemctl stop posd" in told) == (CONFIG, True, True)

    config.write_text(f'[api]\nport = {free_port()}\nsocket = "{tmp_path}/second.sock"\n')
    code, told = refused(command, till)
    assert (code, "ledger.db is held by" in told) == (LEDGER, True)
    assert f"process {till.pid()}; stop that one first" in told
    assert sell(till, "receipt-1")["seq"] == 1, "the first one sells on"


def test_a_club_port_that_was_taken_at_the_start(tmp_path: Path) -> None:
    """The till starts and sells; the club beside it comes when the port is free again."""
    with RunningTill(tmp_path) as till:
        assert till.stop() == 0
        with socket.create_server(("127.0.0.1", till.club_port)) as holder:
            holder.settimeout(0)
            till.start()
            wait_for(lambda: f"port {till.club_port}" in "".join(till.output), "the message")
            assert "choose another port" in "".join(till.output)
            assert sell(till, "1")["seq"] == 1
            assert till.client.get("/v1/sync")["state"] == "offline"
        till.wait_online(40)
        wait_for(lambda: till.client.get("/v1/sync")["acked_seq"] == 1, "the sale at the club")


# Disks.


def test_a_state_directory_without_permission(till: RunningTill) -> None:
    till.state_dir.chmod(0o500)
    try:
        code, told = refused([*AS_ORDINARY, *till.command("run")], till)
    finally:
        till.state_dir.chmod(0o700)
    assert code == CONFIG
    assert told.endswith(f"{till.state_dir} cannot be written; run: chmod u+rwx {till.state_dir}")


def test_a_ledger_without_permission(till: RunningTill) -> None:
    till.start()
    till.stop()
    ledger = till.state_dir / "ledger.db"
    ledger.chmod(0o400)
    try:
        code, told = refused([*AS_ORDINARY, *till.command("run")], till)
    finally:
        ledger.chmod(0o600)
    assert code == LEDGER
    assert "the ledger is read-only: chown the state directory to posd's user, or remount the disk" in told


def test_a_directory_of_somebody_else(tmp_path: Path) -> None:
    directory = tmp_path if os.geteuid() == 0 else Path("/usr")
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
    assert how_to_write(directory) == f"run: sudo chown -R {os.getuid()} {directory}"


def test_a_disk_that_is_mounted_read_only(till: RunningTill) -> None:
    if not can_mount(till.state_dir):
        pytest.skip("this machine lets nobody mount a file system of its own (user namespaces)")
    code, told = refused(small_disk(till.state_dir, *till.command("run"), read_only=True), till)
    assert code == CONFIG
    assert "its file system is read-only: look at the disk (dmesg), then mount it for writing again" in told


def test_a_full_disk_at_the_very_first_start(tmp_path: Path) -> None:
    till = RunningTill(tmp_path)
    till.state_dir.mkdir()
    full = limited_files(0, *till.command("run", "--standalone"))
    code, told = refused(full, till)
    assert code == CONFIG
    assert "the club's database does not work (disk I/O error)" in told
    assert "look at its free space (df)" in told
    if can_mount(till.state_dir):  # where it may be had, the real thing too
        code, told = refused(small_disk(till.state_dir, *till.command("run", "--standalone"), size="64k"), till)
        assert (code, told.endswith("the disk is full: free some space")) == (CONFIG, True), told


def test_a_full_disk_at_a_later_start(till: RunningTill) -> None:
    till.start()
    till.stop()
    code, told = refused(limited_files(1, *till.command("run")), till)
    assert code == LEDGER
    assert "look at its health (dmesg, smartctl) and its free space" in told


def test_a_disk_that_fills_up_while_selling(till: RunningTill) -> None:
    """Nothing is told that is not on disk; when there is room again the till goes on by itself."""
    till.start()
    assert sell(till, "1")["seq"] == 1
    till.page.act("amount", amount_minor=500)
    set_limit(till.pid(), 1)
    view = till.page.act("confirm")
    assert view["screen"] in ("fault", "amount")
    assert view["notice"]["words"]["key"] == "sale.not_recorded"
    with pytest.raises(TillRefused, match="free space"):
        sell(till, "2")
    assert "free space" in till.client.get("/v1/status")["ledger"]["fault"]
    assert till.page.view()["screen"] == "fault"
    set_limit(till.pid(), None)
    wait_for(lambda: till.client.get("/v1/status")["ledger"]["fault"] is None, "the ledger to heal")
    wait_for(lambda: till.page.view()["screen"] != "fault", "the screen to say so")
    assert sell(till, "2")["repeated"] is False
    assert [entry["kind"] for entry in till.journal()] == ["sale", "sale"]
    assert till.posd("ledger", "verify").returncode == 0


def test_a_ledger_that_is_none(till: RunningTill) -> None:
    till.start()
    sell(till, "1")
    till.stop()
    ledger = till.state_dir / "ledger.db"
    for content in (random.Random(5).randbytes(70_000), ledger.read_bytes()[:1000]):
        whole = ledger.read_bytes()
        ledger.write_bytes(content)
        code, told = refused(till.command("run"), till)
        assert code == LEDGER
        assert "cannot be read as a ledger" in told
        assert "Copy the file and its -wal aside, then start with an empty state directory" in told
        assert ledger.read_bytes() == content, "what may be saved of it is left as it is"
        ledger.write_bytes(whole)
    till.start()  # positive control: it was the file
    assert sell(till, "1")["repeated"] is True


# Configuration.


@pytest.mark.parametrize(
    ("text", "next_step"),
    [
        ('[shop]\nnmae = "Narenj"', "unknown key 'nmae'; did you mean 'name'?"),
        ("[appi]\nport = 7673", "unknown table [appi]; did you mean 'api'?"),
        ("[api]\nport = 99999", "choose one from 1024 to 65535"),
        ('[api]\nhost = "0.0.0.0"', "remove the line"),
        ('[cards]\nown_prefix = ["9800"]', "did you mean 'own_prefixes'?"),
        ("[shop\n", "is not TOML: Expected ']' at the end of a table declaration (at line 1, column 6)"),
    ],
)
def test_a_mistake_in_the_configuration(till: RunningTill, tmp_path: Path, text: str, next_step: str) -> None:
    config = tmp_path / "mistake.toml"
    config.write_text(text)
    code, told = refused([*till.command()[:-1], str(config), "run"], till)
    assert code == CONFIG
    assert next_step in told


def test_a_mistake_at_a_reader_stops_that_reader_only(tmp_path: Path) -> None:
    config = '[[reader]]\nid = "desk"\ndriver = "hid_keyboard"\nadress = "/dev/posd/desk"\n'
    with linked_till(tmp_path, config=config) as till:
        desk = wait_for(lambda: faulty_reader(till), "the reader to be judged")
        assert desk["id"] == "desk"
        assert "unknown key 'adress'; did you mean 'address'?" in desk["detail"]
        assert sell(till, "1")["seq"] == 1


def faulty_reader(till: RunningTill) -> dict[str, Any] | None:
    readers: list[dict[str, Any]] = till.client.get("/v1/readers")["readers"]
    return next((reader for reader in readers if reader["state"] == "fault"), None)


# The club.


def test_a_club_address_that_answers_with_a_web_page(tmp_path: Path) -> None:
    """A login page of a Wi-Fi: joining says what to do; a till that has joined before stays offline and sells."""
    with RunningClub(tmp_path / "club") as club, FaultProxy(club.port) as proxy:
        till = RunningTill(tmp_path, arguments=())
        proxy.fault = Fault.PORTAL_PAGE
        code, told = refused(till.command("enrol", proxy.url, club.invite()), till)
        assert code == LATER
        assert "a login page or a filter answers in place of the club: open the club's address in a browser" in told
        assert not (till.state_dir / "club.json").exists()

        proxy.fault = Fault.NONE
        assert till.posd("enrol", proxy.url, club.invite()).returncode == 0
        proxy.fault = Fault.PORTAL_PAGE
        with till:
            wait_for(lambda: "in a browser" in till.client.get("/v1/sync")["detail"], "what to do about it")
            assert sell(till, "1")["seq"] == 1
            assert till.page.view()["link"]["state"] == "offline"
            proxy.fault = Fault.NONE
            till.client.post("/v1/sync/now", {})
            till.wait_online()
            wait_for(lambda: till.client.get("/v1/sync")["acked_seq"] == 1, "the sale at the club")


def test_standalone_for_a_till_that_belongs_to_a_club(till: RunningTill) -> None:
    code, told = refused(till.command("run", "--standalone"), till)
    assert code == CONFIG
    assert f"this till is linked to the club at {NOWHERE}; start it without --standalone" in told


def test_a_till_without_a_network_of_its_own_founds_no_club(tmp_path: Path) -> None:
    till = RunningTill(tmp_path, arguments=("--sync", "separate"))
    code, told = refused(till.command("run", "--sync", "separate"), till)
    assert code == CONFIG
    assert "posd enrol URL CODE" in told
    assert not (till.state_dir / "club").exists()


# The end.


def test_sigterm_under_load(tmp_path: Path) -> None:
    """In the thick of it: exit status 0 within 5 s, everything that was answered is booked, no child is left."""
    with RunningTill(tmp_path) as till:
        children = children_of(till.pid())
        booked: list[str] = []
        threads = [threading.Thread(target=keep_selling, args=(till, n, booked)) for n in range(3)]
        threads += [threading.Thread(target=keep_swiping, args=(till,)) for _ in range(2)]
        threads += [threading.Thread(target=keep_listening, args=(till,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(booked) > 50, "some sales")
        begun = time.monotonic()
        assert till.stop() == 0
        assert time.monotonic() - begun < 5
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        eventually(lambda: not any(map(alive, children)))
        output = "".join(till.output)
        assert "Traceback" not in output, output
        assert till.posd("ledger", "verify").returncode == 0
        assert set(booked) <= {entry["id"] for entry in till.journal()}
        till.start()


def keep_selling(till: RunningTill, who: int, booked: list[str]) -> None:
    """Until the till does not answer any more."""
    with suppress(TillNotRunning, OSError, HTTPException):
        for n in range(100_000):
            try:
                booked.append(sell(till, f"{who}-{n}")["id"])
            except (TillRefused, ValueError):
                continue  # stopping: "not now"


def keep_swiping(till: RunningTill) -> None:
    with suppress(TillNotRunning, TillRefused, OSError, HTTPException):
        for n in range(100_000):
            till.simulate("swipe", f";98000000{n:08}?")


def keep_listening(till: RunningTill) -> None:
    """A page's event stream."""
    with suppress(OSError, HTTPException):
        for _ in till.page.events():
            pass


def test_kill_9_leaves_no_child(tmp_path: Path) -> None:
    with RunningTill(tmp_path) as till:
        till.wait_online()
        (club,) = children_of(till.pid())
        assert alive(club), "positive control"
        till.kill()
        eventually(lambda: not alive(club))
        with socket.create_server(("127.0.0.1", till.club_port)):
            pass  # and its port is free again


def children_of(pid: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(process.name))
    return found


def alive(pid: int) -> bool:
    """A zombie that nobody has asked after is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
