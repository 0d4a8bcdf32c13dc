"""Rows by their key: find, put, change, add. Statements are built once; building them anew for each entry would cost
more than the database does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, insert, select, update
from sqlalchemy.sql import Select, Update


def find(connection: Connection, table: Table, **key: Any) -> Row[Any] | None:
    """The row at ``key``, or None."""
    return connection.execute(_select(table, tuple(key)), key).first()


def find_all(connection: Connection, table: Table, **key: Any) -> list[Row[Any]]:
    return list(connection.execute(_select(table, tuple(key)), key))


def put(connection: Connection, table: Table, **values: Any) -> None:
    """A new row; an IntegrityError when there is one."""
    connection.execute(insert(table), values)


def change(connection: Connection, table: Table, key: Mapping[str, Any], **values: Any) -> bool:
    """Set columns of the row at ``key``; whether there is one."""
    statement = _update(table, tuple(key), tuple(values), adds=False)
    return bool(connection.execute(statement, _named(key, values)).rowcount)


def add(connection: Connection, table: Table, key: Mapping[str, Any], amounts: Mapping[str, int]) -> None:
    """Add to the row at ``key``, which is made when it is not there. Safe because postings of a club are serialised."""
    statement = _update(table, tuple(key), tuple(amounts), adds=True)
    if connection.execute(statement, _named(key, amounts)).rowcount == 0:
        put(connection, table, **key, **amounts)


def _named(key: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {**{f"at_{name}": value for name, value in key.items()}, **{f"to_{n}": v for n, v in values.items()}}


@lru_cache(maxsize=64)
def _select(table: Table, key: tuple[str, ...]) -> Select[Any]:
    return select(table).where(*(table.c[name] == bindparam(name) for name in key))


@lru_cache(maxsize=64)
def _update(table: Table, key: tuple[str, ...], columns: tuple[str, ...], *, adds: bool) -> Update:
    def value(name: str) -> Any:
        given = bindparam(f"to_{name}", type_=table.c[name].type)
        return table.c[name] + given if adds else given

    where = (table.c[name] == bindparam(f"at_{name}") for name in key)
    return update(table).where(*where).values({name: value(name) for name in columns})
