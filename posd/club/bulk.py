"""Many rows in one statement: read them by key, insert them, change them. On both databases.

A run of rows travels as one JSON text, so that it is one round trip; only what is written to SQLite, where there are no
round trips, is a prepared statement that its driver repeats. Columns hold texts and integers, no bytes. Statements are
built once per table and set of columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    UpdateBase,
    bindparam,
    cast,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import JSONB

Columns = tuple[str, ...]
Values = Sequence[Any]
"""One value for each of the columns."""
Given = dict[str, ColumnElement[Any]]
"""What stands for the value of each column in a statement."""
Build = Callable[[Table, Columns, bool], UpdateBase]
"""Makes a statement for rows that come as JSON, or one at a time."""


def rows_at(connection: Connection, table: Table, columns: Columns, keys: Sequence[Values]) -> list[dict[str, Any]]:
    """The rows whose ``columns`` have the values of one of ``keys`` (each once)."""
    if not keys:
        return []
    found = connection.execute(_select(table, columns, _is_remote(connection)), {_ROWS: json.dumps(keys)})
    return [dict(row._mapping) for row in found]


def insert_rows(connection: Connection, table: Table, columns: Columns, rows: Sequence[Values]) -> None:
    """New rows; an IntegrityError when there is one already."""
    _write(connection, _insert, table, columns, rows)


def change_rows(connection: Connection, table: Table, columns: Columns, rows: Sequence[Values]) -> None:
    """Set columns of rows that are there; ``columns`` are those of the primary key and those to set."""
    _write(connection, _update, table, columns, rows)


def _write(connection: Connection, build: Build, table: Table, columns: Columns, rows: Sequence[Values]) -> None:
    if not rows:
        return
    if _is_remote(connection):
        connection.execute(build(table, columns, True), {_ROWS: json.dumps(rows, ensure_ascii=False)})
    else:
        text, places = _repeated(build, table, columns)
        connection.exec_driver_sql(text, [tuple([row[place] for place in places]) for row in rows])


def _is_remote(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


_ROWS = "rows"


def _postgresql_json(table: Table, columns: Columns) -> Given:
    rows = cast(bindparam(_ROWS, type_=Text), JSONB)
    each = func.jsonb_array_elements(rows).table_valued("value", name="given").render_derived()
    return {name: cast(each.c.value.op("->>")(n), table.c[name].type) for n, name in enumerate(columns)}


def _sqlite_json(columns: Columns) -> Given:
    each = func.json_each(bindparam(_ROWS, type_=Text)).table_valued("value", name="given")
    return {name: func.json_extract(each.c.value, f"$[{n}]") for n, name in enumerate(columns)}


def _single(table: Table, columns: Columns) -> Given:
    return {name: bindparam(_parameter(name), type_=table.c[name].type) for name in columns}


def _parameter(name: str) -> str:
    return f"to_{name}"


@lru_cache(maxsize=64)
def _select(table: Table, columns: Columns, remote: bool) -> Select[Any]:
    given = _postgresql_json(table, columns) if remote else _sqlite_json(columns)
    return select(table).where(*(table.c[name] == value for name, value in given.items()))


@lru_cache(maxsize=64)
def _insert(table: Table, columns: Columns, remote: bool) -> UpdateBase:
    if remote:
        return insert(table).from_select(list(columns), select(*_postgresql_json(table, columns).values()))
    return insert(table).values(_single(table, columns))


@lru_cache(maxsize=64)
def _update(table: Table, columns: Columns, remote: bool) -> UpdateBase:
    given = _postgresql_json(table, columns) if remote else _single(table, columns)
    key = {part.name for part in table.primary_key}
    at = (table.c[name] == given[name] for name in columns if name in key)
    return update(table).where(*at).values({name: given[name] for name in columns if name not in key})


@lru_cache(maxsize=64)
def _repeated(build: Build, table: Table, columns: Columns) -> tuple[str, tuple[int, ...]]:
    """The text for SQLite's driver, and which of the values stands at each of its question marks."""
    compiled = build(table, columns, False).compile(dialect=sqlite.dialect())
    names = [_parameter(name) for name in columns]
    return str(compiled), tuple(names.index(name) for name in compiled.positiontup or ())
