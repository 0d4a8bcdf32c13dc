"""From a table of TOML to a frozen dataclass, strictly: unknown keys, missing keys and wrong types are errors that say
where they stand and what was probably meant."""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from posd.errors import ConfigError

T = TypeVar("T")


def from_table(cls: type[T], table: Any, where: str, also: Iterable[str] = ()) -> T:
    """Build ``cls`` (a dataclass) from ``table``. ``where`` names the table in messages, as in ``[shop]``; ``also`` are
    keys of it that somebody else has taken out, for the hint at a misspelt one.

    Understands str, int, bool, enums by value, ``X | None``, tuples of those, nested dataclasses and plain mappings.
    Raises `ConfigError`.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # T is a dataclass
    for key in table:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {key!r}{nearest(key, [*fields, *also])}")
    values = {
        name: _convert(hints[name], table[name], f"{where} {name}") for name, field in fields.items() if name in table
    }
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise ConfigError(f"{where}: {name!r} is missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def nearest(word: str, known: Any) -> str:
    """``; did you mean 'x'?`` when one of ``known`` looks like ``word``, else the list of what there is."""
    names = sorted(str(name) for name in known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known here: {', '.join(names)}"


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_optional(get_args(hint), value, where)
    if origin is tuple:
        return _convert_tuple(get_args(hint)[0], value, where)
    if dataclasses.is_dataclass(hint):
        return from_table(hint, value, where)  # type: ignore[arg-type]  # a dataclass type, as just checked
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _convert_enum(hint, value, where)
    wanted = Mapping if origin is not None or hint is Mapping else hint
    if wanted is Any or (isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))):
        return value
    raise ConfigError(f"{where} must be {_name(wanted)}, not {value!r}")


def _convert_optional(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    others = [choice for choice in choices if choice is not type(None)]
    if value is None and len(others) < len(choices):
        return None
    return _convert(others[0], value, where)


def _convert_tuple(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} must be a list")
    return tuple(_convert(hint, item, f"{where}[{n}]") for n, item in enumerate(value))


def _convert_enum(hint: type[Enum], value: Any, where: str) -> Enum:
    try:
        return hint(value)
    except ValueError:
        known = [member.value for member in hint]
        raise ConfigError(f"{where}: {value!r} is not known{nearest(str(value), known)}") from None


def _name(hint: Any) -> str:
    return {str: "text", int: "a whole number", bool: "true or false", Mapping: "a table"}.get(hint, str(hint))
