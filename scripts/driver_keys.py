"""The keys of each bundled driver, from its configuration dataclass: name, default, and what its docstring says.

A meaning is a string below the field, or in the docstring of its class: "``key``: text", "``one``, ``other``: text".
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args, get_type_hints

from posd.drivers.base import DriverSpec
from posd.drivers.read_filter import ReadOptions
from posd.drivers.registry import BrokenDriver, driver_names, load_driver
from posd.events import DeviceClass
from scripts.markdown import table


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One key of a ``[[reader]]`` table; ``default`` is empty where the key must be there."""

    name: str
    default: str
    meaning: str


def bundled_drivers() -> dict[str, DriverSpec]:
    found = {name: load_driver(name) for name in driver_names()}
    return {
        name: spec
        for name, spec in found.items()
        if not isinstance(spec, BrokenDriver) and spec.config_type.__module__.startswith("posd.")
    }


def config_keys(config: type[Any], prefix: str = "") -> Iterator[Key]:
    """Fields of ``config``; those of a dataclass within it are ``card.aid``. One that may be left out has a row too."""
    meanings, hints = _meanings(config), get_type_hints(config)
    for field in dataclasses.fields(config):
        hint, name = hints[field.name], prefix + field.name
        inner = next((part for part in (hint, *get_args(hint)) if dataclasses.is_dataclass(part)), None)
        if inner is not hint:
            own = meanings.get(field.name) or (_first_sentence(inner) if inner else "")
            yield Key(name, _default(field), "; ".join(part for part in (own, _choices(hint)) if part))
        if isinstance(inner, type):
            yield from config_keys(inner, f"{name}.")


def driver_tables() -> str:
    parts = ["### Every reader", _key_table(ReadOptions)]
    for name, spec in bundled_drivers().items():
        parts += [f"### `{name}`", _headline(spec.config_type), _key_table(spec.config_type)]
    return "\n\n".join(parts)


def _key_table(config: type[Any]) -> str:
    rows = [(f"`{key.name}`", key.default, key.meaning) for key in config_keys(config)]
    return table(["key", "default", "meaning"], rows)


def _headline(config: type[Any]) -> str:
    """First sentence of the driver's module."""
    return _first_sentence(sys.modules[config.__module__])


def _first_sentence(documented: object) -> str:
    return _plain(re.split(r"(?<=\.)\s|\n\n", inspect.getdoc(documented) or "", maxsplit=1)[0])


def _meanings(config: type[Any]) -> dict[str, str]:
    in_class = re.split(r"((?:``\w+``,\s)*``\w+``):\s", inspect.getdoc(config) or "")
    found = {
        name: _plain(text).rstrip(".,;")
        for names, text in zip(in_class[1::2], in_class[2::2], strict=True)
        for name in re.findall(r"\w+", names)
    }
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(config))).body
    assert isinstance(definition, ast.ClassDef)
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(field.target)] = _plain(str(below.value.value)).rstrip(".")
    return found


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _choices(hint: Any) -> str:
    if not (isinstance(hint, type) and issubclass(hint, Enum)):
        return ""
    # A driver that serves several classes reads stripes and codes; chips have drivers of their own.
    return "one of " + ", ".join(f"`{member.value}`" for member in hint if member is not DeviceClass.SMARTCARD)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return _toml(field.default_factory())
    return "" if field.default is dataclasses.MISSING else _toml(field.default)


def _toml(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, bytes):
        return f"`{value.hex().upper()}`"
    if isinstance(value, tuple | list):
        return f"`[{', '.join(_toml(item).strip('`') for item in value)}]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"
