"""What was told is there: after kill -9, with a disk that refuses, with a full disk. Each with its positive control."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from posd.ledger.reader import Reader
from posd.ledger.verify import verify_ledger
from tests.fakes.ledger_child import ROOT, child, child_command
from tests.fakes.small_disk import can_mount, small_disk

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
def test_a_fault_heals_by_itself(tmp_path: Path) -> None:
    refused, fault, well = lines_of("left_alone", tmp_path / "ledger.db")
    assert refused.startswith("refused:")
    assert (fault, well) == ("fault: True", "well")
    assert verify_ledger(tmp_path / "ledger.db").ok


def test_a_commit_that_fails_once_is_made_good_before_anybody_hears(tmp_path: Path) -> None:
    assert lines_of("one_commit_fails", tmp_path / "ledger.db") == ["store: booked 2", "fault: None"]
    report = verify_ledger(tmp_path / "ledger.db")
    assert (report.ok, report.head.seq) == (True, 2)


@pytest.mark.slow
def test_a_full_disk_uses_the_reserve_then_refuses_then_heals(tmp_path: Path) -> None:
    if not can_mount(tmp_path):
        pytest.skip("this machine lets nobody mount a file system of its own (user namespaces)")
    command = small_disk(tmp_path, *child_command("fill", tmp_path / "ledger.db", str(1024 * 1024)))
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=100, check=True)
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    told = int(said["told"])
    assert told > int(said["warned"]) > 100, "the reserve carried some hundred sales"
    assert "free some space" in said["full"]
    assert said["again"] == f"booked {told + 1}"
    assert said["head"] == str(told + 1)
