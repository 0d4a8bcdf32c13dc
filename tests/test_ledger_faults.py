"""What was told is there: after kill -9, with a disk that refuses, with a full disk. Each with its positive control."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from posd.errors import LedgerBroken, LedgerUnwritable
from posd.ledger.connection import CREATION, apply, connect_writer
from posd.ledger.disk import Ballast
from posd.ledger.migrations import migrate, scripts
from posd.ledger.reader import Reader
from posd.ledger.verify import verify_ledger
from tests.fakes.ledger_child import ROOT, child, child_command
from tests.fakes.sales import open_store, sale
from tests.fakes.small_disk import can_mount, small_disk
from tests.powerloss.recording import recorded_environment, run_recorded, set_switches
from tests.powerloss.unknown import SALES, SYNCS

ROUNDS = 8


def lines_of(role: str, path: Path) -> list[str]:
    """Run a role to its end."""
    command = child_command(role, path)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    return done.stdout.splitlines()


def told_before_kill(role: str, path: Path, count: int) -> list[bytes]:
    """Kill the process when it has told ``count`` ids; all that it told until it was dead."""
    with child(role, path) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(count)]
        process.kill()
        told += process.stdout.readlines()
    return [bytes.fromhex(line) for line in told if line.endswith("\n")]


def missing(path: Path, told: list[bytes]) -> int:
    reader = Reader(path)
    try:
        return sum(reader.entry(entry_id) is None for entry_id in told)
    finally:
        reader.close()


@pytest.mark.slow
def test_what_was_told_survives_kill_9(tmp_path: Path) -> None:
    """I1 as far as a kill can show it; I2, I3, I7 by `verify`."""
    path = tmp_path / "ledger.db"
    told: list[bytes] = []
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    counts = random.Random(seed)
    for _ in range(ROUNDS):
        told += told_before_kill("honest", path, counts.randint(1, 120))
        report = verify_ledger(path)
        assert report.ok, report.broken
        assert missing(path, told) == 0
    assert len(set(told)) == len(told) >= ROUNDS


@pytest.mark.slow
def test_a_till_that_tells_too_early_is_caught(tmp_path: Path) -> None:
    """The positive control: the loop above does find a promise that was not kept."""
    path = tmp_path / "ledger.db"
    told = told_before_kill("hasty", path, 2_000)
    assert missing(path, told) > 0
    assert verify_ledger(path).ok


def test_a_commit_that_fails_is_told_and_the_same_id_books_once_later(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    raw, store, fault, reads, again, healed = lines_of("starved", path)
    assert raw.startswith("raw: SQLITE_")
    assert store.startswith("store: refused:")
    assert "same id" in store
    assert "dmesg" in fault
    assert (reads, again, healed) == ("reads: 1", "again: booked 2", "fault: None")
    report = verify_ledger(path)
    assert (report.ok, report.head.seq) == (True, 2)


@pytest.mark.slow
@pytest.mark.slow
def test_a_fault_heals_by_itself(tmp_path: Path) -> None:
    refused, fault, well = lines_of("left_alone", tmp_path / "ledger.db")
    assert refused.startswith("refused:")
    assert (fault, well) == ("fault: True", "well")
    assert verify_ledger(tmp_path / "ledger.db").ok


def test_a_commit_that_fails_once_is_made_good_before_anybody_hears(tmp_path: Path) -> None:
    assert lines_of("one_commit_fails", tmp_path / "ledger.db") == ["store: booked 2", "fault: None"]
    report = verify_ledger(tmp_path / "ledger.db")
    assert (report.ok, report.head.seq) == (True, 2)


def test_a_reserve_that_a_power_cut_left_empty_is_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    path.touch()
    ballast = Ballast(path, 4096)
    assert not ballast.held
    assert ballast.hold()
    assert path.stat().st_blocks * 512 >= 4096
    assert ballast.held


def test_a_damaged_file_leaves_a_reader_as_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_store(tmp_path) as store:
        store.append(sale()).result()
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    with closing(sqlite3.connect(path)) as raw, pytest.raises(sqlite3.DatabaseError):
        raw.execute("select * from till_state").fetchall()
    reader = Reader(path)
    with pytest.raises(LedgerBroken, match="Copy the file"):
        reader.recent(1)
    with pytest.raises(LedgerBroken, match="Copy the file"):
        reader.standing("m1")
    reader.close()
    with pytest.raises(LedgerUnwritable, match="cannot be opened"):
        Reader(tmp_path / "elsewhere.db")


def test_a_first_start_that_a_power_cut_ended_before_the_ledger_had_a_name(tmp_path: Path) -> None:
    """And the next one is of a newer release: there is nothing yet to copy and to check."""
    db = connect_writer(tmp_path / "ledger.db")
    apply(db, CREATION)
    migrate(db, scripts()[:1])
    db.close()
    with open_store(tmp_path) as store:
        assert store.append(sale()).result().seq == 1


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What became of sales that failed or were killed half-way; see `tests.powerloss.unknown`."""
    folder = tmp_path_factory.mktemp("unknown")
    set_switches(folder / "switches")
    environment = recorded_environment(folder / "world", switches=folder / "switches")
    said = run_recorded("tests.powerloss.unknown", str(folder), environment=environment)
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.slow
def test_a_sync_that_fails_once_is_made_good_before_anybody_hears(unknown: list[dict[str, Any]]) -> None:
    once = [case for case in unknown if case["fault"].endswith("fails once")]
    assert len(once) == SYNCS
    assert all((case["told"], case["lost"], case["same"]) == (SALES, 0, 0) for case in once), once


@pytest.mark.slow
def test_a_commit_whose_sync_failed_is_resolved_by_its_id(unknown: list[dict[str, Any]]) -> None:
    """Whatever was told is there; whatever was not is there once, after it came again. With a new id, the positive
    control, some stand twice: a COMMIT that raised may have booked."""
    failing = [case for case in unknown if case["fault"].endswith("later fail")]
    assert len(failing) == SYNCS
    assert all(case["told"] < SALES and (case["lost"], case["same"]) == (0, 0) for case in failing), failing
    assert any(case["new"] > 0 for case in failing), failing


@pytest.mark.slow
def test_a_sale_that_was_killed_after_any_of_its_effects_stands_once(unknown: list[dict[str, Any]]) -> None:
    """The last case is the sale that nothing killed before it was told; the control is as above."""
    killed = [case for case in unknown if case["fault"].startswith("killed")]
    assert [case["told"] for case in killed] == [0] * (len(killed) - 1) + [1]
    assert len(killed) > 8
    assert all((case["lost"], case["same"]) == (0, 0) for case in killed), killed
    assert any(case["new"] > 0 for case in killed), killed


@pytest.mark.slow
def test_a_full_disk_uses_the_reserve_then_refuses_then_heals(tmp_path: Path) -> None:
    if not can_mount(tmp_path):
        pytest.skip("this machine lets nobody mount a file system of its own (user namespaces)")

    def filled(reserve: int) -> dict[str, str]:
        command = small_disk(tmp_path, *child_command("fill", tmp_path / "ledger.db", str(reserve)))
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=100, check=True)
        return dict(line.split(": ", 1) for line in done.stdout.splitlines())

    said = filled(1024 * 1024)
    told = int(said["told"])
    assert told > int(said["warned"]) > 20, "the reserve carried sales: hundreds, or dozens when the log is long"
    assert filled(0)["warned"] == "0", "the control: without a reserve nothing carries them"
    assert "free some space" in said["full"]
    assert said["again"] == f"booked {told + 1}"
    assert said["head"] == str(told + 1)
