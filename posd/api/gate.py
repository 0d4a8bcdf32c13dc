"""The gate: first in the chain, in front of routing, for every scope type. Loopback is hostile: any web page in the
cashier's browser and any user of the machine can reach it.

The rules themselves are in `posd.api.rules`; here is their order, and what an answer must carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posd.api import rules
from posd.api.page_key import PageKey
from posd.api.pairing import Pairing
from posd.api.peers import PEER, Peer, caller_of
from posd.api.port import Caller, Refused
from posd.api.problems import SECURITY_HEADERS, problem_body, retry_headers
from posd.api.scopes import CASHIER_PAGE
from posd.api.settings import ApiSettings
from posd.api.throttle import Throttle
from posd.api.tokens import TokenStore
from posd.clock import Clock
from posd.errors import PosdError

CALLER = "posd.caller"
"""Where the routes find who asks."""
HEALTH = "/health"
PAIRING = "/v1/pairing"
HOME = "/"
NOBODY = Caller("nobody", frozenset())
PAGE_NAME = "page:cashier"
"""Token names carry no colon, so no program can take this one."""

_DRAIN_BYTES = 1024 * 1024


class Gate:
    """ASGI: refuses, or sets `CALLER` and passes on."""

    def __init__(
        self, app: ASGIApp, settings: ApiSettings, tokens: TokenStore, pairing: Pairing, page: PageKey, clock: Clock
    ) -> None:
        self._app = app
        self._settings = settings
        self._tokens = tokens
        self._pairing = pairing
        self._page = page
        self._throttle = Throttle(settings.limits.requests_per_s, settings.limits.burst, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer: Peer | None = scope["state"].get(PEER)
        limits = self._settings.limits
        body, answer = _Body(receive, limits.socket_body_bytes if peer else limits.body_bytes), _Answer(send)
        try:
            await self._admit(scope, peer, body, answer)
        except Refused as refused:
            if refused.status == 413:
                await body.drain()
            await answer.refuse(refused, _accept(scope))
        except ClientDisconnect:
            return  # gone in the middle of its own request: nobody is left to be told
        except PosdError as error:
            await answer.refuse(Refused(503, "till_out_of_order", str(error)), _accept(scope))

    async def _admit(self, scope: Scope, peer: Peer | None, body: _Body, answer: _Answer) -> None:
        headers = scope["headers"]
        rules.check_no_websocket(headers)
        host = "" if peer else self._check_address(scope, answer)
        target = scope["raw_path"] + scope["query_string"]
        rules.check_sizes(headers, target, self._settings.limits.header_bytes, body.limit)
        if answer.origin and scope["method"] == "OPTIONS":
            await answer.preflight()
        elif not (host and await self._page_opened(scope, host, answer)):
            groups = self._settings.group_scopes
            scope[CALLER] = caller_of(peer, groups) if peer else self._caller(scope, host, answer.origin)
            rules.check_content_type(scope["method"], headers)
            await self._app(scope, body, answer)

    def _check_address(self, scope: Scope, answer: _Answer) -> str:
        host = rules.check_host(scope["headers"], scope["server"][1])
        answer.origin = rules.check_origin(scope["headers"], host, self._origins(scope["path"]))
        return host

    def _origins(self, path: str) -> frozenset[str]:
        paired = self._tokens.origins()
        expected = self._pairing.expected_origin() if path == PAIRING else None
        return paired | {expected} if expected else paired

    async def _page_opened(self, scope: Scope, host: str, answer: _Answer) -> bool:
        """``GET /?key=…``: the key for a session, and on to the page without the key in its address."""
        keys = parse_qs(scope["query_string"].decode("latin-1")).get("key")
        if scope["path"] != HOME or scope["method"] != "GET" or not keys:
            return False
        if not self._page.opens(keys[0]):
            raise Refused(
                403, "key_wrong", "this address is out of date; posd run prints the present one when it starts"
            )
        await answer.redirect(HOME, self._page.new_session(host))
        return True

    def _caller(self, scope: Scope, host: str, origin: str | None) -> Caller:
        """Rule 5: who asks, or a refusal. The health check and the exchange of a code need no name."""
        if scope["path"] == HEALTH or (scope["path"], scope["method"]) == (PAIRING, "POST"):
            return NOBODY
        headers = scope["headers"]
        text = rules.bearer(headers)
        caller = self._token_caller(text, origin) if text else self._session_caller(scope, host)
        if not self._throttle.admits(caller.name):
            raise Refused(429, "too_many_requests", "slow down: this program asks too often; wait a second")
        return caller

    def _token_caller(self, text: str, origin: str | None) -> Caller:
        token = self._tokens.find(text)
        if token is None:
            raise Refused(401, "token_unknown", "this token is not known or was revoked; pair again")
        if token.origin != origin:
            raise Refused(403, "token_elsewhere", "this token belongs to another origin; pair this one on its own")
        return Caller(token.name, frozenset(token.scopes))

    def _session_caller(self, scope: Scope, host: str) -> Caller:
        cookies = rules.header(scope["headers"], b"cookie") or ""
        if not self._page.session_valid(cookies, host):
            raise Refused(
                401,
                "token_missing",
                "send Authorization: Bearer with a token; the page opens by the address that posd run prints",
            )
        rules.check_csrf(scope["method"], scope["headers"])
        return Caller(PAGE_NAME, CASHIER_PAGE)


class _Answer:
    """``send`` that adds the security headers (rule 9) and, for one paired origin, CORS (rule 8)."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.origin: str | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), *SECURITY_HEADERS, *self._cors()]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, refused: Refused, accept: str) -> None:
        kind, body = problem_body(refused, accept)
        close = {"connection": "close"} if refused.status in (413, 431) else {}
        await self._reply(refused.status, {"content-type": kind, **retry_headers(refused), **close}, body)

    async def redirect(self, path: str, cookie: str) -> None:
        await self._reply(303, {"location": path, "set-cookie": cookie}, b"")

    async def preflight(self) -> None:
        allow = {
            "access-control-allow-methods": "GET, POST, DELETE",
            "access-control-allow-headers": "authorization, content-type, idempotency-key, last-event-id",
            "access-control-max-age": "600",
        }
        await self._reply(204, allow, b"")

    async def _reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        if status != 204:
            raw.append((b"content-length", str(len(body)).encode()))
        await self({"type": "http.response.start", "status": status, "headers": raw})
        await self({"type": "http.response.body", "body": body})

    def _cors(self) -> list[tuple[bytes, bytes]]:
        vary = (b"vary", b"Origin")
        return [vary, (b"access-control-allow-origin", self.origin.encode("latin-1"))] if self.origin else [vary]


def _accept(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), "")


class _Body:
    """``receive`` that counts what really arrives: a chunked body declares no length."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self.limit = limit
        self._seen = 0
        self._more = True

    async def __call__(self) -> Message:
        message = await self._next()
        if self._seen > self.limit:
            raise rules.body_too_large(self.limit)
        return message

    async def drain(self) -> None:
        """Take what is still coming, within reason, so that the client lives to read why it was refused."""
        while self._more and self._seen <= _DRAIN_BYTES:
            await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        self._more = message.get("more_body", False)
        return message
