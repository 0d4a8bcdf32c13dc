"""The database itself refuses what would break a promise, even from a program that is not posd."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from posd.errors import LedgerBroken
from posd.ledger.books import INSERT
from posd.ledger.connection import connect_writer
from posd.ledger.entries import Entry, Head, Leg, chained
from posd.ledger.migrations import migrate, scripts, version_of
from tests.fakes.sales import back, new_id, open_store, sale

if TYPE_CHECKING:
    from sqlite_utils import Database


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Database]:
    """Three entries, the first acknowledged, the second voided by the third."""
    sold = sale()
    with open_store(tmp_path, till_id="t") as store:
        first = store.append(sale()).result()
        store.append(sold).result()
        store.append(back(sold)).result()
        store.acknowledge(1, first.hash).result()
    db = connect_writer(tmp_path / "ledger.db")
    yield db
    db.close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("update entry set payload = x'00' where seq = 1", "append only"),
        ("delete from entry where seq = 3", "append only"),
        ("update leg set amount = 2 * amount", "append only"),
        ("delete from leg", "append only"),
        ("insert into leg values (1, 99, 'a', 'PTS', 1)", "closed"),
        ("insert into leg values (3, 99, 'a', 'PTS', 1)", "closed"),
        ("insert into leg values (4, 0, 'a', 'PTS', 1)", "FOREIGN KEY"),
        ("delete from outbox where seq = 2", "I10"),
        ("update till_state set acked_seq = 0, acked_hash = zeroblob(32)", "I8"),
        ("update till_state set acked_seq = 3", "I8"),
        ("update till_state set acked_seq = 9, acked_hash = zeroblob(32)", "I8"),
        ("update till_state set till_id = 'other'", "name"),
        ("update till_state set epoch = -1", "name"),
        ("delete from till_state", "append only"),
        ("insert into till_state (one, till_id, epoch) values (2, 't', 0)", "CHECK"),
        ("insert into outbox (seq) values (99)", "FOREIGN KEY"),
        ("replace into entry select * from entry where seq = 2", "append only|I2"),
    ],
)
def test_the_books_cannot_be_cooked(ledger: Database, statement: str, says: str) -> None:
    ledger.execute("pragma recursive_triggers = on")
    with pytest.raises(sqlite3.IntegrityError, match=says):
        ledger.execute(statement)


def insert(db: Database, entry: Entry, kind: str = "sale", ref: bytes | None = None) -> None:
    place = (entry.seq, entry.epoch, entry.entry_id, kind, None, ref)
    db.execute(INSERT, (*place, entry.payload, entry.prev, entry.hash))


def head(db: Database) -> Head:
    return Head(*db.execute("select epoch, seq, hash from entry order by seq desc limit 1").fetchone())


def test_what_follows_is_booked_with_its_legs_and_its_outbox_row(ledger: Database) -> None:
    """The positive control of all refusals here."""
    draft = sale()
    insert(ledger, chained(draft, head(ledger), "t"))
    legs = ledger.execute("select account, unit, amount from leg where seq = 4 order by n").fetchall()
    assert [Leg(*leg) for leg in legs] == list(draft.legs)
    assert ledger.execute("select count(*) from outbox where seq = 4").fetchone() == (1,)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seq": 5}, "I2: not the next"),
        ({"seq": 3}, "I2: not the next|UNIQUE"),
        ({"prev": bytes(32)}, "I2: prev"),
        ({"epoch": -1}, "I2: an epoch"),
        ({"epoch": 1}, "I2: prev"),
        ({"entry_id": b"short"}, "CHECK"),
    ],
)
def test_what_does_not_follow_is_refused(ledger: Database, change: dict[str, object], says: str) -> None:
    entry = chained(sale(), head(ledger), "t")
    values = {name: getattr(entry, name) for name in ("seq", "epoch", "entry_id", "payload", "prev", "hash")}
    with pytest.raises(sqlite3.IntegrityError, match=says):
        insert(ledger, Entry(**{**values, **change}))
    assert head(ledger).seq == 3


def test_a_payload_whose_legs_do_not_balance_is_refused(ledger: Database) -> None:
    entry = chained(sale(earned=10), head(ledger), "t")
    payload = entry.payload.replace(b'"PTS",10]', b'"PTS",11]')
    with pytest.raises(sqlite3.IntegrityError, match="I3"):
        insert(ledger, Entry(entry.seq, 0, new_id(), payload, entry.prev, entry.hash))


def test_a_second_void_is_refused(ledger: Database) -> None:
    (ref,) = ledger.execute("select ref from entry where seq = 3").fetchone()
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        insert(ledger, chained(sale(), head(ledger), "t"), "void", ref)


def test_migrations_are_numbered_without_a_gap_and_applied_once(tmp_path: Path) -> None:
    db = connect_writer(tmp_path / "l.db")
    migrate(db, scripts())
    migrate(db, scripts())
    assert version_of(db) == len(scripts()) == 1
    migrate(db, (*scripts(), "create table later (n integer) strict;"))
    assert version_of(db) == 2
    db.close()


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    db = connect_writer(tmp_path / "l.db")
    with pytest.raises(sqlite3.OperationalError):
        migrate(db, ("create table one (n integer) strict; create table broken (;",))
    assert version_of(db) == 0
    assert db.execute("select count(*) from sqlite_schema").fetchone() == (0,)
    db.close()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    other = sqlite3.connect(path)
    other.execute("create table theirs (n)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(LedgerBroken, match="not a posd ledger"), open_store(tmp_path):
        pass
    assert path.read_bytes() == before
