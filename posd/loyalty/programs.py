"""Programs: versioned documents in which an owner says how members earn and spend.

A document is a JSON-able mapping; it travels from the club to the tills and is kept with its version for ever, because
entries name program, version and rule. `docs/programs.md` explains every key to owners.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Annotated, Any, Final, Generic, TypeVar

from posd.loyalty.lines import line_of, lines_of_keys
from posd.loyalty.rules import KINDS, Rule
from posd.loyalty.shape import Choice, Kinds, Moment, Names, Problem, Whole, Word, read_table
from posd.units import CREDIT, POINTS, UNITS

R = TypeVar("R")

TEMPLATES: Final = ("points_per_amount", "percent_credit", "tiers")
"""Ready programs: ``templates/<name>.toml`` in this package. Reading files is the caller's work (this room is pure)::

    text = importlib.resources.files("posd.loyalty").joinpath("templates", name + ".toml").read_text("utf-8")
"""

MONEY = tuple(code for code in UNITS if code not in (POINTS, CREDIT))


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was checked. In force from ``starts_at`` (included) to ``ends_at`` (excluded)."""

    id: Annotated[str, Word("Names the program in every entry; never change it.")]
    version: Annotated[int, Whole("Rises with each change; the highest version in force counts.", minimum=1)]
    currency: Annotated[str, Choice("Sales in this currency only.", MONEY)]
    name: Annotated[Mapping[str, str], Names("What people call it.")]
    rules: Annotated[tuple[Rule, ...], Kinds("What members earn, may spend, and become.", KINDS)]
    starts_at: Annotated[int | None, Moment("In force from this instant on; always, if left out.")] = None
    ends_at: Annotated[int | None, Moment("Not in force from this instant on; never ends, if left out.")] = None

    def flaw(self) -> str | None:
        ids = [rule.id for rule in self.rules]
        if len(set(ids)) < len(ids):
            return "two rules have the same id; give each its own"
        if self.starts_at is not None and self.ends_at is not None and self.starts_at >= self.ends_at:
            return "ends_at must be later than starts_at"
        return None

    def started(self, now_ms: int) -> bool:
        return self.starts_at is None or self.starts_at <= now_ms

    def ended(self, now_ms: int) -> bool:
        return self.ends_at is not None and self.ends_at <= now_ms


@dataclass(frozen=True, slots=True)
class Placed(Generic[R]):
    """A rule in its program."""

    program: Program
    rule: R


def parse_program(document: Mapping[str, Any]) -> Program | list[Problem]:
    """A program, or everything that its owner must change."""
    problems: list[Problem] = []
    program = read_table(Program, document, (), problems)
    return problems or program or [Problem((), "is empty")]


def document_from_toml(text: str) -> dict[str, Any] | list[Problem]:
    """The JSON-able document of a TOML text: date-times become RFC 3339 text."""
    try:
        return {key: _json_able(value) for key, value in tomllib.loads(text).items()}
    except tomllib.TOMLDecodeError as error:
        return [Problem((), f"is not TOML: {error}")]


def program_from_toml(text: str) -> Program | list[Problem]:
    """As `parse_program`; problems name the line."""
    document = document_from_toml(text)
    parsed = document if isinstance(document, list) else parse_program(document)
    if isinstance(parsed, Program):
        return parsed
    lines = lines_of_keys(text)
    return [replace(problem, line=line_of(lines, problem.path)) for problem in parsed]


def newest(programs: Iterable[Program]) -> tuple[Program, ...]:
    """Of each program the highest version, in the order of their ids, whatever order they came in."""
    by_id: dict[str, Program] = {}
    for program in programs:
        known = by_id.get(program.id)
        if known is None or program.version > known.version:
            by_id[program.id] = program
    return tuple(by_id[key] for key in sorted(by_id))


def in_force(programs: Iterable[Program], now_ms: int) -> tuple[Program, ...]:
    """Of each program the highest version that has started by ``now_ms``, unless that one has ended."""
    current = newest(program for program in programs if program.started(now_ms))
    return tuple(program for program in current if not program.ended(now_ms))


def rules_of(programs: Sequence[Program], *kinds: type[R]) -> Iterator[Placed[R]]:
    """The rules of some kinds in document order."""
    for program in programs:
        for rule in program.rules:
            if isinstance(rule, kinds):
                yield Placed(program, rule)


def _json_able(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _json_able(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_able(item) for item in value]
    return value.isoformat() if isinstance(value, datetime | date | time) else value
