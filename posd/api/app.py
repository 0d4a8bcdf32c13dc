"""The ASGI application: the gate, and behind it the operations and the page."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from posd.api.access_routes import access_operations
from posd.api.event_routes import event_operations
from posd.api.event_stream import EventHub
from posd.api.gate import Gate
from posd.api.openapi import openapi_document
from posd.api.operations import Call, Operation, routes_of
from posd.api.page_files import PAGE_DIR, PageFiles
from posd.api.page_key import PageKey
from posd.api.pairing import Pairing
from posd.api.port import TillPort
from posd.api.sale_routes import sale_operations
from posd.api.settings import ApiSettings
from posd.api.till_routes import SyncServe, sync_operation, till_operations
from posd.api.tokens import TokenStore
from posd.clock import Clock
from posd.machine import SystemClock


class ApiApp:
    """ASGI. ``operations`` is everything behind the gate; `close` ends the waits of clients, for a quick stop."""

    def __init__(self, gate: Gate, hub: EventHub, operations: list[Operation]) -> None:
        self._gate = gate
        self._hub = hub
        self.operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gate(scope, receive, send)

    def close(self) -> None:
        self._hub.close()


def build_app(
    port: TillPort,
    hub: EventHub,
    tokens: TokenStore,
    pairing: Pairing,
    settings: ApiSettings,
    sync_port: SyncServe | None = None,
    *,
    page: PageKey | None = None,
    files: PageFiles | None = None,
    clock: Clock | None = None,
) -> ApiApp:
    """The whole local API. ``sync_port``: the till's half of posd-sync, for the separate process. ``page``: the key of
    the cashier page, by default that of the state directory (raises `ConfigError` when it cannot be kept there)."""
    operations = [
        *till_operations(port, settings.simulated_readers),
        *sale_operations(port),
        *event_operations(hub),
        *access_operations(tokens, pairing),
        *([sync_operation(sync_port)] if sync_port else []),
    ]
    operations.append(_openapi_operation(operations, settings.port))
    router = Router(routes_of(operations), redirect_slashes=False, default=files or PageFiles(PAGE_DIR))
    key = page or PageKey.of(settings.state_dir)
    return ApiApp(Gate(router, settings, tokens, pairing, key, clock or SystemClock()), hub, operations)


def _openapi_operation(operations: list[Operation], port: int) -> Operation:
    async def openapi(_: Call) -> Response:
        return JSONResponse(openapi_document(operations, port))

    return Operation("GET", "/openapi.json", openapi, "This document", answer="Anything")
