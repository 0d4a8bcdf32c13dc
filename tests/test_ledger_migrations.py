"""Every released schema opens, migrates and verifies, for ever; and a migration that fails changes nothing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from posd.errors import LedgerError
from posd.ledger.connection import connect_writer
from posd.ledger.migrations import MigrationFailed, bring_up, scripts, version_of
from posd.ledger.reader import Reader
from posd.ledger.store import RequestKey, Store
from posd.ledger.verify import verify_ledger
from tests.fakes.clock import FakeClock
from tests.fakes.sales import sale

FIXTURES = sorted((Path(__file__).parent / "fixtures" / "ledgers").glob("schema-*.db"))
NEWEST = len(scripts())


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("pragma user_version").fetchone()[0])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The ledger of the first release."""
    return Path(shutil.copy(FIXTURES[0], tmp_path / "ledger.db"))


def test_the_first_release_has_its_ledger_and_each_is_what_its_name_says(tmp_path: Path) -> None:
    """A new one is made by scripts/fixture_ledger.py when a schema is released."""
    assert FIXTURES[0].name == "schema-0001.db"
    for fixture in FIXTURES:
        assert version(Path(shutil.copy(fixture, tmp_path))) == int(fixture.stem.split("-")[1]) <= NEWEST


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
def test_a_ledger_of_every_release_opens_migrates_and_verifies(fixture: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(fixture, tmp_path / "ledger.db"))
    before = verify_ledger(path)
    assert before.ok, "also before it is migrated"
    reader = Reader(path)
    entries = reader.entries()
    reader.close()
    store = Store.open(path, clock=FakeClock(), ballast_bytes=0)
    assert store.reader().entries() == entries
    assert store.request(RequestKey.of("register 1", b"sale")) == entries[1]
    assert [row.reason for row in store.reader().parked()] == ["overdrawn"]
    assert store.reader().acked_seq() == 4
    assert store.append(sale()).result().seq == before.head.seq + 1
    store.close()
    assert version(path) == NEWEST
    assert verify_ledger(path).ok
    kept = path.with_name(f"ledger.db.schema{int(fixture.stem.split('-')[1])}")
    assert kept.exists() == (fixture.stem != f"schema-{NEWEST:04}")
    assert not kept.exists() or verify_ledger(kept).head == before.head


BAD_STEPS = {
    "no such table": "create table more (n integer) strict; insert into nowhere values (1);",
    "entry 2: I3": "drop trigger leg_unchanged; update leg set amount = 2 * amount where seq = 2;",
    "is not acknowledged and not in the outbox": "drop trigger outbox_kept; delete from outbox;",
}


@pytest.mark.parametrize("says", BAD_STEPS)
def test_a_migration_that_fails_or_breaks_something_leaves_the_ledger_as_it_was(old: Path, says: str) -> None:
    """Its last step goes wrong after all others went well."""
    before = old.read_bytes()
    db = connect_writer(old)
    with closing(db):
        with pytest.raises(MigrationFailed, match=says) as refusal:
            bring_up(db, old, (*scripts(), BAD_STEPS[says]))
        assert version_of(db) == 1
    assert "is as it was" in str(refusal.value)
    assert "the release of posd before this one" in str(refusal.value)
    assert old.read_bytes() == before
    db = connect_writer(old)
    with closing(db):
        bring_up(db, old, scripts())
        assert version_of(db) == NEWEST, "the control: without that step it goes well"


def test_a_ledger_that_is_broken_already_is_not_migrated(old: Path) -> None:
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("drop trigger leg_unchanged")
        connection.execute("update leg set amount = 2 * amount where seq = 3")
    with pytest.raises(LedgerError, match=r"schema 1 to \d.*entry 3: I3"):
        Store.open(old, clock=FakeClock())
    assert version(old) == 1


def test_without_room_for_the_copy_nothing_is_migrated(old: Path) -> None:
    old.with_name("ledger.db.schema1").mkdir()
    with pytest.raises(MigrationFailed, match=r"start again"):
        Store.open(old, clock=FakeClock())
    assert version(old) == 1
