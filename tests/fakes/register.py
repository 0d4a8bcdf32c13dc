"""Register software at a till: paired as `docs/register-vendor.md` says, it asks over HTTP and hears events."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any

from tests.fakes.running_till import PATIENCE_S, RunningTill, wait_for

SCOPES = ("read:scans", "tx:accrue", "tx:redeem")


class Register:
    """``Register(till).ask("GET", "/v1/readers")``. Its token survives restarts of the till."""

    def __init__(self, till: RunningTill, name: str = "Front register") -> None:
        self._port = till.port
        self._headers = {"Content-Type": "application/json"}
        code = till.posd("pair").stdout.split()[0]
        _, answer = self.ask("POST", "/v1/pairing", {"code": code, "name": name, "scopes": list(SCOPES)})
        self._headers["Authorization"] = f"Bearer {answer['token']}"

    def ask(
        self, method: str, path: str, document: Mapping[str, Any] | None = None, idempotency_key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Status and document. Raises what a register sees when the till dies: OSError or HTTPException."""
        with closing(self.send(method, path, document, idempotency_key)) as connection:
            return answer_of(connection)

    def send(
        self, method: str, path: str, document: Mapping[str, Any] | None = None, idempotency_key: str = ""
    ) -> HTTPConnection:
        """The request is out; the answer is still to come (`answer_of`)."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        headers = {**self._headers, **({"Idempotency-Key": idempotency_key} if idempotency_key else {})}
        connection.request(method, path, None if document is None else json.dumps(document), headers)
        return connection

    def listen(self) -> Listener:
        """``with register.listen() as events: events.wait("card.read")``."""
        return Listener(self.send("GET", "/v1/events"))


def answer_of(connection: HTTPConnection) -> tuple[int, dict[str, Any]]:
    response = connection.getresponse()
    document: dict[str, Any] = json.loads(response.read())
    return response.status, document


class Listener:
    """Everything that the event stream said since it was opened, in order."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._response = connection.getresponse()
        connection.sock.settimeout(None)  # the till may have nothing to say for long
        self._thread = threading.Thread(target=self._listen)
        self._open = threading.Event()
        self.events: list[tuple[str, dict[str, Any]]] = []

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == kind]

    def wait(self, kind: str, count: int = 1, fits: Callable[[dict[str, Any]], bool] = lambda _: True) -> Any:
        """The newest event of ``kind`` that fits, once there are ``count``."""

        def enough() -> list[dict[str, Any]] | None:
            found = [data for data in self.of(kind) if fits(data)]
            return found if len(found) >= count else None

        try:
            return wait_for(enough, f"{count} of {kind}")[-1]
        except AssertionError as error:
            error.add_note(f"heard: {self.events}")
            raise

    def __enter__(self) -> Listener:
        self._thread.start()
        assert self._open.wait(PATIENCE_S), "the stream did not open"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # the till has gone before us
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._response.close()
        self._connection.close()

    def _listen(self) -> None:
        kind = ""
        try:
            for raw in self._response:
                self._open.set()
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    self.events.append((kind, json.loads(line[6:])))
        except (OSError, HTTPException):
            return  # the till was killed, or we hung up
