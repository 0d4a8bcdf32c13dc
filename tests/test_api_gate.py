"""The gate of the local API: twelve rules and eight attacks, each attack beside the legal request that it resembles."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Send
from starlette.types import Scope as AsgiScope

from posd.api.gate import Gate
from posd.api.page_key import PageKey
from posd.api.pairing import Pairing
from posd.api.port import Refused
from posd.api.rules import check_host, check_origin, header
from posd.api.scopes import REGISTER, Scope
from posd.api.settings import ApiSettings, Limits
from posd.api.tokens import TokenStore
from posd.config import ApiConfig
from posd.errors import ConfigError
from tests.fakes.clock import FakeClock
from tests.fakes.local_api import JSON, LocalApi, Reply, local_api

SHOP = "https://register.example"
SALE = {"currency": "IRR", "lines": [{"amount_minor": 100}]}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    folder = tmp_path_factory.mktemp("gate")
    limits = Limits(burst=100_000)
    settings = ApiSettings(folder, port=0, socket=folder / "posd.sock", limits=limits)
    with local_api(folder, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def cookie(api: LocalApi) -> str:
    """What the cashier's browser sends along, whoever makes it ask."""
    return _cookie(api, f"127.0.0.1:{api.port}")


def _cookie(api: LocalApi, host: str) -> str:
    return api.page.new_session(host).partition(";")[0]


def _sell(api: LocalApi, headers: dict[str, str]) -> Reply:
    sent = {"Content-Type": "application/json", "Idempotency-Key": "k1", **headers}
    return api.request("POST", "/v1/sales", SALE, sent)


# --- the eight attacks ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """``evil`` is what an attacker sends, ``legal`` what looks most like it and must pass with ``passes``."""

    name: str
    evil: Callable[[LocalApi, str], Reply]
    status: int
    code: str
    legal: Callable[[LocalApi, str], Reply]
    passes: int


def _upgrade(api: LocalApi, **headers: str) -> Reply:
    socket_headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    return api.request("GET", "/v1/events?wait=0", headers={**socket_headers, **headers})


def _poll(api: LocalApi, cookie: str) -> Reply:
    return api.request("GET", "/v1/events?wait=0", headers={"Cookie": cookie, "Sec-Fetch-Site": "same-origin"})


def _raw(api: LocalApi, *lines: str) -> Reply:
    answer = api.raw("\r\n".join([*lines, "", ""]).encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *rest = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in rest)
    return Reply(int(status.split()[1]), headers, body)


ATTACKS = [
    Attack(
        "a rebound name reads",
        lambda api, cookie: api.request("GET", "/v1/status", headers={"Host": "evil.example:7673", "Cookie": cookie}),
        421,
        "host_not_allowed",
        lambda api, cookie: api.request("GET", "/v1/status", headers={"Cookie": cookie}),
        200,
    ),
    Attack(
        "a foreign page posts text/plain",
        lambda api, cookie: _sell(
            api, {"Origin": "https://evil.example", "Cookie": cookie, "Content-Type": "text/plain"}
        ),
        403,
        "origin_not_paired",
        lambda api, cookie: _sell(
            api, {"Origin": f"http://127.0.0.1:{api.port}", "Cookie": cookie, "X-Posd-CSRF": "1"}
        ),
        201,
    ),
    Attack(
        "a foreign page embeds a GET without Origin",
        lambda api, cookie: api.request(
            "GET", "/v1/status", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Cookie": cookie}
        ),
        403,
        "cross_site",
        lambda api, cookie: api.request(
            "GET", "/v1/status", headers={"Sec-Fetch-Site": "same-origin", "Cookie": cookie}
        ),
        200,
    ),
    Attack(
        "a foreign page opens a WebSocket",
        lambda api, cookie: _upgrade(api, Origin="https://evil.example", Cookie=cookie),
        403,
        "websocket_not_offered",
        _poll,
        200,
    ),
    Attack(
        "a rebound name opens a WebSocket",
        lambda api, cookie: _upgrade(api, Host=f"evil.example:{api.port}", Origin="http://evil.example", Cookie=cookie),
        403,
        "websocket_not_offered",
        _poll,
        200,
    ),
    Attack(
        "a sandboxed frame opens a WebSocket",
        lambda api, cookie: _upgrade(api, Origin="null", Cookie=cookie),
        403,
        "websocket_not_offered",
        _poll,
        200,
    ),
    Attack(
        "two Hosts, one of them right",
        lambda api, cookie: _raw(
            api,
            "GET /v1/status HTTP/1.1",
            f"Host: 127.0.0.1:{api.port}",
            "Host: evil.example",
            f"Cookie: {cookie}",
            "Connection: close",
        ),
        421,
        "host_not_allowed",
        lambda api, cookie: _raw(
            api, "GET /v1/status HTTP/1.1", f"Host: 127.0.0.1:{api.port}", f"Cookie: {cookie}", "Connection: close"
        ),
        200,
    ),
    Attack(
        "another user's process without a token",
        lambda api, _: _sell(api, {}),
        401,
        "token_missing",
        lambda api, _: _sell(api, api.bearer),
        201,
    ),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_each_attack_is_refused_and_its_legal_twin_passes(api: LocalApi, cookie: str, attack: Attack) -> None:
    booked = api.till.booked
    refused = attack.evil(api, cookie)
    assert (refused.status, refused.code) == (attack.status, attack.code)
    assert api.till.booked == booked
    assert "access-control-allow-origin" not in refused.headers
    assert attack.legal(api, cookie).status == attack.passes


# --- the twelve rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "till.local"])
def test_rule_1_refuses_to_listen_on_the_network(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="would open the till to the network"):
        ApiSettings.of(ApiConfig(host=host), tmp_path)
    assert ApiSettings.of(ApiConfig(host="localhost"), tmp_path).socket == tmp_path / "posd.sock"


@pytest.mark.complaint(24)
def test_rule_1_listens_on_loopback_alone(api: LocalApi) -> None:
    rows = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    listening = {row.split()[1] for row in rows if row.split()[3] == "0A"}
    assert f"0100007F:{api.port:04X}" in listening
    assert f"00000000:{api.port:04X}" not in listening


@pytest.mark.parametrize("host", ["127.0.0.1:{p}", "localhost:{p}", "[::1]:{p}", "LOCALHOST:{p}"])
def test_rule_2_takes_the_names_of_loopback(api: LocalApi, host: str) -> None:
    assert api.request("GET", "/health", headers={"Host": host.format(p=api.port)}).status == 200


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:1", "localhost", "evil.example:{p}", "127.0.0.1:{p}.", "0.0.0.0:{p}", "x@127.0.0.1:{p}"],
)
@pytest.mark.parametrize("path", ["/health", "/v1/status", "/nothing", "/"])
def test_rule_2_refuses_every_other_name_before_routing(api: LocalApi, host: str, path: str) -> None:
    reply = api.request("GET", path, headers={**api.bearer, "Host": host.format(p=api.port)})
    assert (reply.status, reply.code) == (421, "host_not_allowed")


def test_rule_2_wants_exactly_one_host_also_from_http_1_0(api: LocalApi) -> None:
    for lines in ([f"Host: 127.0.0.1:{api.port}"] * 2, []):
        for version in ("1.0", "1.1"):
            assert _raw(api, f"GET /health HTTP/{version}", *lines).status == 421
    assert _raw(api, "GET /health HTTP/1.0", f"Host: 127.0.0.1:{api.port}").status == 200


def test_rule_2_counts_hosts_even_if_the_parser_would_not() -> None:
    """h11 refuses a second Host itself; the rule does not lean on it."""
    good = (b"host", b"127.0.0.1:7673")
    assert check_host([good], 7673) == "127.0.0.1:7673"
    for headers in ([good, good], [good, (b"host", b"evil.example")], []):
        with pytest.raises(Refused) as refused:
            check_host(headers, 7673)
        assert refused.value.status == 421


@pytest.mark.parametrize(
    "origin",
    ["null", "https://evil.example", "https://register.example.evil.example", "http://register.example", "",
     "https://register.example/", "HTTPS://REGISTER.EXAMPLE", "http://127.0.0.1:1", "http://localhost:{p}"],
)  # fmt: skip
def test_rule_3_takes_no_origin_but_the_paired_one(api: LocalApi, origin: str) -> None:
    reply = api.request("GET", "/v1/status", headers={**api.bearer, "Origin": origin.format(p=api.port)})
    assert (reply.status, reply.code) == (403, "origin_not_paired")


def test_rule_3_binds_a_token_to_its_origin(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        web = {"Authorization": f"Bearer {api.tokens.create('web', SHOP, REGISTER)}"}
        assert api.request("GET", "/v1/status", headers={**web, "Origin": SHOP}).status == 200
        assert api.request("GET", "/v1/status", headers=web).code == "token_elsewhere"
        assert api.request("GET", "/v1/status", headers={**api.bearer, "Origin": SHOP}).code == "token_elsewhere"


def test_rule_3_a_paired_null_is_still_refused() -> None:
    with pytest.raises(Refused):
        check_origin([(b"origin", b"null")], "127.0.0.1:7673", {"null"})


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200), ("same-origin", 200)]
)
def test_rule_4_judges_by_fetch_metadata_when_there_is_no_origin(api: LocalApi, site: str, status: int) -> None:
    assert api.request("GET", "/v1/status", headers={**api.bearer, "Sec-Fetch-Site": site}).status == status


def test_rule_5_wants_a_token_on_every_route_but_health(api: LocalApi) -> None:
    for operation in api.app.operations:
        path = operation.path.format(reader_id="desk", sale_id="s", method="m")
        reply = api.request(operation.method, path, b"{}", JSON)
        if operation.public:
            assert reply.status != 401, path
        else:
            assert (reply.status, reply.code) == (401, "token_missing"), path
    assert {operation.path for operation in api.app.operations if operation.public} == {"/health", "/v1/pairing"}
    for path in ("/", "/index.html", "/nothing", "/v1/nothing"):
        assert api.request("GET", path).status == 401


def test_rule_5_health_says_the_same_to_everybody(api: LocalApi) -> None:
    assert {api.request("GET", "/health", headers=h).body for h in ({}, api.bearer)} == {b'{"status":"ok"}'}


@pytest.mark.parametrize("word", ["Bearer wrong", "Bearer ", "Basic cDpw", "bearer posd_", "Token x"])
def test_rule_5_refuses_tokens_that_are_none(api: LocalApi, word: str) -> None:
    reply = api.request("GET", "/v1/status", headers={"Authorization": word})
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/json; charset=latin-1"],
)
def test_rule_6_takes_writes_as_json_only(api: LocalApi, kind: str) -> None:
    booked = api.till.booked
    assert _sell(api, {**api.bearer, "Content-Type": kind, "Idempotency-Key": kind or "-"}).code == "media_type"
    assert api.till.booked == booked


def test_rule_6_takes_json_with_its_charset(api: LocalApi) -> None:
    kind = {"Content-Type": "Application/JSON; charset=UTF-8", "Idempotency-Key": "charset"}
    assert _sell(api, {**api.bearer, **kind}).status == 201


def test_rule_7_key_buys_a_session_and_leaves_the_address(api: LocalApi) -> None:
    key = api.page.address(api.port).rpartition("=")[2]
    reply = api.request("GET", f"/?key={key}")
    assert (reply.status, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"]
    assert cookie.startswith(api.page.cookie_name + "=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert api.request("GET", "/v1/till", headers={"Cookie": cookie.partition(";")[0]}).status == 200


def test_rule_7_a_wrong_key_buys_nothing(api: LocalApi) -> None:
    reply = api.request("GET", "/?key=guess")
    assert (reply.status, reply.code) == (403, "key_wrong")
    assert "set-cookie" not in reply.headers


def test_rule_7_tells_a_person_in_a_sentence(api: LocalApi) -> None:
    reply = api.request("GET", "/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert reply.status == 401
    assert reply.headers["content-type"].startswith("text/html")
    assert b"posd run" in reply.body


def test_rule_7_a_session_is_bound_to_its_host(api: LocalApi) -> None:
    for made_for, asked, status in (("127.0.0.1", "localhost", 401), ("localhost", "localhost", 200)):
        cookie = _cookie(api, f"{made_for}:{api.port}")
        headers = {"Cookie": cookie, "Host": f"{asked}:{api.port}"}
        assert api.request("GET", "/v1/till", headers=headers).status == status


def test_rule_7_a_forged_cookie_opens_nothing(api: LocalApi, cookie: str) -> None:
    name, _, value = cookie.partition("=")
    nonce, _, signature = value.partition(".")
    for forged in (f"{name}={nonce}.{'0' * len(signature)}", f"{name}={'0' * 32}.{signature}", f"{name}=", "posd=1",
                   f"posd_other={value}", f"{name}=é.é"):  # fmt: skip
        assert api.request("GET", "/v1/till", headers={"Cookie": forged}).status == 401
    assert api.request("GET", "/v1/till", headers={"Cookie": f"other=1; {cookie}"}).status == 200


def test_rule_7_writes_of_a_session_need_the_csrf_header(api: LocalApi, cookie: str) -> None:
    action = {"do": "back"}
    assert api.request("POST", "/v1/till/actions", action, {**JSON, "Cookie": cookie}).code == "csrf_missing"
    reply = api.request("POST", "/v1/till/actions", action, {**JSON, "Cookie": cookie, "X-Posd-CSRF": "1"})
    assert reply.json["did"] == "back"


def test_rule_8_echoes_one_paired_origin_and_no_credentials(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        web = {"Authorization": f"Bearer {api.tokens.create('web', SHOP, REGISTER)}", "Origin": SHOP}
        api.tokens.create("other", "https://other.example", REGISTER)
        asked = {**web, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        del asked["Authorization"]
        preflight, answer = (
            api.request("OPTIONS", "/v1/sales", headers=asked),
            api.request("GET", "/v1/status", headers=web),
        )
        assert (preflight.status, answer.status) == (204, 200)
        for reply in (preflight, answer):
            assert reply.headers["access-control-allow-origin"] == SHOP
            assert reply.headers["vary"] == "Origin"
            assert "access-control-allow-credentials" not in reply.headers
        assert "idempotency-key" in preflight.headers["access-control-allow-headers"]
        refused = api.request("OPTIONS", "/v1/sales", headers={**asked, "Origin": "https://evil.example"})
        assert refused.code == "origin_not_paired"
        api.tokens.revoke("web")
        assert api.request("OPTIONS", "/v1/sales", headers=asked).status == 403


@pytest.mark.parametrize("path", ["/health", "/v1/status", "/nothing", "/", "/openapi.json"])
def test_rule_9_every_answer_carries_the_security_headers(api: LocalApi, path: str) -> None:
    for headers in ({}, api.bearer, {"Host": "evil.example"}):
        found = api.request("GET", path, headers=headers).headers
        assert "default-src 'self'" in found["content-security-policy"]
        assert "frame-ancestors 'none'" in found["content-security-policy"]
        assert found["x-content-type-options"] == "nosniff"
        assert found["referrer-policy"] == "no-referrer"
        assert found["cross-origin-resource-policy"] == "same-origin"


def test_rule_10_bounds_the_body_declared_or_not(api: LocalApi) -> None:
    """One byte more than 64 KiB is too much; 64 KiB are judged by what stands in them."""
    headers = {**api.bearer, "Content-Type": "application/json"}
    small, large = b" " * 65534 + b"[]", b" " * 65535 + b"[]"
    assert api.request("POST", "/v1/quotes", small, headers).code == "field_invalid"
    assert api.request("POST", "/v1/quotes", large, headers).code == "body_too_large"
    for content, code in ((small, "field_invalid"), (large, "body_too_large")):
        connection = api.connect()
        connection.request("POST", "/v1/quotes", iter([content[:40000], content[40000:]]), headers, encode_chunked=True)
        response = connection.getresponse()
        assert (
            Reply(response.status, {"content-type": response.getheader("content-type", "")}, response.read()).code
            == code
        )
        connection.close()


def test_rule_10_bounds_the_head(api: LocalApi) -> None:
    for size, status in ((6000, 200), (8200, 431), (60_000, 431)):
        assert _raw(api, "GET /health HTTP/1.1", f"Host: 127.0.0.1:{api.port}", f"X-Long: {'x' * size}",
                    "Connection: close").status == status  # fmt: skip
    assert api.request("GET", f"/health?{'x' * 8200}").status == 431


def test_rule_10_bounds_requests_per_token_and_lets_a_cashier_burst(tmp_path: Path) -> None:
    clock = FakeClock()
    limits = Limits(requests_per_s=10, burst=5)
    settings = ApiSettings(tmp_path, port=0, limits=limits)
    with local_api(tmp_path, settings=settings, clock=clock) as api:
        other = {"Authorization": f"Bearer {api.tokens.create('other', None, REGISTER)}"}
        assert [api.ask("GET", "/v1/status").status for _ in range(6)] == [200] * 5 + [429]
        assert api.ask("GET", "/v1/status").headers["retry-after"] == "1"
        assert api.request("GET", "/v1/status", headers=other).status == 200
        assert api.request("GET", "/health").status == 200
        clock.advance_ms(200)
        assert [api.ask("GET", "/v1/status").status for _ in range(3)] == [200, 200, 429]
        clock.step_wall_ms(3_600_000)
        assert api.ask("GET", "/v1/status").status == 429


def test_rule_10_the_default_burst_covers_a_held_key() -> None:
    """30 repeats a second for five seconds, after a page load of 40 files, with ten a second refilled."""
    limits = Limits()
    assert 40 + 5 * 30 - 5 * limits.requests_per_s <= limits.burst


def test_rule_10_bounds_connections_and_keeps_the_unix_socket_free(tmp_path: Path) -> None:
    limits = Limits(connections=4)
    settings = ApiSettings(tmp_path, port=0, socket=tmp_path / "posd.sock", limits=limits)
    with local_api(tmp_path, settings=settings) as api:
        held = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(4)]
        reply = _raw(api, "GET /health HTTP/1.1", f"Host: 127.0.0.1:{api.port}")
        assert (reply.status, reply.code) == (503, "too_many_connections")
        assert api.ask_locally("GET", "/health").status == 200
        for connection in held:
            connection.close()
        deadline = Turns()
        while _busy(api):
            deadline.check()


def _busy(api: LocalApi) -> bool:
    return _raw(api, "GET /health HTTP/1.1", f"Host: 127.0.0.1:{api.port}", "Connection: close").status != 200


class Turns:
    """Turns of a loop that a condition may take before the test gives up."""

    def __init__(self, turns: int = 500) -> None:
        self._left = turns

    def check(self) -> None:
        self._left -= 1
        assert self._left, "did not happen"


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /health HT", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Slow: ",
     b"POST /v1/pairing HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
     b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\nGET /hea"],
    ids=["nothing", "half a line", "half a head", "half a body", "half a second request"],
)  # fmt: skip
def test_rule_10_does_not_wait_for_slow_clients(tmp_path: Path, sent: bytes) -> None:
    settings = ApiSettings(tmp_path, port=0, limits=Limits(request_timeout_s=0.3))
    with local_api(tmp_path, settings=settings) as api, socket.create_connection(("127.0.0.1", api.port), 10) as slow:
        slow.sendall(sent.replace(b"%d", b"%d" % api.port))
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
        assert answer.count(b"HTTP/1.1 408") == 1
        assert answer.startswith(b"HTTP/1.1 200") == sent.endswith(b"GET /hea")
        assert api.request("GET", "/health").status == 200


def test_rule_12_scopes_bound_what_a_token_opens(tmp_path: Path) -> None:
    with local_api(tmp_path, scopes=frozenset({Scope.ACCRUE})) as api:
        redeeming = {**SALE, "member_id": "0197parisa", "redeem": {"CREDIT": 50}}
        assert api.ask("POST", "/v1/sales", SALE, Idempotency_Key="1").status == 201
        assert api.ask("POST", "/v1/sales", redeeming, Idempotency_Key="2").code == "scope_missing"
        assert api.ask("POST", "/v1/sales", {**redeeming, "redeem": {"CREDIT": 0}}, Idempotency_Key="3").status == 201
        for method, path in (("POST", "/v1/sales/s/void"), ("GET", "/v1/tokens"), ("GET", "/v1/till")):
            assert api.ask(method, path, {}, Idempotency_Key="4").code == "scope_missing"
        assert api.till.booked == 2


def test_rule_12_the_cashier_page_holds_no_admin(api: LocalApi, cookie: str) -> None:
    assert api.request("GET", "/v1/tokens", headers={"Cookie": cookie}).code == "scope_missing"
    assert api.request("GET", "/v1/till", headers={"Cookie": cookie}).status == 200


def test_a_header_that_decides_may_not_come_twice(api: LocalApi) -> None:
    with pytest.raises(Refused):
        header([(b"origin", b"a"), (b"origin", b"b")], b"origin")
    head = [f"Host: 127.0.0.1:{api.port}", f"Authorization: Bearer {api.token}", "Connection: close"]
    assert (
        _raw(api, "GET /v1/status HTTP/1.1", *head, "Origin: null", f"Origin: http://127.0.0.1:{api.port}").status
        == 400
    )
    assert _raw(api, "GET /v1/status HTTP/1.1", *head).status == 200


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nHost here\r\n\r\n"]
)
def test_what_is_not_http_is_told_so(api: LocalApi, garbage: bytes) -> None:
    assert api.raw(garbage).startswith(b"HTTP/1.1 400")


def test_settings_can_be_narrowed(tmp_path: Path) -> None:
    settings = replace(ApiSettings(tmp_path), simulated_readers=False, port=0)
    with local_api(tmp_path, settings=settings) as api:
        read = {"kind": "scan", "data": "1"}
        assert api.ask("POST", "/v1/simulated/reads", read).code == "not_found"


def test_a_websocket_scope_never_reaches_the_routes(tmp_path: Path) -> None:
    """The server makes none; should another one ever carry the app, the gate still refuses."""
    reached, sent = [], []

    async def routes(scope: AsgiScope, _receive: Receive, _send: Send) -> None:
        reached.append(scope["type"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    clock = FakeClock()
    tokens, pairing = TokenStore(tmp_path, clock), Pairing(tmp_path, clock)
    gate = Gate(routes, ApiSettings(tmp_path), tokens, pairing, PageKey.of(tmp_path), clock)
    good = [(b"host", b"127.0.0.1:7673"), (b"authorization", b"Bearer x")]
    asyncio.run(gate({"type": "websocket", "headers": good, "path": "/v1/events"}, receive, send))
    assert (reached, sent) == ([], [{"type": "websocket.close", "code": 1008}])
    asyncio.run(gate({"type": "lifespan"}, receive, send))
    assert reached == ["lifespan"]
