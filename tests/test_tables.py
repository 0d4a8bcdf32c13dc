"""From TOML tables to dataclasses: what is taken, what is refused, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest

from posd.errors import ConfigError
from posd.tables import from_table, nearest


class Colour(Enum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Inner:
    size: int = 1


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 0
    flag: bool = False
    colour: Colour = Colour.RED
    inner: Inner = field(default_factory=Inner)
    many: tuple[str, ...] = ()
    perhaps: int | None = None
    free: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count must not be negative")


def test_everything_that_can_stand_in_a_table() -> None:
    table = {
        "name": "x",
        "count": 3,
        "flag": True,
        "colour": "green",
        "inner": {"size": 5},
        "many": ["a", "b"],
        "perhaps": 7,
        "free": {"any": [1, "x"]},
    }
    assert from_table(Outer, table, "[t]") == Outer(
        "x", 3, True, Colour.GREEN, Inner(5), ("a", "b"), 7, {"any": [1, "x"]}
    )
    assert from_table(Outer, {"name": "x", "perhaps": None}, "[t]") == Outer("x")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([], "[t] must be a table"),
        ({}, "'name' is missing"),
        ({"name": "x", "cuont": 1}, "did you mean 'count'?"),
        ({"name": "x", "zzz": 1}, "known here: colour, count"),
        ({"name": 1}, "[t] name must be text, not 1"),
        ({"name": "x", "count": True}, "count must be a whole number"),
        ({"name": "x", "count": 1.5}, "count must be a whole number"),
        ({"name": "x", "flag": 1}, "flag must be true or false"),
        ({"name": "x", "colour": "gren"}, "did you mean 'green'?"),
        ({"name": "x", "inner": {"sise": 1}}, "[t] inner: unknown key 'sise'; did you mean 'size'?"),
        ({"name": "x", "many": "abc"}, "many must be a list"),
        ({"name": "x", "many": ["a", 2]}, "many[1] must be text"),
        ({"name": "x", "perhaps": "x"}, "perhaps must be a whole number"),
        ({"name": "x", "free": 5}, "free must be a table"),
        ({"name": "x", "count": -1}, "[t]: count must not be negative"),
    ],
)
def test_what_is_refused_is_named(table: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_table(Outer, table, "[t]")
    assert said in str(caught.value)


def test_nearest() -> None:
    assert nearest("lauout", ["layout", "address"]) == "; did you mean 'layout'?"
    assert nearest("x", ["b", "a"]) == "; known here: a, b"
