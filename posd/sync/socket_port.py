"""The port for the separate posd-sync process: the same methods over HTTP on the till's Unix socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from posd.clock import Instant
from posd.errors import SyncError
from posd.ledger.entries import Entry, Head
from posd.ledger.members import DeltaPage
from posd.sync import port_messages as messages
from posd.sync.link import Link
from posd.sync.outcomes import Reason
from posd.sync.policy import Attempts
from posd.sync.port import Work
from posd.sync.wire import Disposition, TillStatus, delta_as_json

T = TypeVar("T")
Document = Mapping[str, Any]

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 4 * 1024 * 1024
_REFUSED = frozenset({401, 403})


class TillUnreachable(SyncError):
    """The till did not answer on its socket."""


class SocketPort:
    """`posd.sync.port.SyncPort` of the till behind ``path``. Thread-safe: each call opens a connection of its own.

    ``token`` is needed only where the socket does not tell who is there. Calls raise `TillUnreachable` when posd is
    not running, and SyncError when it refuses.
    """

    def __init__(self, path: Path, token: str = "") -> None:
        self._path = path
        self._headers = {"Content-Type": "application/json", "Host": "localhost"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._lock = threading.Lock()
        self._waiting: set[socket.socket] = set()
        self._cancelled = False

    def acked_head(self) -> Head:
        return self._ask("acked_head", lambda answer: messages.head_from_json(answer["head"]))

    def pending(self, after_seq: int, limit: int, max_bytes: int) -> Sequence[Entry]:
        return self._ask("pending", _entries, after_seq=after_seq, limit=limit, max_bytes=max_bytes)

    def acknowledge(self, head: Head, dispositions: Sequence[Disposition]) -> None:
        told = messages.dispositions_as_json(dispositions)
        self._ask("acknowledge", _nothing, head=messages.head_as_json(head), dispositions=told)

    def queue(self) -> int:
        return self._ask("queue", lambda answer: int(answer["queue"]))

    def cursor(self) -> str | None:
        return self._ask("cursor", _cursor)

    def apply_deltas(self, page: DeltaPage) -> None:
        self._ask("apply_deltas", _nothing, page=delta_as_json(page))

    def begin_anew(self) -> None:
        self._ask("begin_anew", _nothing)

    def attempts(self) -> Attempts:
        return self._ask("attempts", lambda answer: messages.attempts_from_json(answer["attempts"]))

    def record_attempt(self, through_seq: int, reason: Reason, next_at: Instant) -> None:
        at = messages.instant_as_json(next_at)
        self._ask("record_attempt", _nothing, through_seq=through_seq, reason=reason.value, next_at=at)

    def till_status(self) -> TillStatus | None:
        return self._ask("till_status", lambda answer: answer["status"] and TillStatus.from_json(answer["status"]))

    def report_link(self, link: Link) -> None:
        self._ask("report_link", _nothing, link=messages.link_as_json(link))

    def wait_for_work(self, seen: Work, timeout_s: float) -> Work:
        document = {"seen": messages.work_as_json(seen), "timeout_ms": round(timeout_s * 1000)}
        try:
            answer = self._exchange("wait_for_work", document, TIMEOUT_S + timeout_s, cancellable=True)
        except TillUnreachable:
            if self._cancelled:
                return seen
            raise
        return _understood("wait_for_work", lambda given: messages.work_from_json(given["work"]), answer)

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            for sock in self._waiting:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _ask(self, method: str, read: Callable[[Document], T], **document: Any) -> T:
        return _understood(method, read, self._exchange(method, document, TIMEOUT_S))

    def _exchange(self, method: str, document: Document, timeout_s: float, *, cancellable: bool = False) -> Document:
        connection = _UnixConnection(self._path, timeout_s)
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            connection.connect()
            with self._cancellable(connection) if cancellable else contextlib.nullcontext():
                connection.request("POST", f"/v1/sync/port/{method}", body, self._headers)
                response = connection.getresponse()
                return _document(response.status, response.read(MAX_ANSWER_BYTES + 1))
        except (OSError, http.client.HTTPException) as error:
            raise TillUnreachable(f"posd does not answer at {self._path}: is posd.service running?") from error
        finally:
            connection.close()

    @contextlib.contextmanager
    def _cancellable(self, connection: http.client.HTTPConnection) -> Iterator[None]:
        sock: socket.socket = connection.sock
        with self._lock:
            if self._cancelled:
                raise TillUnreachable("cancelled")
            self._waiting.add(sock)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.discard(sock)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _document(status: int, body: bytes) -> Document:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if status in _REFUSED:
        raise SyncError("posd refuses this process: run posd-sync as the user posd or in the group posd-sync")
    if not isinstance(document, Mapping):
        raise SyncError("what answers on the till's socket is not posd: check --socket")
    if status != 200:
        raise SyncError(f"posd answers {status}: {document.get('detail', 'see its log')}")
    return document


def _understood(method: str, read: Callable[[Document], T], answer: Document) -> T:
    try:
        return read(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SyncError(f"posd and posd-sync differ ({method}): install the same version of both") from error


def _entries(answer: Document) -> Sequence[Entry]:
    return tuple(messages.entry_from_json(entry) for entry in answer["entries"])


def _nothing(_: Document) -> None:
    return None


def _cursor(answer: Document) -> str | None:
    cursor: str | None = answer["cursor"]
    return cursor
