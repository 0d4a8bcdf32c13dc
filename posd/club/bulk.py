"""Many rows in one statement: read them by key, insert them, change them. On both databases.

PostgreSQL takes the columns as arrays (``unnest``), so a run of rows is one round trip; SQLite has no round trips, and
its driver repeats a prepared statement. Statements are built once per table and set of columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    FromClause,
    String,
    Table,
    UpdateBase,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import ARRAY

Columns = tuple[str, ...]
Values = Sequence[Any]
"""One value for each of the columns."""
Build = Callable[[Table, Columns, bool], UpdateBase]
"""Makes a statement for columns that are given as arrays, or one row at a time."""


def rows_at(connection: Connection, table: Table, columns: Columns, keys: Sequence[Values]) -> list[dict[str, Any]]:
    """The rows whose ``columns`` have the values of one of ``keys`` (each once)."""
    if not keys:
        return []
    if _has_arrays(connection):
        found = connection.execute(_select_from_arrays(table, columns), _arrays(columns, keys))
    else:
        found = connection.execute(_select_from_json(table, columns), {"keys": json.dumps(keys)})
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
    if _has_arrays(connection):
        connection.execute(build(table, columns, True), _arrays(columns, rows))
    else:
        text, places = _repeated(build, table, columns)
        connection.exec_driver_sql(text, [tuple([row[place] for place in places]) for row in rows])


def _has_arrays(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _arrays(columns: Columns, rows: Sequence[Values]) -> dict[str, list[Any]]:
    return {_given(name): list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}


def _given(name: str) -> str:
    return f"to_{name}"


def _unnested(table: Table, columns: Columns) -> FromClause:
    arrays = [bindparam(_given(name), type_=ARRAY(table.c[name].type)) for name in columns]
    typed = [column(name, table.c[name].type) for name in columns]
    return func.unnest(*arrays).table_valued(*typed, name="given").render_derived()


def _single(table: Table, columns: Columns) -> dict[str, ColumnElement[Any]]:
    return {name: bindparam(_given(name), type_=table.c[name].type) for name in columns}


@lru_cache(maxsize=64)
def _select_from_arrays(table: Table, columns: Columns) -> Executable:
    given = _unnested(table, columns)
    return select(table).where(*(table.c[name] == given.c[name] for name in columns))


@lru_cache(maxsize=64)
def _select_from_json(table: Table, columns: Columns) -> Executable:
    each = func.json_each(bindparam("keys", type_=String)).table_valued("value", name="given")
    parts = (func.json_extract(each.c.value, f"$[{n}]") for n in range(len(columns)))
    return select(table).where(*(table.c[name] == part for name, part in zip(columns, parts, strict=True)))


@lru_cache(maxsize=64)
def _insert(table: Table, columns: Columns, on_arrays: bool) -> UpdateBase:
    if on_arrays:
        return insert(table).from_select(list(columns), select(*_unnested(table, columns).c))
    return insert(table).values(_single(table, columns))


@lru_cache(maxsize=64)
def _update(table: Table, columns: Columns, on_arrays: bool) -> UpdateBase:
    given = dict(_unnested(table, columns).c.items()) if on_arrays else _single(table, columns)
    key = {part.name for part in table.primary_key}
    at = (table.c[name] == given[name] for name in columns if name in key)
    return update(table).where(*at).values({name: given[name] for name in columns if name not in key})


@lru_cache(maxsize=64)
def _repeated(build: Build, table: Table, columns: Columns) -> tuple[str, tuple[int, ...]]:
    """The text for SQLite's driver, and which of the values stands at each of its question marks."""
    compiled = build(table, columns, False).compile(dialect=sqlite.dialect())
    names = [_given(name) for name in columns]
    return str(compiled), tuple(names.index(name) for name in compiled.positiontup or ())
