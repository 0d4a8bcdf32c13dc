"""uvicorn's HTTP/1.1 protocol with what a hostile loopback needs: the peer of a Unix socket, a bound on connections,
and deadlines for clients that send or take their bytes too slowly."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from posd.api.peers import PEER, peer_of
from posd.api.port import Refused
from posd.api.problems import PROBLEM, SECURITY_HEADERS, problem_document
from posd.api.settings import Limits

_LINGER_S = 0.5


class LoopbackProtocol(H11Protocol):
    """One connection. ``limits`` is set by the subclass that `protocol_with` makes."""

    limits = Limits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.local = False
        self._refused = False
        self._request_deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as H11Protocol has it
        super().connection_made(transport)
        peer = peer_of(transport.get_extra_info("socket"))
        self.local = peer is not None
        self.app_state = {**self.app_state, PEER: peer}
        if self._neighbours() > self.limits.connections:
            self._refuse(Refused(503, "too_many_connections", "close connections that are not needed, then try again"))
        else:
            self._start_deadline()

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self._refused:
            return
        if self._request_incomplete():
            self._start_deadline()
        else:
            self._stop_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_deadline()
        self.resume_writing()
        self._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.call_later(self.limits.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def shutdown(self) -> None:
        """Streams have no end of their own: close them; a request that is still being answered gets its answer."""
        super().shutdown()
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What h11 could not parse; called while its error is being handled."""
        self._refuse(_refusal_of(sys.exception(), msg))

    def _neighbours(self) -> int:
        return sum(1 for other in self.connections if getattr(other, "local", False) == self.local)

    def _request_incomplete(self) -> bool:
        """Part of a request is here. Between two requests the keep-alive timer of uvicorn runs instead."""
        return self.conn.their_state is h11.SEND_BODY or (
            self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        )

    def _start_deadline(self) -> None:
        if self._request_deadline is None:
            self._request_deadline = self.loop.call_later(self.limits.request_timeout_s, self._too_slow)

    def _stop_deadline(self) -> None:
        if self._request_deadline is not None:
            self._request_deadline.cancel()
            self._request_deadline = None

    def _too_slow(self) -> None:
        self._request_deadline = None
        if not self.transport.is_closing():
            self._refuse(Refused(408, "too_slow", f"send a request within {self.limits.request_timeout_s:.0f} seconds"))

    def _refuse(self, refused: Refused) -> None:
        """Answer outside of ASGI, as far as the connection still can, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(problem_document(refused)).encode()
            headers = [
                (b"content-type", PROBLEM.encode()),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                *SECURITY_HEADERS,
            ]
            answer = h11.Response(status_code=refused.status, headers=headers)
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _linger(self) -> None:
        """Closing with unread bytes resets the connection, and the client never sees the answer; so read on for a
        moment, unless so many linger that somebody is playing with us."""
        self._refused = True
        if len(self.connections) < 2 * self.limits.connections and self.transport.can_write_eof():
            self.transport.write_eof()
            self._request_deadline = self.loop.call_later(_LINGER_S, self.transport.close)
        else:
            self.transport.close()


def protocol_with(limits: Limits) -> type[LoopbackProtocol]:
    """The protocol class for a server with these limits; uvicorn builds one per connection and passes no options."""
    return type("LoopbackProtocol", (LoopbackProtocol,), {"limits": limits})


def _refusal_of(error: BaseException | None, message: str) -> Refused:
    if isinstance(error, h11.RemoteProtocolError):
        if error.error_status_hint == 431:
            return Refused(431, "headers_too_large", "send shorter headers")
        if str(error).endswith(("Host: header", "Host: headers")):
            return Refused(421, "host_not_allowed", "send exactly one Host header")
    return Refused(400, "not_http", f"{message} Send HTTP/1.1")
