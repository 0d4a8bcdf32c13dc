"""Shapes of JSON documents: one description that both reads a request strictly and tells `/openapi.json` about it.

Reading refuses (422) what is unknown, missing or out of bounds and says where: ``lines[2].amount_minor``. Numbers are
integers within ±10^15; there are no floats in the API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from posd.api.port import Refused
from posd.tables import nearest

BOUND = 10**15


class Shape(Protocol):
    """``read`` gives the value, or raises `Refused`; ``where`` names it in messages. ``schema`` is JSON Schema."""

    def read(self, value: Any, where: str) -> Any: ...
    def schema(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer; true is not 1, and 1.0 is not 1 either."""

    minimum: int = -BOUND
    maximum: int = BOUND

    def read(self, value: Any, where: str) -> int:
        if type(value) is not int:
            _refuse(where, "must be a whole number without quotes or decimals")
        if not self.minimum <= value <= self.maximum:
            _refuse(where, f"must be from {self.minimum} to {self.maximum}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class Text:
    """Text of so many characters. ``pattern`` must match it whole; ``controls`` lets control characters in, as in the
    data of a barcode."""

    max_length: int = 200
    min_length: int = 1
    pattern: str | None = None
    controls: bool = False

    def read(self, value: Any, where: str) -> str:
        if not isinstance(value, str):
            _refuse(where, "must be text")
        if not self.min_length <= len(value) <= self.max_length:
            _refuse(where, f"must have {self.min_length} to {self.max_length} characters")
        if not self.controls and not value.isprintable():
            _refuse(where, "must not contain control characters")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            _refuse(where, f"must match {self.pattern}")
        return value

    def schema(self) -> dict[str, Any]:
        schema = {"type": "string", "minLength": self.min_length, "maxLength": self.max_length}
        return schema if self.pattern is None else {**schema, "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, slots=True)
class Truth:
    def read(self, value: Any, where: str) -> bool:
        if not isinstance(value, bool):
            _refuse(where, "must be true or false")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    values: tuple[str, ...]

    def read(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in self.values:
            _refuse(where, "is none of the known words" + nearest(str(value)[:40], self.values))
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.values)}


@dataclass(frozen=True, slots=True)
class Maybe:
    """The shape, or null."""

    shape: Shape

    def read(self, value: Any, where: str) -> Any:
        return None if value is None else self.shape.read(value, where)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.shape.schema(), {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class ManyOf:
    item: Shape
    at_least: int = 0
    at_most: int = 500

    def read(self, value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            _refuse(where, "must be a list")
        if not self.at_least <= len(value) <= self.at_most:
            _refuse(where, f"must have {self.at_least} to {self.at_most} items")
        return [self.item.read(item, f"{where}[{n}]") for n, item in enumerate(value)]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(), "minItems": self.at_least, "maxItems": self.at_most}


@dataclass(frozen=True, slots=True)
class MapOf:
    """Names of one form to values of one shape, as in ``{"CREDIT": 50000}``."""

    pattern: str
    item: Shape
    at_most: int = 16

    def read(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping) or len(value) > self.at_most:
            _refuse(where, f"must be an object with at most {self.at_most} keys")
        for key in value:
            if not re.fullmatch(self.pattern, key):
                _refuse(where, f"has a key that does not match {self.pattern}")
        return {key: self.item.read(item, f"{where}.{key}") for key, item in value.items()}

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{self.pattern})$"},
            "additionalProperties": self.item.schema(),
            "maxProperties": self.at_most,
        }


@dataclass(frozen=True, slots=True)
class Record:
    """An object with known keys; those of ``required`` must be there."""

    fields: Mapping[str, Shape]
    required: frozenset[str] = field(default_factory=frozenset)

    def read(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            _refuse(where, "must be an object")
        for key in value:
            if key not in self.fields:
                unknown = json.dumps(key[:40], ensure_ascii=True)
                place = f"{where}: " if where else ""
                raise Refused(422, "field_unknown", f"{place}unknown field {unknown}{nearest(key[:40], self.fields)}")
        for key in sorted(self.required):
            if key not in value:
                raise Refused(422, "field_missing", f"{_inside(where, key)} is missing")
        return {key: self.fields[key].read(item, _inside(where, key)) for key, item in value.items()}

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {key: shape.schema() for key, shape in self.fields.items()},
            "required": sorted(self.required),
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class Tagged:
    """One of several records, told apart by the value of one key: ``{"do": "use", …}``."""

    tag: str
    records: Mapping[str, Record]

    def read(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            _refuse(where, "must be an object")
        if self.tag not in value:
            raise Refused(422, "field_missing", f"{_inside(where, self.tag)} is missing")
        word = Choice(tuple(self.records)).read(value[self.tag], _inside(where, self.tag))
        rest = {key: item for key, item in value.items() if key != self.tag}
        return {self.tag: word, **self.records[word].read(rest, where)}

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [self._tagged(word, record) for word, record in self.records.items()]}

    def _tagged(self, word: str, record: Record) -> dict[str, Any]:
        tagged = Record({self.tag: Choice((word,)), **record.fields}, record.required | {self.tag})
        return tagged.schema()


def record(*required: str, **fields: Shape) -> Record:
    """``record("name", name=Text(), note=Text())``: the names of required fields, then all fields."""
    return Record(fields, frozenset(required))


def parse_json(body: bytes) -> Any:
    """The document of a body; empty is an empty object. Raises `Refused` 400 for anything that is not strict UTF-8
    JSON with integers only and each key once."""
    try:
        document = json.loads(
            body.decode("utf-8") or "{}",
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            object_pairs_hook=_distinct,
        )
        json.dumps(document, ensure_ascii=False).encode()  # half of a surrogate pair is no character
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, _Strict) else "send one JSON object in UTF-8"
        raise Refused(400, "json_malformed", f"the body cannot be read: {reason}") from None
    return document


class _Strict(ValueError):
    """JSON by the letter, but not for us."""


def _refuse_number(_: str) -> NoReturn:
    raise _Strict("numbers are whole numbers, amounts are in minor parts of their unit")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _Strict("a key stands there twice")
    return document


def _inside(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _refuse(where: str, why: str) -> NoReturn:
    raise Refused(422, "field_invalid", f"{where or 'the body'} {why}")
