"""A till's HTTP side in small: the cashier page under its strict policy, views, and actions answered by a script."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "posd" / "api" / "page"
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

View = dict[str, Any]
Script = Callable[[View, dict[str, Any]], View]


def unchanged(view: View, _action: dict[str, Any]) -> View:
    return view


class PageServer:
    """One till. ``script`` gives the view after an action. ``stop`` and ``start`` keep the port, as a restart does."""

    def __init__(self, view: View, script: Script = unchanged) -> None:
        self.changed = threading.Condition()
        self.script = script
        self.view = {**view, "version": 1}
        self.actions: list[dict[str, Any]] = []
        self._keys: set[str] = set()
        self.requests: list[str] = []
        self.die_after_action = False
        """Carry the next action out and be gone before its answer. (A browser repeats a request by itself when a kept
        connection closes unanswered, so the door has to be shut first, as it is when a process dies.)"""
        self.port = 0
        self._server: _Server | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        server = _Server(("127.0.0.1", self.port), type("Bound", (_Handler,), {"till": self}))
        self.port = server.server_port
        self._server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        server.cut_all()
        with self.changed:
            self.changed.notify_all()

    @property
    def running(self) -> bool:
        return self._server is not None

    def show(self, view: View) -> None:
        """A new view for every page that listens."""
        with self.changed:
            self.view = {**view, "version": self.view["version"] + 1}
            self.changed.notify_all()

    def act(self, action: dict[str, Any], key: str) -> View:
        """As the till does: what comes again under the same key is done once."""
        with self.changed:
            if key in self._keys:
                return self.view
            self._keys.add(key)
            self.actions.append(action)
            after = self.script(self.view, action)
            self.view = {**after, "version": self.view["version"] + 1}
            self.changed.notify_all()
            return self.view

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 10) -> bool:
        """``condition`` is looked at whenever an action or a request came."""
        with self.changed:
            return self.changed.wait_for(condition, timeout_s)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._connections: list[socket.socket] = []
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def cut_all(self) -> None:
        """Every connection ends in the middle of what it was doing."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves in the middle of an answer is no event."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    till: PageServer

    def do_GET(self) -> None:
        with self.till.changed:
            self.till.requests.append(self.path)
            self.till.changed.notify_all()
        path = self.path.partition("?")[0]
        if path == "/v1/till":
            self._json(self.till.view)
        elif path == "/v1/events":
            self._events()
        else:
            self._file(path.lstrip("/") or "index.html")

    def do_POST(self) -> None:
        if self.path != "/v1/till/actions" or not self.headers.get("X-Posd-CSRF"):
            self.send_error(403)
            return
        action = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        view = self.till.act(action, self.headers["Idempotency-Key"])
        if self.till.die_after_action:
            self.till.stop()
            self.close_connection = True
            return
        self._json(view)

    def _json(self, document: View) -> None:
        self._send(json.dumps(document).encode(), "application/json")

    def _file(self, name: str) -> None:
        file = PAGE / name
        if not file.is_file():
            self.send_error(404)
            return
        self._send(file.read_bytes(), f"{TYPES[file.suffix]}; charset=utf-8")

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        self.wfile.write(content)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        sent = -1
        while self.till.running:
            with self.till.changed:
                self._wait_for_news(sent)
                view = self.till.view
            if view["version"] != sent:
                sent = view["version"]
                self.wfile.write(f"id: fake-{sent}\nevent: view\ndata: {json.dumps(view)}\n\n".encode())
            else:
                self.wfile.write(b": still here\n\n")
            self.wfile.flush()

    def _wait_for_news(self, sent: int) -> None:
        self.till.changed.wait_for(lambda: self.till.view["version"] != sent or not self.till.running, 0.5)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        pass
