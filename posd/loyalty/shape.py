"""The shape of an owner's document: which keys a table has and what each may hold.

A table is a frozen dataclass whose fields are ``Annotated[type, Key]``. The one description is read three ways: to
check a document and build the dataclass, to publish the JSON Schema, and to tell the owner every problem at once.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar, get_type_hints

from posd.tables import nearest

T = TypeVar("T")
Path = tuple[str | int, ...]

LARGEST = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8259 §6)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a document that its owner must change. ``line``: counted from 1, where it is known."""

    path: Path
    message: str
    line: int | None = None

    @property
    def where(self) -> str:
        """``rules[0].per_minor``"""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).lstrip(".") or "the document"

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line else ""
        return f"{line}{self.where}: {self.message}"


class Key(Protocol):
    """What one key may hold. `read` returns the value as the dataclass wants it, or notes a problem."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any: ...
    def schema(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer between two bounds. Floats and booleans are refused: money is never nearly right."""

    says: str
    minimum: int = 0
    maximum: int = LARGEST

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        if type(value) is not int:
            problems.append(Problem(path, f"must be a whole number, not {value!r}"))
        elif not self.minimum <= value <= self.maximum:
            problems.append(Problem(path, f"must be from {self.minimum} to {self.maximum}, not {value}"))
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum, "description": self.says}


@dataclass(frozen=True, slots=True)
class Word:
    """A short name that entries keep for ever: small Latin letters, digits, ``-`` and ``_``."""

    says: str

    PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        if not isinstance(value, str) or not re.fullmatch(self.PATTERN, value):
            problems.append(Problem(path, f"must be a short name such as 'base' (a-z, 0-9, - and _), not {value!r}"))
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": self.PATTERN, "description": self.says}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words; with ``enum`` the value becomes a member of it."""

    says: str
    options: tuple[str, ...]
    enum: type[StrEnum] | None = None

    @classmethod
    def of(cls, says: str, enum: type[StrEnum]) -> Choice:
        return cls(says, tuple(member.value for member in enum), enum)

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        if value not in self.options:
            problems.append(Problem(path, f"{value!r} is not known{nearest(str(value), self.options)}"))
            return value
        return self.enum(value) if self.enum else value

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.options), "description": self.says}


@dataclass(frozen=True, slots=True)
class Names:
    """What people call it: language code → name, at least one."""

    says: str

    LANGUAGE = r"^[a-z]{2,3}$"

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        if not isinstance(value, Mapping) or not value:
            problems.append(Problem(path, 'must give a name per language, as in { en = "Club", fa = "باشگاه" }'))
            return value
        for language, name in value.items():
            if not re.fullmatch(self.LANGUAGE, str(language)):
                problems.append(Problem((*path, language), "is not a language code such as 'fa'"))
            elif not isinstance(name, str) or not name.strip():
                problems.append(Problem((*path, language), f"must be a name, not {name!r}"))
        return dict(value)

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": self.LANGUAGE},
            "additionalProperties": {"type": "string", "pattern": r"\S"},
            "description": self.says,
        }


@dataclass(frozen=True, slots=True)
class Moment:
    """An RFC 3339 instant, read as Unix milliseconds. Owners write it with its offset, so that no till needs to know
    the time zone; TOML's own date-times become such text first."""

    says: str

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        try:
            instant = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            instant = None
        if instant is None or instant.tzinfo is None:
            problems.append(Problem(path, f"must be like 2026-03-21T00:00:00+03:30 (with the offset), not {value!r}"))
            return None
        # Whole seconds by integer arithmetic: timestamp() is a float.
        elapsed = instant - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
        return (elapsed.days * 86_400 + elapsed.seconds) * 1000

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time", "description": self.says}


@dataclass(frozen=True, slots=True)
class Tables:
    """A list of tables of one shape."""

    says: str
    table: type[Any]

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        if not isinstance(value, list | tuple) or not value:
            problems.append(Problem(path, "must be a list with at least one table"))
            return ()
        return tuple(read_table(self.table, item, (*path, n), problems) for n, item in enumerate(value))

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "items": table_schema(self.table), "description": self.says}


@dataclass(frozen=True, slots=True)
class Kinds:
    """A list of tables whose key ``kind`` says which shape each has."""

    says: str
    kinds: Mapping[str, type[Any]]

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        if not isinstance(value, list | tuple) or not value:
            problems.append(Problem(path, "must be a list with at least one table"))
            return ()
        return tuple(self._read_one(item, (*path, n), problems) for n, item in enumerate(value))

    def _read_one(self, item: Any, path: Path, problems: list[Problem]) -> Any:
        kind = item.get("kind") if isinstance(item, Mapping) else None
        table = self.kinds.get(kind) if isinstance(kind, str) else None
        if table is None:
            problems.append(Problem((*path, "kind"), f"{kind!r} is not known{nearest(str(kind), self.kinds)}"))
            return None
        rest = {key: value for key, value in item.items() if key != "kind"}
        return read_table(table, rest, path, problems)

    def schema(self) -> dict[str, Any]:
        shapes = [_with_kind(table_schema(table), kind) for kind, table in self.kinds.items()]
        return {"type": "array", "minItems": 1, "items": {"oneOf": shapes}, "description": self.says}


def keys_of(table: type[Any]) -> dict[str, Key]:
    """The keys of a table in the order in which they are declared."""
    hints = get_type_hints(table, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in dataclasses.fields(table)}


def required_keys(table: type[Any]) -> list[str]:
    return [field.name for field in dataclasses.fields(table) if field.default is dataclasses.MISSING]


def read_table(table: type[T], document: Any, path: Path, problems: list[Problem]) -> T | None:
    """Build ``table`` from ``document``, or note every problem and return None.

    A table that has a method ``flaw()`` may also refuse a combination of values, in words for the owner.
    """
    if not isinstance(document, Mapping):
        problems.append(Problem(path, "must be a table"))
        return None
    before = len(problems)
    keys = keys_of(table)
    problems += [Problem((*path, key), f"unknown key{nearest(str(key), keys)}") for key in document if key not in keys]
    problems += [Problem((*path, key), "is missing") for key in required_keys(table) if key not in document]
    values = {key: keys[key].read(document[key], (*path, key), problems) for key in keys if key in document}
    if len(problems) > before:
        return None
    built = table(**values)
    flaw = built.flaw() if hasattr(built, "flaw") else None
    if flaw:
        problems.append(Problem(path, flaw))
    return built


def table_schema(table: type[Any]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a table."""
    return {
        "type": "object",
        "description": " ".join((table.__doc__ or "").split()),
        "properties": {name: key.schema() for name, key in keys_of(table).items()},
        "required": required_keys(table),
        "additionalProperties": False,
    }


def _with_kind(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    properties = {"kind": {"const": kind}, **schema["properties"]}
    return {**schema, "properties": properties, "required": ["kind", *schema["required"]]}
