"""HTTP to the club: one attempt at a time, bounded in time and size, and never an exception for what a network does.

Each call returns an `Exchange`: the `Answer` that `posd.sync.policy` judges, and the parsed reply when there is one.
No redirects, no proxies or passwords from the environment, TLS verified. The token travels in a header only, which
neither this module nor urllib3 logs.
"""

from __future__ import annotations

import gzip
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import BadStatusLine, LineTooLong, RemoteDisconnected
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import requests
from requests.exceptions import InvalidHeader
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import DecodeError, NewConnectionError
from urllib3.exceptions import TimeoutError as TookTooLong

from posd.ledger.members import DeltaPage
from posd.sync.grant import ClubAddress
from posd.sync.line import Line, LineAdapter
from posd.sync.outcomes import Answer, Failure
from posd.sync.wire import PushReply, PushRequest, TillGrant, TillRequest, TillStatus, WireError, delta_from_json

T = TypeVar("T")

MAX_ANSWER_BYTES = 3 * 1024 * 1024
"""Many times the largest page of changes, and less than a till takes over its socket; what is larger is no answer."""
_CHUNK = 64 * 1024
_GZIP_FROM_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``connect``: for one address; ``read``: without a byte; ``deadline``: for a whole attempt, name lookup
    to last byte. A long poll adds its waiting time to the last two."""

    connect_s: float = 5.0
    read_s: float = 10.0
    deadline_s: float = 30.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Exchange(Generic[T]):
    """What came back. ``value`` is set when the answer is the club's in the form that was asked for."""

    answer: Answer
    value: T | None = None


class ClubClient:
    """One lane to the club. Calls are made by one thread; `close` may come from any thread and ends a blocked call
    at once, and every later one."""

    def __init__(self, address: ClubAddress, timeouts: Timeouts = DEFAULT_TIMEOUTS, line: Line | None = None) -> None:
        self._address = address
        self._timeouts = timeouts
        self._line = line or Line()
        self._session = _session(address, self._line)

    def enrol(self, request: TillRequest) -> Exchange[TillGrant]:
        """Ask to join with an invitation."""
        return self._exchange("POST", "/v1/tills", TillGrant.from_json, document=request.as_json())

    def push(self, request: PushRequest) -> Exchange[PushReply]:
        """Send a run of entries. ``answer.echoed`` when the reply names a position of this very request. A 409 has a
        ``value`` too: the club's own head."""
        exchange = self._exchange("POST", self._till("entries"), PushReply.from_json, document=request.as_json())
        reply = exchange.value
        if reply is None or echoes(request, reply):
            return exchange
        return Exchange(replace(exchange.answer, echoed=False), reply)

    def deltas(self, cursor: str | None, wait_s: int) -> Exchange[DeltaPage]:
        """Changes after ``cursor`` (None: from the beginning); the club holds the answer up to ``wait_s`` seconds."""
        query = f"wait={wait_s}" if cursor is None else f"cursor={quote(cursor, safe='')}&wait={wait_s}"
        return self._exchange("GET", f"{self._till('deltas')}?{query}", delta_from_json, wait_s=wait_s)

    def status(self, status: TillStatus) -> Exchange[None]:
        """Tell the club how this till is; 204."""
        return self._exchange("POST", self._till("status"), _nothing, document=status.as_json())

    def close(self) -> None:
        """End what blocks, from any thread; the session's sockets go with it."""
        self._line.close()
        self._session.close()

    def _till(self, room: str) -> str:
        return f"/v1/tills/{quote(self._address.till_id, safe='')}/{room}"

    def _exchange(
        self,
        method: str,
        path: str,
        parse: Callable[[Any], T],
        *,
        document: Mapping[str, Any] | None = None,
        wait_s: int = 0,
    ) -> Exchange[T]:
        body, headers = _encoded(document)
        with self._line.attempt(self._timeouts.deadline_s + wait_s):
            try:
                with self._session.request(
                    method,
                    self._address.url.rstrip("/") + path,
                    data=body,
                    headers=headers,
                    timeout=(self._timeouts.connect_s, self._timeouts.read_s + wait_s),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    exchange = _judged(response.status_code, response.headers, _capped(response), parse)
                    # An answer that was cut within its headers looks complete to http.client.
                    return exchange if not self._line.was_cut else Exchange(Answer(failure=Failure.TIMEOUT))
            except OSError as error:
                # requests.RequestException is an OSError too.
                return Exchange(Answer(failure=Failure.TIMEOUT if self._line.was_cut else failure_of(error)))


class _Garbled(requests.RequestException):
    """An answer that no club gives."""


_FAILURES: tuple[tuple[tuple[type[BaseException], ...], Failure], ...] = (
    ((ssl.SSLError,), Failure.TLS),
    # urllib3 derives NewConnectionError from its timeout for old callers' sake; it is a refusal.
    ((RemoteDisconnected, NewConnectionError), Failure.UNREACHABLE),
    ((TimeoutError, TookTooLong), Failure.TIMEOUT),
    ((_Garbled, BadStatusLine, LineTooLong, DecodeError, InvalidHeader), Failure.GARBLED),
)


def failure_of(error: BaseException) -> Failure:
    """The kind of a failure, from the innermost error that says it: requests and urllib3 wrap each other's."""
    causes = list(_causes(error))
    for kinds, failure in _FAILURES:
        if any(isinstance(cause, kinds) for cause in causes):
            return failure
    return Failure.UNREACHABLE


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _causes(inner)


def echoes(request: PushRequest, reply: PushReply) -> bool:
    """The reply names an entry of this request by number and hash: proof that it was read by a club that stored it."""
    return any(entry.seq == reply.acked_seq and entry.hash == reply.acked_hash for entry in request.entries)


def _session(address: ClubAddress, line: Line) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, LineAdapter(line))
    if address.proxy:
        session.proxies = {"http": address.proxy, "https": address.proxy}
    if address.ca_file:
        session.verify = address.ca_file
    session.headers["User-Agent"] = "posd-sync"
    session.headers["Accept"] = "application/json"
    if address.token:
        session.headers["Authorization"] = f"Bearer {address.token}"
    return session


def _encoded(document: Mapping[str, Any] | None) -> tuple[bytes | None, dict[str, str]]:
    if document is None:
        return None, {}
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json"}
    if len(body) < _GZIP_FROM_BYTES:
        return body, headers
    return gzip.compress(body, compresslevel=6, mtime=0), {**headers, "Content-Encoding": "gzip"}


def _capped(response: requests.Response) -> bytes:
    content = bytearray()
    for chunk in response.iter_content(_CHUNK):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise _Garbled("the answer is larger than any answer of a club")
    return bytes(content)


def _judged(status: int, headers: CaseInsensitiveDict[str], content: bytes, parse: Callable[[Any], T]) -> Exchange[T]:
    value, parsed = None, False
    # 409 carries the club's head in the form of a reply.
    if 200 <= status < 300 or status == 409:
        try:
            value, parsed = parse(json.loads(content) if content else None), True
        except (WireError, ValueError, RecursionError):
            # Not JSON, nested beyond reason, or JSON of somebody else.
            parsed = False
    answer = Answer(
        status=status,
        html=is_page(headers.get("Content-Type", ""), content),
        echoed=parsed,
        retry_after=headers.get("Retry-After", ""),
        date=headers.get("Date", ""),
    )
    return Exchange(answer, value)


def is_page(content_type: str, content: bytes) -> bool:
    """The body is meant for people, whatever its label says."""
    start = content[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "html" in content_type.lower() or start.startswith((b"<!doctype html", b"<html", b"<head", b"<script"))


def _nothing(document: Any) -> None:
    if document is not None:
        raise WireError("a status report is answered with nothing")
