"""Opening: what is refused, what is warned of, and that every message says what to do next."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from posd.errors import LedgerBroken, LedgerError, LedgerInUse, LedgerUnwritable
from posd.ledger.connection import EVERY_CONNECTION, WRITING, apply, connect_reader, connect_writer
from posd.ledger.disk import check_filesystem, filesystem_of
from posd.ledger.store import Store
from posd.ledger.verify import verify_ledger
from tests.fakes.clock import FakeClock
from tests.fakes.ledger_child import child, child_command
from tests.fakes.sales import open_store, sale

MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
31 22 0:27 / /var/lib/posd rw - nfs4 nas:/tills rw
32 22 0:28 / /dev/shm rw - tmpfs tmpfs rw
33 22 0:29 / /mnt/with\\040space rw - cifs //nas/x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/posd", "nfs4"),
        ("/var/lib/posd/deep/er", "nfs4"),
        ("/var/lib/posd2", "ext4"),
        ("/dev/shm/x", "tmpfs"),
        ("/mnt/with space/x", "cifs"),
        ("/", "ext4"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert filesystem_of(Path(path), MOUNTS) == kind


def test_network_file_systems_are_refused_and_memory_is_warned_of() -> None:
    with pytest.raises(LedgerUnwritable, match="local disk"):
        check_filesystem(Path("/x"), "nfs4")
    assert "power off" in (check_filesystem(Path("/x"), "tmpfs") or "")
    assert check_filesystem(Path("/x"), "ext4") is None


@pytest.fixture
def in_memory() -> Iterator[Path]:
    folder = Path("/dev/shm") / f"posd-test-{os.getpid()}"
    yield folder
    shutil.rmtree(folder)


def test_a_ledger_in_memory_works_with_a_warning(in_memory: Path) -> None:
    with open_store(in_memory) as store:
        assert store.append(sale()).result().seq == 1
        (warning,) = store.warnings
        assert "tmpfs" in warning


def test_a_second_process_is_told_who_holds_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with child("hold", path, stdin=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(LedgerInUse, match=rf"process {holder.pid}\b.*stop"):
            Store.open(path, clock=FakeClock())
        assert verify_ledger(path).ok, "reading needs no lock"
    with open_store(tmp_path, till_id=None) as store:
        assert store.append(sale()).result().seq == 1


def test_the_lock_goes_with_a_store_that_could_not_open(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append(sale()).result()
    for _ in range(2):
        with pytest.raises(LedgerError, match="belongs to till"):
            Store.open(tmp_path / "ledger.db", till_id="other", clock=FakeClock())


def test_a_newer_ledger_opens_for_reading(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        entry = store.append(sale()).result()
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("alter table entry add column later text")
    connection.execute("pragma user_version = 99")
    connection.close()
    with open_store(tmp_path) as store:
        assert store.reader().entry(entry.entry_id) == entry
        assert "update posd" in (store.fault or "")
        with pytest.raises(LedgerUnwritable, match="update posd"):
            store.append(sale()).result()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"this was a ledger" * 1000),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096)),
    ],
    ids=["overwritten", "cut off", "pages of noise"],
)
def test_a_corrupt_file_is_refused_and_left_alone(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    with open_store(tmp_path) as store:
        store.append(sale()).result()
    path = tmp_path / "ledger.db"
    damage(path)
    broken = path.read_bytes()
    with pytest.raises(LedgerBroken, match=r"Copy the file|Keep the file"):
        Store.open(path, clock=FakeClock())
    assert path.read_bytes() == broken


def test_what_was_changed_since_the_last_check_is_found_at_start(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for _ in range(3):
            store.append(sale()).result()
    connection = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    connection.execute("drop trigger leg_unchanged")
    connection.execute("update leg set amount = 2 * amount where seq = 2")
    connection.close()
    with pytest.raises(LedgerBroken, match=r"entry 2: I3"):
        Store.open(tmp_path / "ledger.db", clock=FakeClock())


def test_start_checks_only_what_is_new(tmp_path: Path) -> None:
    """The same change below the mark of the last good start is left to `posd ledger verify`, which finds it."""
    with open_store(tmp_path) as store:
        store.append(sale()).result()
    with open_store(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    connection.execute("drop trigger leg_unchanged")
    connection.execute("update leg set amount = 2 * amount where seq = 1")
    connection.close()
    with open_store(tmp_path) as store:
        assert store.append(sale()).result().seq == 2
    assert not verify_ledger(tmp_path / "ledger.db").ok


def test_the_writer_commits_with_full_synchronisation(tmp_path: Path) -> None:
    """Of the very connection that books: WAL, FULL (2), no checkpoint inside a sale."""
    names = (
        "journal_mode",
        "synchronous",
        "wal_autocheckpoint",
        "foreign_keys",
        "recursive_triggers",
        "trusted_schema",
    )
    with open_store(tmp_path) as store:
        settings = store._writing.submit(
            lambda books: [books.db.execute(f"pragma {name}").fetchone()[0] for name in names]
        ).result()
    assert settings == ["wal", 2, 0, 1, 1, 0]


def test_the_log_moves_into_the_file_when_it_is_quiet(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        before = store.path.stat().st_size
        store.append(sale()).result()
        deadline = monotonic() + 20
        while store.path.stat().st_size <= before:
            assert monotonic() < deadline
            store.wait_for_entries(1, timeout_s=0.02)


def test_every_setting_is_read_back(tmp_path: Path) -> None:
    with open_store(tmp_path):
        pass
    db = connect_writer(tmp_path / "ledger.db")
    apply(db, WRITING)
    for name, _wanted, reads_as in EVERY_CONNECTION + WRITING:
        assert db.execute(f"pragma {name}").fetchone() == (reads_as,)
    with pytest.raises(LedgerError, match=r"would not set synchronous to full \(it says 2\)"):
        apply(db, (("synchronous", "full", 3),))
    db.close()
    reader = connect_reader(tmp_path / "ledger.db")
    assert reader.execute("pragma query_only").fetchone() == (1,)
    reader.close()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) gives up root's rights")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    sealed = tmp_path / "sealed"
    sealed.mkdir(mode=0o555)
    command = child_command("hold", sealed / "ledger.db")
    if os.getuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    told = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stderr
    assert "LedgerUnwritable" in told
    assert "permission denied: chown" in told
    assert list(sealed.iterdir()) == []
