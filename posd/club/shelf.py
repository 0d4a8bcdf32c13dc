"""Rows at hand while a run of entries is posted.

Posting one entry reads and writes a dozen rows; asked one by one, each would be a round trip. A shelf is told what a
whole run will ask for, fetches it at once, shows what was written on it as if it were in the database already, and
sends that at the end. What it was not told of it fetches when it is asked.

It may believe itself because whoever posts holds the lock of the club's row (`posd.club.changes`): nobody else changes
these rows meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, DefaultClause, Table

from posd.club.bulk import change_rows, insert_rows, rows_at

Row = Mapping[str, Any]
Key = tuple[Any, ...]
_NONE: dict[Any, Any] = {}


class AlreadyThere(ValueError):
    """A row that was put a second time."""


class Shelf:
    """Rows of one club, in one transaction. Keys are primary keys without ``club_id``, or the first part of one."""

    def __init__(self, connection: Connection, club_id: str) -> None:
        self.connection = connection
        self._club_id = club_id
        self._rows: dict[Table, dict[Any, dict[Key, dict[str, Any]]]] = {}
        """Table → first part of the key → key → row."""
        self._known: dict[Table, set[Key]] = {}
        """Keys, or first parts of keys, that were fetched: what is not among the rows is not there."""
        self._indexes: dict[Table, dict[str, _Index]] = {}
        self._new: dict[Table, dict[Key, dict[str, Any]]] = {}
        self._changed: dict[Table, dict[Key, dict[str, Any]]] = {}
        self._columns: dict[Table, set[str]] = {}
        """Which columns were changed in any row."""

    def fetch(self, table: Table, keys: Iterable[Key]) -> None:
        """Read in one go what will be asked for. All ``keys`` are of one length."""
        wanted = [key for key in dict.fromkeys(keys) if not self._knows(table, key)]
        if not wanted:
            return
        names = ("club_id", *_key_columns(table)[: len(wanted[0])])
        self.keep(table, rows_at(self.connection, table, names, [(self._club_id, *key) for key in wanted]))
        self._known.setdefault(table, set()).update(wanted)

    def keep(self, table: Table, rows: Iterable[dict[str, Any]]) -> None:
        """Rows that were read elsewhere, in this transaction. They belong to the shelf from now on."""
        shelf = self._rows.setdefault(table, {})
        for row in rows:
            key = _key_of(table, row)
            kept = shelf.setdefault(key[0], {}).setdefault(key, row)
            self._note(table, key, kept)

    def fetch_by(self, table: Table, column: str, values: Iterable[str]) -> None:
        """The same for `find_by`."""
        index = self._index(table, column)
        wanted = [value for value in dict.fromkeys(values) if value not in index.known]
        if not wanted:
            return
        given = [(self._club_id, value) for value in wanted]
        self.keep(table, rows_at(self.connection, table, ("club_id", column), given))
        index.known.update(wanted)

    def find(self, table: Table, *key: Any) -> Row | None:
        """The row at a whole key, or None."""
        return self._find(table, key)

    def find_all(self, table: Table, first: str) -> list[Row]:
        """All rows whose key begins with ``first``."""
        self.fetch(table, [(first,)])
        return list(self._rows.get(table, _NONE).get(first, _NONE).values())

    def find_by(self, table: Table, column: str, value: str) -> list[Row]:
        """All rows that have ``value`` there now."""
        self.fetch_by(table, column, [value])
        found = self._index(table, column).rows.get(value, {})
        return [row for row in found.values() if row[column] == value]

    def put(self, table: Table, **values: Any) -> None:
        """A new row. Raises `AlreadyThere`; when only the database knows of one, `send` will raise IntegrityError."""
        row = {**_blank(table), "club_id": self._club_id, **values}
        key = _key_of(table, row)
        group = self._rows.setdefault(table, {}).setdefault(key[0], {})
        if key in group:
            raise AlreadyThere(f"table {table.name} has this row")
        group[key] = self._new.setdefault(table, {})[key] = row
        self._note(table, key, row)

    def change(self, table: Table, key: Key, **values: Any) -> None:
        """Set columns of the row at ``key``; nothing when there is none."""
        row = self._find(table, key)
        if row is not None:
            self._set(table, key, row, values)

    def add(self, table: Table, key: Key, **amounts: int) -> None:
        """Add to the row at ``key``, which is made when it is not there."""
        row = self._find(table, key)
        if row is None:
            self.put(table, **dict(zip(_key_columns(table), key, strict=True)), **amounts)
        else:
            self._set(table, key, row, {name: row[name] + amount for name, amount in amounts.items()})

    def send(self) -> None:
        """Write down all that was put and changed."""
        for table, rows in self._new.items():
            insert_rows(self.connection, table, tuple(_blank(table)), [tuple(row.values()) for row in rows.values()])
        for table, rows in self._changed.items():
            names = ("club_id", *_key_columns(table), *sorted(self._columns[table]))
            change_rows(self.connection, table, names, [[row[name] for name in names] for row in rows.values()])
        self._new, self._changed, self._columns = {}, {}, {}

    def _knows(self, table: Table, key: Key) -> bool:
        known = self._known.get(table, ())
        return key in known or key[:1] in known or key in self._rows.get(table, _NONE).get(key[0], _NONE)

    def _find(self, table: Table, key: Key) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._rows.get(table, _NONE).get(key[0], _NONE).get(key)
        if found is None and not self._knows(table, key):
            self.fetch(table, [key])
            found = self._rows[table].get(key[0], _NONE).get(key)
        return found

    def _set(self, table: Table, key: Key, row: dict[str, Any], values: Mapping[str, Any]) -> None:
        row.update(values)
        self._note(table, key, row)
        if key not in self._new.get(table, _NONE):
            self._changed.setdefault(table, {})[key] = row
            self._columns.setdefault(table, set()).update(values)

    def _index(self, table: Table, column: str) -> _Index:
        indexes = self._indexes.setdefault(table, {})
        index = indexes.get(column)
        if index is None:
            index = indexes[column] = _Index(column)
            for group in self._rows.get(table, {}).values():
                for key, row in group.items():
                    index.note(key, row)
        return index

    def _note(self, table: Table, key: Key, row: dict[str, Any]) -> None:
        for index in self._indexes.get(table, _NONE).values():
            index.note(key, row)


class _Index:
    """Rows by the value of a column. A row stays where it once was; whoever asks looks at what it says now."""

    def __init__(self, column: str) -> None:
        self._column = column
        self.known: set[str] = set()
        """Values that were fetched."""
        self.rows: dict[str, dict[Key, dict[str, Any]]] = {}

    def note(self, key: Key, row: dict[str, Any]) -> None:
        self.rows.setdefault(row[self._column], {})[key] = row


@lru_cache(maxsize=64)
def _key_columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key if column.name != "club_id")


@lru_cache(maxsize=64)
def _blank(table: Table) -> Row:
    """A row in which nothing was said yet: every column as the database would fill it."""
    return {column.name: _default(column) for column in table.columns}


def _default(column: Column[Any]) -> Any:
    given = column.server_default
    if not isinstance(given, DefaultClause):
        return None
    return column.type.python_type(str(given.arg))


def _key_of(table: Table, values: Mapping[str, Any]) -> Key:
    return tuple([values[name] for name in _key_columns(table)])
