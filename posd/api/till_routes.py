"""The till itself: health, status, readers, the cashier's view and its actions, sync, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from posd.api.operations import Call, Operation, settled
from posd.api.port import Refused, TillPort
from posd.api.scopes import Scope
from posd.api.shapes import Choice, Maybe, Tagged, Text, Truth, Whole, record
from posd.drivers.base import HealthLevel

SyncServe = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""``serve(method, document) -> document``: the till's half of posd-sync; may block. LookupError: no such method."""

_SYNC_WAITS = 8
"""Lanes of posd-sync that may wait for work at once."""

_UNIT_FIELD = Text(max_length=16, pattern=r"[A-Z][A-Z0-9_]{1,15}")
_SALE_ID = Text(max_length=64, pattern=r"[0-9A-Za-z_-]+")

ACTIONS = {
    "amount": record("amount_minor", amount_minor=Maybe(Whole(0))),
    "use": record("unit", "on", unit=_UNIT_FIELD, on=Truth()),
    "confirm": record(),
    "back": record(),
    "find_start": record(),
    "find": record("phone", phone=Text(max_length=40, min_length=0)),
    "enrol_start": record(),
    "enrol": record(
        "phone",
        "name",
        "consent",
        phone=Text(max_length=40, min_length=0),
        name=Text(max_length=80, min_length=0),
        consent=Truth(),
        link=Truth(),
    ),
    "skip": record(),
    "switch_member": record(),
    "refund_start": record(sale_id=_SALE_ID),
    "refund_line": record("n", "quantity_milli", n=Whole(1, 9999), quantity_milli=Whole(0)),
    "refund_all": record(),
    "refund_none": record(),
    "undo": record(),
    "language": record("language", language=Choice(("en", "fa", "ar"))),
}
"""The actions of `docs/cashier-view.md`, by their ``do``."""

_PAGE = frozenset({Scope.PAGE})
LONGEST_KEY = 64
_SIMULATED_EXAMPLE = {"kind": "scan", "data": "9800000000012345"}


def till_operations(port: TillPort, simulated_readers: bool) -> list[Operation]:
    operations = [*_state_operations(port), *_reader_operations(port), *_page_operations(port)]
    return [*operations, _simulation(port)] if simulated_readers else operations


def _state_operations(port: TillPort) -> list[Operation]:
    async def health(_: Call) -> Response:
        return JSONResponse({"status": "ok"})

    async def status(_: Call) -> Response:
        return JSONResponse(port.status())

    async def metrics(_: Call) -> Response:
        return PlainTextResponse(metrics_text(port.metrics()), media_type="text/plain; version=0.0.4")

    async def sync(_: Call) -> Response:
        return JSONResponse(port.sync_status())

    async def sync_now(_: Call) -> Response:
        port.sync_now()
        return JSONResponse({}, 202)

    return [
        Operation("GET", "/health", health, "Whether posd answers; always the same body", answer="Health", public=True),
        Operation("GET", "/v1/status", status, "Shop, till, readers, link and queue", answer="Status"),
        Operation("GET", "/v1/sync", sync, "What waits to be sent to the club", answer="Sync"),
        Operation(
            "POST",
            "/v1/sync/now",
            sync_now,
            "Try to reach the club now instead of at the next attempt",
            frozenset({Scope.PAGE, Scope.ACCRUE, Scope.ADMIN}),
            body=record(),
            answer="Nothing",
            status=202,
            example={},
        ),
        Operation("GET", "/metrics", metrics, "Counters and gauges in the Prometheus text format"),
    ]


def _reader_operations(port: TillPort) -> list[Operation]:
    async def readers(_: Call) -> Response:
        return JSONResponse({"readers": list(port.readers())})

    async def check(call: Call) -> Response:
        try:
            checks = await settled(port.check_reader(call.path["reader_id"], call.body.get("level", "external")))
        except LookupError:
            raise Refused(404, "reader_unknown", "there is no such reader; GET /v1/readers lists them") from None
        return JSONResponse({"checks": list(checks)})

    return [
        Operation("GET", "/v1/readers", readers, "The readers and their states", answer="Readers"),
        Operation(
            "POST",
            "/v1/readers/{reader_id}/check",
            check,
            "Check a reader: UnifiedPOS CheckHealth",
            frozenset({Scope.READ_SCANS, Scope.PAGE, Scope.ADMIN}),
            body=record(level=Choice(tuple(HealthLevel))),
            answer="Checks",
            example={"level": "external"},
        ),
    ]


def _simulation(port: TillPort) -> Operation:
    async def simulate(call: Call) -> Response:
        port.simulate(call.body["kind"], call.body["data"])
        return JSONResponse({}, 202)

    return Operation(
        "POST",
        "/v1/simulated/reads",
        simulate,
        "Present a card to the simulated reader",
        frozenset({Scope.REDEEM, Scope.ADMIN}),
        body=record("kind", "data", kind=Choice(("swipe", "scan", "tap")), data=Text(max_length=4096, controls=True)),
        answer="Nothing",
        status=202,
        notes="Goes through the real decoding path; what comes of it is a `card.read` event.",
        example=_SIMULATED_EXAMPLE,
    )


def _page_operations(port: TillPort) -> list[Operation]:
    async def view(_: Call) -> Response:
        return JSONResponse(port.view())

    async def act(call: Call) -> Response:
        key = call.request.headers.get("idempotency-key", "")[:LONGEST_KEY]
        return JSONResponse(await settled(port.act(call.body, key)))

    return [
        Operation("GET", "/v1/till", view, "What the cashier sees", _PAGE, answer="View"),
        Operation(
            "POST",
            "/v1/till/actions",
            act,
            "What the cashier does; answers the view after it",
            _PAGE,
            body=Tagged("do", ACTIONS),
            answer="View",
            example={"do": "amount", "amount_minor": 12880000},
        ),
    ]


def sync_operation(serve: SyncServe) -> Operation:
    """The door of the separate posd-sync process; its scope exists on the Unix socket only."""
    waiting = ThreadPoolExecutor(_SYNC_WAITS, "sync-port")
    """Not asyncio's own pool: that one holds up the server's stop until the longest wait is over."""

    async def sync_port(call: Call) -> Response:
        work = partial(serve, call.path["method"], call.body)
        try:
            return JSONResponse(await asyncio.get_running_loop().run_in_executor(waiting, work))
        except LookupError:
            raise Refused(
                404, "method_unknown", "posd and posd-sync differ; install the same version of both"
            ) from None

    return Operation(
        "POST",
        "/v1/sync/port/{method}",
        sync_port,
        "The till's half of posd-sync",
        frozenset({Scope.SYNC}),
        body=_AnyObject(),
        answer="Anything",
        notes="Unix socket only; the documents are those of `posd.sync.wire`.",
        example={},
    )


class _AnyObject:
    """A document whose form is another contract's."""

    def read(self, value: Any, _where: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise Refused(422, "field_invalid", "the body must be an object")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


def metrics_text(metrics: Mapping[str, int]) -> str:
    """The Prometheus text format 0.0.4: samples of one family together, its type before them."""
    lines: list[str] = []
    family = ""
    for name, value in sorted(metrics.items(), key=lambda item: (item[0].partition("{")[0], item[0])):
        if name.partition("{")[0] != family:
            family = name.partition("{")[0]
            lines.append(f"# TYPE {family} {'counter' if family.endswith('_total') else 'gauge'}")
        lines.append(f"{name} {value}")
    return "\n".join([*lines, ""])
