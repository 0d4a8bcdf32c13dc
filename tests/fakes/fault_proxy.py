"""A TCP proxy on loopback that does to a connection what networks do. Needs no root; works below HTTP, so TLS too.

``proxy.fault`` is read anew for each connection *and* for each answer, so a test can switch it while things run.
Set to `Fault.NONE` the proxy is transparent: the positive control of every fault test.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from enum import StrEnum
from types import TracebackType


class Fault(StrEnum):
    NONE = "none"
    REFUSE = "refuse"
    """Nobody listens."""
    RESET = "reset"
    """RST as soon as the request is there; the club never sees it."""
    SILENCE = "silence"
    """The request is swallowed; no answer ever comes."""
    DELAY = "delay"
    """The answer comes `FaultProxy.delay_s` late."""
    TRUNCATE = "truncate"
    """The answer breaks off in its middle."""
    TRICKLE = "trickle"
    """The answer comes byte by byte, each within any read timeout."""
    DROP_ANSWER = "drop_answer"
    """The club has done it; the answer is lost and the connection reset."""
    DUPLICATE = "duplicate"
    """The club receives every request twice; the first answer is lost."""
    PORTAL_PAGE = "portal_page"
    """A login page, 200 text/html."""
    PORTAL_JSON = "portal_json"
    """A filter that says 200 and ``{}`` to everything."""
    PORTAL_REDIRECT = "portal_redirect"
    """302 to a login page."""
    GARBAGE = "garbage"
    """What answers does not speak HTTP."""


def _reply(status: str, kind: str, body: bytes = b"", *extra: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close", *extra]
    return "\r\n".join([*lines, "", ""]).encode() + body


_ANSWERS = {
    Fault.PORTAL_PAGE: _reply("200 OK", "text/html", b"<html>Log in to Wi-Fi</html>"),
    Fault.PORTAL_JSON: _reply("200 OK", "application/json", b"{}"),
    Fault.PORTAL_REDIRECT: _reply("302 Found", "text/plain", b"", "Location: http://127.0.0.1:1/login"),
    Fault.GARBAGE: b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\r\n",
}
_RST = struct.pack("ii", 1, 0)


class FaultProxy:
    """``with FaultProxy(club.port) as proxy: proxy.fault = Fault.TRICKLE``."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self.fault = Fault.NONE
        self.delay_s = 0.3
        self.connections = 0
        """How many were opened towards this proxy."""
        self._stop = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultProxy:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive(), "the proxy did not stop"

    def cut(self) -> None:
        """The cable is pulled: every connection that is open ends with RST."""
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                    sock.shutdown(socket.SHUT_RDWR)

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]  # any of the methods below
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._sockets.add(client)
            self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.fault is Fault.REFUSE:
                _reset(client)
            while request := _message(client):
                self._answer(client, request)
        with self._lock:
            self._sockets.discard(client)
        client.close()

    def _answer(self, client: socket.socket, request: bytes) -> None:
        fault = self.fault
        if fault in _ANSWERS:
            client.sendall(_ANSWERS[fault])
            raise ConnectionError
        if fault in {Fault.RESET, Fault.REFUSE}:
            _reset(client)
        if fault is Fault.SILENCE:
            self._stop.wait()
            raise ConnectionError
        if fault is Fault.DUPLICATE:
            self._ask(request)
        answer = self._ask(request)
        if self.fault is Fault.DROP_ANSWER:
            _reset(client)
        self._give(client, answer, fault)

    def _give(self, client: socket.socket, answer: bytes, fault: Fault) -> None:
        if fault is Fault.DELAY:
            self._stop.wait(self.delay_s)
        if fault is Fault.TRUNCATE:
            client.sendall(answer[: len(answer) - 10])
            raise ConnectionError
        if fault is Fault.TRICKLE:
            for n in range(len(answer)):
                client.sendall(answer[n : n + 1])
                if self._stop.wait(0.05):
                    raise ConnectionError
        else:
            client.sendall(answer)

    def _ask(self, request: bytes) -> bytes:
        """One request on a connection of its own; ends early when the proxy is stopped or cut."""
        with socket.create_connection(self._target) as club:
            with self._lock:
                self._sockets.add(club)
            try:
                club.sendall(request)
                answer = _message(club)
            finally:
                with self._lock:
                    self._sockets.discard(club)
        if not answer:
            raise ConnectionError
        return answer


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    client.close()
    raise ConnectionError


def _message(sock: socket.socket) -> bytes:
    """One HTTP message: head and as many bytes as its Content-Length says; empty when the other side has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < (int(lengths[0]) if lengths else 0):
        piece = sock.recv(65536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body
