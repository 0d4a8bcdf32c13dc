"""What the club says to tills bears its signature: refusals too, for a till acts on them. ASGI."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posd.clock import Clock
from posd.sync.identity import SigningKey
from posd.sync.signing import Answer, claimed, signed

ROUTES = "/v1/tills"


class SignedAnswers:
    """Middleware: an answer on a till's route to a request that was signed carries the request's nonce, the club's
    time and the club's signature. It is held until its body is complete; none is long."""

    def __init__(self, app: ASGIApp, key: SigningKey, clock: Clock) -> None:
        self._app = app
        self._key = key
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = claimed(Headers(scope=scope)) if scope["type"] == "http" and scope["path"].startswith(ROUTES) else None
        if asked is None:
            await self._app(scope, receive, send)
            return
        nonce, content = asked.nonce, bytearray()
        start: dict[str, Any] = {}

        async def send_signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            content.extend(message.get("body", b""))
            if not message.get("more_body", False):
                self._sign(start, bytes(content), nonce)
                await send(start)
                await send({"type": "http.response.body", "body": bytes(content)})

        await self._app(scope, receive, send_signed)

    def _sign(self, start: dict[str, Any], content: bytes, nonce: str) -> None:
        answer, now_s = Answer(start["status"], content), self._clock.now().wall_ms // 1000
        MutableHeaders(scope=start).update(signed(answer, self._key, now_s, nonce))
