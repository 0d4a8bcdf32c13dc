"""The gate before every route. A browser on the shop's network is not a friend just because it can reach us.

- exactly one ``Host``, and it is an address, ``localhost`` or a name that the owner gave: a stranger's domain that was
  made to point here (DNS rebinding) gets 421;
- a request that says it comes from another page (``Origin``, ``Sec-Fetch-Site``) gets 403, except for opening a page;
- every answer forbids scripts, frames and requests that are not ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posd.club.problems import problem_document

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers say "Origin: null" when a form of ours is sent
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Gate:
    """ASGI middleware; ``names`` are host names that lead here, beside addresses and localhost."""

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names) | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["method"])
        answer: ASGIApp = self._app if refusal is None else problem_document(*refusal)
        await answer(scope, receive, send_guarded)

    def _refusal(self, headers: Headers, method: str) -> tuple[int, str, str] | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_ours(hosts[0], self._names):
            return 421, "wrong_host", "call the club by its address, or start it with this name"
        if is_from_elsewhere(headers, method, hosts[0]):
            return 403, "cross_site", "this came from another site's page"
        return None


def is_ours(host: str, names: frozenset[str]) -> bool:
    """Whether a ``Host`` value may lead here. An address cannot be rebound; a name can, so it must be known."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_from_elsewhere(headers: Headers, method: str, host: str) -> bool:
    """Whether a browser says that another site's page made this request. Following a link to a page is allowed: the
    cookie does not travel with it (SameSite=Strict)."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return True
    site = headers.get("sec-fetch-site", "none")
    follows_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    return site not in {"none", "same-origin"} and not follows_link
