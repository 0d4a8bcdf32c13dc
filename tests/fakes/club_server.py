"""A small real HTTP club for the tests of the till's side: it keeps a journal per till, hands out one feed of changes
by long poll, and can be told to answer the next requests badly. What a club does with entries is not its business.
"""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from posd.ledger.entries import GENESIS
from posd.ledger.members import DeltaPage, MemberRow
from posd.sync.wire import PushReply, PushRequest, TillGrant, TillStatus, delta_as_json

TOKEN = "t0ken-that-must-never-be-logged"
INVITATION = "BCDF-GHJK"
GRANT = TillGrant("till-1", TOKEN, "club-1", "Narenj Club", "aa" * 32, "bb" * 32, 1)


@dataclass
class Bad:
    """An answer to give instead of the right one. ``only`` picks the route by the end of its path; ``booked``: do the
    right thing first and then answer this."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    only: str = ""
    booked: bool = False


class ClubServer:
    """``with ClubServer() as club: club.url``. Everything public may be read by the test at any time."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.lock = threading.Condition()
        self.entries: list[tuple[int, str, str]] = []
        """(seq, hash, payload) as stored."""
        self.pushes: list[PushRequest] = []
        self.seen: list[tuple[str, str, str]] = []
        """(method, path with query, Content-Encoding) of every request."""
        self.statuses: list[TillStatus] = []
        self.members: list[MemberRow] = []
        self.bad: deque[Bad] = deque()
        """Answers for the next requests, one each."""
        self.always: Bad | None = None
        """An answer for all requests that it fits, until it is taken away."""
        self.poison: int | None = None
        """A push that contains this seq makes the club stumble (500)."""
        self.forgets = False
        """Cursors of before are too old: 410, until a poll without one."""
        self._stopping = False
        self._server = _Server(("127.0.0.1", 0), _Answering)
        self._server.club = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def seqs(self) -> list[int]:
        with self.lock:
            return [seq for seq, _, _ in self.entries]

    def tell(self, *rows: MemberRow) -> None:
        """Something changed at the club: long polls wake."""
        with self.lock:
            self.members.extend(rows)
            self.lock.notify_all()

    def __enter__(self) -> ClubServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.lock:
            self._stopping = True
            self.lock.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # What the routes do; called with the lock held.

    def next_bad(self, path: str, push: PushRequest | None) -> Bad | None:
        if self.always is not None and path.endswith(self.always.only):
            return self.always
        if push and self.poison is not None and any(entry.seq == self.poison for entry in push.entries):
            return Bad(500)
        if self.bad and path.endswith(self.bad[0].only):
            return self.bad.popleft()
        return None

    def head(self) -> tuple[int, str]:
        return self.entries[-1][:2] if self.entries else (0, GENESIS.hex())

    def take(self, push: PushRequest) -> tuple[int, dict[str, Any]]:
        """Store what follows the head; known entries are passed over; another chain is a conflict."""
        self.pushes.append(push)
        known = {0: GENESIS.hex(), **{seq: digest for seq, digest, _ in self.entries}}
        fits = known.get(push.after_seq) == push.after_hash
        for entry in push.entries:
            if fits and entry.seq in known:
                fits = known[entry.seq] == entry.hash
            elif fits:
                self.entries.append((entry.seq, entry.hash, entry.payload))
        return (200 if fits else 409), PushReply(*self.head()).as_json()

    def page(self, cursor: str | None, wait_s: float) -> tuple[int, dict[str, Any]]:
        if cursor is not None and self.forgets:
            return 410, {}
        self.forgets = False
        start = int(cursor or 0)
        self.lock.wait_for(lambda: len(self.members) > start or self._stopping, wait_s)
        rows = tuple(self.members[start:])
        return 200, delta_as_json(DeltaPage(str(len(self.members)), self.head()[0], rows))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    club: ClubServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what these tests do all the time."""


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._serve(json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body))

    def _serve(self, document: Any) -> None:
        club, parts = self.server.club, urlsplit(self.path)
        with club.lock:
            club.seen.append((self.command, self.path, self.headers.get("Content-Encoding", "")))
            club.lock.notify_all()
            push = PushRequest.from_json(document) if parts.path.endswith("/entries") else None
            bad = club.next_bad(parts.path, push)
            status, answer = (bad.status, {}) if bad and not bad.booked else self._right(club, parts, document, push)
        if bad is not None:
            self._send(bad.status, bad.body, bad.headers)
        else:
            self._send(
                status, json.dumps(answer).encode() if status != 204 else b"", {"Content-Type": "application/json"}
            )

    def _right(
        self, club: ClubServer, parts: Any, document: Any, push: PushRequest | None
    ) -> tuple[int, dict[str, Any]]:
        if parts.path == "/v1/tills":
            return (200, GRANT.as_json()) if document["invitation"] == INVITATION else (403, {})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {}
        if push is not None:
            return club.take(push)
        if parts.path.endswith("/status"):
            club.statuses.append(TillStatus.from_json(document))
            return 204, {}
        query = parse_qs(parts.query)
        return club.page(query["cursor"][0] if "cursor" in query else None, float(query["wait"][0]))

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
