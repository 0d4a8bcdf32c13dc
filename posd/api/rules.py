"""The decisions of the gate as small functions over headers: each returns nothing, or raises the `Refused` that says
why. Numbers are those of the twelve rules in `docs/security.md`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from posd.api.port import Refused

Headers = Sequence[tuple[bytes, bytes]]

READS = frozenset({"GET", "HEAD"})


def header(headers: Headers, name: bytes) -> str | None:
    """The value of a header that may come once; a second one is refused, because two readers could pick differently."""
    values = [value for key, value in headers if key == name]
    if len(values) > 1:
        raise Refused(400, "header_twice", f"send the header {name.decode()} once")
    return values[0].decode("latin-1") if values else None


def loopback_hosts(port: int) -> tuple[str, ...]:
    return (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}")


def check_host(headers: Headers, port: int) -> str:
    """Rule 2, against DNS rebinding: exactly one Host, with the port this request came in by. Returns it."""
    hosts = [value.decode("latin-1").lower() for key, value in headers if key == b"host"]
    allowed = loopback_hosts(port)
    if len(hosts) != 1 or hosts[0] not in allowed:
        raise Refused(421, "host_not_allowed", f"address this till as http://{allowed[0]}, with one Host header")
    return hosts[0]


def check_origin(headers: Headers, host: str, paired: Collection[str]) -> str | None:
    """Rules 3 and 4, against other web pages in the same browser. Returns the paired origin that asks, or None for a
    program, for a typed address and for our own page."""
    origin = header(headers, b"origin")
    if origin is None:
        _check_fetch_site(headers)
        return None
    if origin == f"http://{host}":
        return None
    if origin != "null" and origin in paired:
        return origin
    raise Refused(403, "origin_not_paired", "this web page is not paired with the till; show a code for its origin")


def _check_fetch_site(headers: Headers) -> None:
    site = header(headers, b"sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        raise Refused(403, "cross_site", "open the till's page by its own address, not from within another page")


def check_no_websocket(headers: Headers) -> None:
    """No WebSocket is offered, so none can be hijacked; events come by SSE or long poll."""
    upgrade = header(headers, b"upgrade")
    if upgrade is not None and "websocket" in upgrade.lower():
        raise Refused(403, "websocket_not_offered", "there is no WebSocket here; read GET /v1/events instead")


def check_sizes(headers: Headers, target: bytes, header_bytes: int, body_bytes: int) -> None:
    """Rule 10: h11 bounds only headers that trickle in; here the whole head is counted."""
    size = len(target) + sum(len(name) + len(value) + 4 for name, value in headers)
    if size > header_bytes:
        raise Refused(431, "headers_too_large", f"send at most {header_bytes} bytes of address and headers")
    length = header(headers, b"content-length")
    if length is not None and int(length) > body_bytes:
        raise body_too_large(body_bytes)


def body_too_large(limit: int) -> Refused:
    return Refused(413, "body_too_large", f"send at most {limit} bytes; split what is larger")


def check_content_type(method: str, headers: Headers) -> None:
    """Rule 6: a form or a text/plain body, which a browser sends anywhere without asking, is no write here."""
    if method in READS:
        return
    kind, _, parameter = (header(headers, b"content-type") or "").partition(";")
    charset = parameter.strip().lower()
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Refused(415, "media_type", "send writes as Content-Type: application/json, even with an empty body")


def check_csrf(method: str, headers: Headers) -> None:
    """Rule 7: a header that no other site can add without a preflight, which the gate refuses it."""
    if method not in READS and not header(headers, b"x-posd-csrf"):
        raise Refused(403, "csrf_missing", "a write from the page needs the header X-Posd-CSRF: 1")


def bearer(headers: Headers) -> str | None:
    """The token of ``Authorization: Bearer …``, or None."""
    scheme, _, token = (header(headers, b"authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
