"""The till's Unix socket with nothing behind it but the port of synchronisation: real HTTP, real socket."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from posd.errors import PosdError
from posd.sync.port import SyncPort
from posd.sync.port_messages import serve_port


class TillSocket:
    """``with TillSocket(tmp_path / "posd.sock", LocalPort(store)): SocketPort(tmp_path / "posd.sock")``."""

    def __init__(self, path: Path, port: SyncPort) -> None:
        self._path = path
        self._server = _Server(str(path), _Answering)
        self._server.port = port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> TillSocket:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._path.unlink()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    port: SyncPort

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A cancelled wait hangs up; that is what it should do."""


class _Answering(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            status, answer = 200, serve_port(self.server.port, self.path.removeprefix("/v1/sync/port/"), document)
        except LookupError:
            status, answer = 404, {"detail": "no such method"}
        except PosdError as error:
            status, answer = 503, {"detail": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def address_string(self) -> str:
        return "unix"
