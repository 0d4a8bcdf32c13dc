"""An operation of the API: method, path, who may, what goes in, what comes out. One table drives the routing, the
checks and `/openapi.json`, so that none of them can say something else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from posd.api.gate import CALLER
from posd.api.port import Caller, Refused
from posd.api.problems import problem_body
from posd.api.rules import READS, header
from posd.api.scopes import GRANTABLE, Scope
from posd.api.shapes import Record, Shape, Text, Whole, parse_json

T = TypeVar("T")

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

IDENTIFIER = r"[0-9A-Za-z_.:-]{1,64}"
"""Ids of members, sales, reads and readers in paths and bodies."""

_NO_QUERY = Record({})
_IDEMPOTENCY_KEY = Text(max_length=64, pattern=r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked. ``idempotency_key`` is empty where the operation needs none."""

    request: Request
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """``scopes``: any one of them opens it; empty = everybody whom the gate let in. ``answer`` names a schema of
    `posd.api.answers`; None = no document. ``public``: without a token."""

    method: str
    path: str
    run: Callable[[Call], Awaitable[Response]]
    summary: str
    scopes: frozenset[Scope] = frozenset()
    body: Shape | None = None
    query: Record = _NO_QUERY
    answer: str | None = None
    status: int = 200
    idempotent: bool = False
    public: bool = False
    notes: str = ""
    example: Mapping[str, Any] | None = field(default=None)
    """Of the body."""


def routes_of(operations: list[Operation]) -> list[Route]:
    """Routes for Starlette; two operations on one path become one route, so that a wrong method is 405."""
    paths: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = operation
    return [Route(path, _endpoint(by_method), methods=_METHODS) for path, by_method in paths.items()]


def _endpoint(by_method: Mapping[str, Operation]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        operation = by_method.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            return _wrong_method(", ".join(by_method))
        return await operation.run(await _checked(operation, request))

    return endpoint


def _wrong_method(allowed: str) -> Response:
    kind, body = problem_body(Refused(405, "method_not_allowed", f"this address takes {allowed}"))
    return Response(body, 405, {"allow": allowed}, media_type=kind)


async def _checked(operation: Operation, request: Request) -> Call:
    caller: Caller = request.scope[CALLER]
    if operation.scopes and not operation.scopes & caller.scopes:
        needed = " or ".join(sorted(operation.scopes))
        way = "pair again with it" if operation.scopes & GRANTABLE else "no token has it, see docs/security.md"
        raise Refused(403, "scope_missing", f"this needs the scope {needed}; {way}")
    path = {key: _identifier(key, value) for key, value in request.path_params.items()}
    query = operation.query.read(_query(operation.query, request), "")
    body = await request.body() if operation.method not in READS else b""
    document = operation.body.read(parse_json(body), "") if operation.body else None
    return Call(request, caller, path, query, document, _idempotency_key(operation, request))


def _identifier(key: str, value: str) -> str:
    return Text(max_length=64, pattern=IDENTIFIER).read(value, key)


def _query(shape: Record, request: Request) -> dict[str, Any]:
    """The query with numbers where the shape wants numbers. A name that comes twice is refused."""
    pairs = request.query_params.multi_items()
    document: dict[str, Any] = dict(pairs)
    if len(document) != len(pairs):
        raise Refused(422, "field_invalid", "each name may stand in the address once")
    for key, value in document.items():
        digits = value.isascii() and value.isdecimal() and len(value) <= 16
        if isinstance(shape.fields.get(key), Whole) and digits:
            document[key] = int(value)
    return document


def _idempotency_key(operation: Operation, request: Request) -> str:
    if not operation.idempotent:
        return ""
    key = header(request.headers.raw, b"idempotency-key")
    if key is None:
        raise Refused(
            400,
            "idempotency_key_missing",
            "send an Idempotency-Key that is new for each sale and the same for each try of it",
        )
    return _IDEMPOTENCY_KEY.read(key, "Idempotency-Key")


async def settled(future: Future[T]) -> T:
    """What the till will have done. A client that goes away does not call the till back: the sale goes on, and the
    same Idempotency-Key fetches its answer."""
    return await asyncio.shield(asyncio.wrap_future(future))
