"""The database: schema rules, migrations, retries; SQLite as safe as it can be, PostgreSQL as strict as it will be."""

from __future__ import annotations

import stat
import threading
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import BigInteger, Connection, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from posd.club.database import ATTEMPTS, Database, open_database
from posd.club.migrate import migrate
from posd.club.rows import add, find, put
from posd.club.tables import balance, club, metadata
from posd.errors import ConfigError
from tests.fakes.postgres import BOTH, the_postgres

DIRECTORIES = {"card_key", "booked"}
"""They lead from a key to its member, so the key comes first."""
BY_TILL = {"till", "head", "journal"}


def empty(engine: str, folder: Path) -> Database:
    return open_database(folder, the_postgres().new_database() if engine == "postgresql" else None)


@BOTH
def test_migrations_make_exactly_the_tables_we_use(engine: str, tmp_path: Path) -> None:
    database = empty(engine, tmp_path)
    migrate(database)
    migrate(database)
    with database.writer.begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "club_schema"})
        assert compare_metadata(context, metadata) == []
    database.close()


@BOTH
def test_a_newer_schema_is_not_touched(engine: str, tmp_path: Path) -> None:
    database = empty(engine, tmp_path)
    migrate(database)
    database.write(lambda c: c.execute(text("UPDATE club_schema SET version_num = '9999'")))
    with pytest.raises(ConfigError, match="newer posd"):
        migrate(database)
    database.close()


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_every_table_can_be_spread_over_many_machines(name: str) -> None:
    table = metadata.tables[name]
    key = [column.name for column in table.primary_key]
    assert key[0] == "club_id"
    if "member_id" in table.c and name not in DIRECTORIES:
        assert key[1] == "member_id"
    assert all(column.autoincrement is not True for column in table.c)
    assert not table.foreign_keys
    numbers = [column for column in table.c if column.type.python_type is int]
    assert all(isinstance(column.type, BigInteger) for column in numbers)


def test_the_file_is_for_its_owner_and_survives_a_power_cut(tmp_path: Path) -> None:
    database = open_database(tmp_path, serves=True)
    assert stat.S_IMODE((tmp_path / "club.db").stat().st_mode) == 0o600
    with database.writer.begin() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 1000
    with database.reader.begin() as connection:
        assert connection.execute(text("PRAGMA query_only")).scalar() == 1
        assert connection.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 0
    database.close()


def test_a_command_beside_the_server_never_checkpoints(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with database.writer.begin() as connection:
        assert connection.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 0
    database.close()


@BOTH
def test_errors_show_no_values(engine: str, tmp_path: Path) -> None:
    """They may end in a log, and the values may be a person's."""
    database = empty(engine, tmp_path)
    migrate(database)
    database.write(partial(put, table=club, club_id="c", name="Parisa"))
    with pytest.raises(IntegrityError) as caught:
        database.write(partial(put, table=club, club_id="c", name="Parisa"))
    assert "Parisa" not in str(caught.value)
    database.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "nosuch+driver://x"])
def test_another_database_is_refused_with_words(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="postgresql"):
        open_database(tmp_path, url)


@BOTH
def test_a_reader_sees_one_moment(engine: str, tmp_path: Path) -> None:
    database = empty(engine, tmp_path)
    migrate(database)
    database.write(lambda c: put(c, club, club_id="c", changes=1))

    def look_twice(connection: Connection) -> tuple[int, int]:
        before = find(connection, club, club_id="c")
        database.write(lambda c: c.execute(update(club).values(changes=2)))
        after = find(connection, club, club_id="c")
        assert before is not None
        assert after is not None
        return before.changes, after.changes

    assert database.read(look_twice) == (1, 1)
    database.close()


@BOTH
def test_adding_makes_the_row_or_adds_to_it(engine: str, tmp_path: Path) -> None:
    database = empty(engine, tmp_path)
    migrate(database)
    key = {"club_id": "c", "member_id": "m", "unit": "PTS"}
    for amount in (5, -7, 2**55):
        database.write(partial(add, table=balance, key=key, amounts={"amount": amount}))
    row = database.read(lambda c: find(c, balance, **key))
    assert row is not None
    assert row.amount == 2**55 - 2
    with pytest.raises(IntegrityError):
        database.write(lambda c: put(c, balance, **key, amount=1))
    database.close()


@pytest.mark.slow
def test_a_deadlock_is_run_again(tmp_path: Path) -> None:
    """Two transactions take two rows in opposite order; PostgreSQL ends one of them, and its work is done after all."""
    database = empty("postgresql", tmp_path)
    migrate(database)
    for name in ("a", "b"):
        database.write(partial(put, table=club, club_id=name))
    meet, attempts = threading.Barrier(2), []

    def take(first: str, second: str) -> None:
        met: list[bool] = []

        def work(connection: Connection) -> None:
            attempts.append(first)
            raise_by_one(connection, first)
            if not met:
                met.append(True)
                meet.wait(20)
            raise_by_one(connection, second)

        database.write(work)

    threads = [threading.Thread(target=take, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    rows = database.read(lambda c: [find(c, club, club_id=name) for name in ("a", "b")])
    assert [row.changes for row in rows if row is not None] == [2, 2]
    assert len(attempts) == 3, "one of the two had to run again"
    database.close()


def raise_by_one(connection: Connection, name: str) -> None:
    connection.execute(update(club).where(club.c.club_id == name).values(changes=club.c.changes + 1))


@pytest.mark.slow
def test_retries_end(tmp_path: Path) -> None:
    """A conflict that does not go away is an error, not an endless loop; other errors are not tried again at all."""
    database = empty("postgresql", tmp_path)
    runs: list[str] = []

    def always(state: str) -> None:
        def work(connection: Connection) -> None:
            runs.append(state)
            connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"))

        with pytest.raises(DBAPIError):
            database.write(work)

    always("40001")
    assert len(runs) == ATTEMPTS
    always("23514")
    assert len(runs) == ATTEMPTS + 1
    database.close()
