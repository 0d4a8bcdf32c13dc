"""A running local API over the fake till, and clients that speak to it like the real ones: http.client over TCP, over
the Unix socket, and raw bytes."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from posd.api.app import ApiApp, build_app
from posd.api.event_stream import EventHub
from posd.api.page_files import PAGE_DIR, PageFiles
from posd.api.page_key import PageKey
from posd.api.pairing import Pairing
from posd.api.scopes import REGISTER, Scope
from posd.api.server import ApiServer
from posd.api.settings import ApiSettings
from posd.api.sockets import bound_port, open_sockets
from posd.api.till_routes import SyncServe
from posd.api.tokens import TokenStore
from posd.clock import Clock
from posd.machine import SystemClock
from tests.fakes.till import FakeTill

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The stable code of a problem document."""
        assert self.headers["content-type"] == "application/problem+json", self
        return str(self.json["code"])


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(str(self._path))


@dataclass
class LocalApi:
    app: ApiApp
    till: FakeTill
    hub: EventHub
    tokens: TokenStore
    pairing: Pairing
    page: PageKey
    settings: ApiSettings
    token: str = field(default="", repr=False)

    @property
    def port(self) -> int:
        return self.settings.port

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def request(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        """One exchange with exactly these headers; ``body`` is sent as JSON unless it is bytes already."""
        return _exchange(self.connect(), method, path, body, headers or {})

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """As paired register software does it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request(method, path, body, {**self.bearer, **JSON, **named})

    def ask_locally(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """Over the Unix socket."""
        assert self.settings.socket is not None
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return _exchange(_UnixConnection(self.settings.socket), method, path, body, {**JSON, **named})

    def raw(self, content: bytes) -> bytes:
        """Everything that comes back until the other side closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def stream(self, headers: Mapping[str, str] | None = None) -> EventReader:
        return EventReader(self, {**self.bearer, **(headers or {})})


class EventReader:
    """One client of the event stream."""

    def __init__(self, api: LocalApi, headers: Mapping[str, str]) -> None:
        self._connection = api.connect()
        self._connection.request("GET", "/v1/events", headers={"Accept": "text/event-stream", **headers})
        self.reply = self._connection.getresponse()
        assert self.reply.status == 200, self.reply.read()
        self.last_id = ""
        self.block()  # the comment that says the stream is open

    def block(self) -> dict[str, str]:
        """The next block of lines, by field; comments under the empty name."""
        fields: dict[str, str] = {}
        while line := self.reply.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        self.last_id = fields.get("id", self.last_id)
        return fields

    def event(self) -> tuple[str, Any]:
        """The next event: its type and data."""
        while "event" not in (fields := self.block()):
            assert fields, "the stream has ended"
        return fields["event"], json.loads(fields["data"])

    def close(self) -> None:
        self.reply.close()
        self._connection.close()

    def __enter__(self) -> EventReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: object, headers: Mapping[str, str]
) -> Reply:
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, content, dict(headers))
        response = connection.getresponse()
        lowered = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, lowered, response.read())
    finally:
        connection.close()


@contextmanager
def local_api(
    state_dir: Path,
    *,
    scopes: frozenset[Scope] = REGISTER,
    settings: ApiSettings | None = None,
    clock: Clock | None = None,
    sync_port: SyncServe | None = None,
    files: Path = PAGE_DIR,
) -> Iterator[LocalApi]:
    """A server on a free port with a Unix socket, and a token named ``register`` that carries ``scopes``."""
    wanted = settings or ApiSettings(state_dir, port=0, socket=state_dir / "posd.sock")
    sockets = open_sockets(wanted, environ={})
    settings = replace(wanted, port=bound_port(sockets))
    clock = clock or SystemClock()
    hub, tokens, pairing = EventHub(), TokenStore(state_dir, clock), Pairing(state_dir, clock)
    till, page = FakeTill(hub.publish), PageKey.of(state_dir)
    app = build_app(till, hub, tokens, pairing, settings, sync_port, page=page, files=PageFiles(files), clock=clock)
    server = ApiServer(app, sockets, settings.limits)
    server.start()
    try:
        yield LocalApi(app, till, hub, tokens, pairing, page, settings, tokens.create("register", None, scopes))
    finally:
        server.stop()
        till.close()
