"""The routes: what register software and the page ask, and what becomes of nonsense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.api.port import Refused
from posd.api.shapes import BOUND, Record, Text, Whole, parse_json
from posd.api.till_routes import ACTIONS, metrics_text
from posd.errors import LedgerUnwritable
from tests.fakes.local_api import JSON, LocalApi, local_api
from tests.fakes.till import PARISA

SALE = {"currency": "IRR", "lines": [{"amount_minor": 100_000}], "member_id": PARISA}
QUOTE = "/v1/quotes"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[LocalApi]:
    with local_api(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    """For requests that change nothing; over the Unix socket, where no rate is kept."""
    with local_api(tmp_path_factory.mktemp("routes")) as running:
        yield running


def test_a_sale_from_card_to_refund(api: LocalApi) -> None:
    assert api.ask("POST", "/v1/simulated/reads", {"kind": "scan", "data": "9800000000012345"}).status == 202
    read_id = api.ask("GET", "/v1/events?since=" + f"{api.hub.boot}-0").json["events"][0]["data"]["read_id"]
    member = api.ask("GET", f"/v1/members?read_id={read_id}").json
    assert member["name"] == "Parisa M."
    basket = {"currency": "IRR", "lines": [{"amount_minor": 100_000}], "read_id": read_id, "redeem": {"CREDIT": 20_000}}
    quote = api.ask("POST", QUOTE, basket).json
    assert (quote["payable_minor"], quote["earnings"][0]["earned"]) == (80_000, 800)
    sold = api.ask("POST", "/v1/sales", {**basket, "expect_payable_minor": 80_000}, Idempotency_Key="receipt-1")
    assert (sold.status, sold.json["balances"]) == (201, {"PTS": 2084, "CREDIT": 30_000})
    sale_id = sold.json["sale_id"]
    back = {"lines": [{"n": 1, "quantity_milli": 1000}]}
    assert api.ask("POST", f"/v1/sales/{sale_id}/refunds", back, Idempotency_Key="r1").json["kind"] == "refund"
    assert api.ask("POST", f"/v1/sales/{sale_id}/void", {}, Idempotency_Key="v1").json["kind"] == "void"
    again = api.ask("POST", f"/v1/sales/{sale_id}/void", {}, Idempotency_Key="v2")
    assert (again.status, again.code) == (409, "already_voided")
    sale = api.ask("GET", f"/v1/sales/{sale_id}").json
    assert [item["kind"] for item in sale["returns"]] == ["refund", "void"]
    assert sale["body"]["lines"] == [
        {"n": 1, "amount_minor": 100_000, "name": "", "sku": "", "category": "", "quantity_milli": 1000}
    ]


def test_a_quote_that_changed_is_refused_with_words(api: LocalApi) -> None:
    reply = api.ask("POST", "/v1/sales", {**SALE, "expect_payable_minor": 1}, Idempotency_Key="1")
    assert (reply.status, reply.code, reply.json["words"]["key"]) == (409, "quote_changed", "sale.quote_changed")
    assert api.till.booked == 0


def test_a_sale_is_booked_once_however_often_it_is_sent(api: LocalApi) -> None:
    with ThreadPoolExecutor(8) as clients:
        sends = [clients.submit(api.ask, "POST", "/v1/sales", SALE, Idempotency_Key="once") for _ in range(16)]
        answers = [send.result().json for send in sends]
    assert len({answer["id"] for answer in answers}) == 1
    assert sorted(answer["repeated"] for answer in answers) == [False] + [True] * 15
    assert api.till.booked == 1
    assert api.ask("POST", "/v1/sales", SALE, Idempotency_Key="twice").json["repeated"] is False
    other = api.ask("POST", "/v1/sales", {**SALE, "lines": [{"amount_minor": 5}]}, Idempotency_Key="once")
    assert other.code == "idempotency_conflict"


def test_a_key_belongs_to_the_program_that_made_it(api: LocalApi) -> None:
    first = api.ask("POST", "/v1/sales", SALE, Idempotency_Key="1").json
    assert api.ask_locally("POST", "/v1/sales", SALE, Idempotency_Key="1").json != first
    assert api.till.booked == 2


def test_a_client_that_leaves_does_not_call_the_sale_back(api: LocalApi) -> None:
    api.till.disk_open.clear()
    connection = api.connect()
    connection.request("POST", "/v1/sales", json.dumps(SALE), {**api.bearer, **JSON, "Idempotency-Key": "gone"})
    assert api.ask("GET", "/v1/status").status == 200  # the loop goes on while the disk is slow
    connection.close()
    api.till.disk_open.set()
    assert api.ask("POST", "/v1/sales", SALE, Idempotency_Key="gone").status == 201
    assert api.till.booked == 1


@pytest.mark.parametrize("path", ["/v1/sales", "/v1/sales/s/refunds", "/v1/sales/s/void"])
def test_what_books_needs_an_idempotency_key(shared: LocalApi, path: str) -> None:
    bodies = {"/v1/sales": SALE, "/v1/sales/s/refunds": {"lines": [{"n": 1, "quantity_milli": 1}]}}
    body = bodies.get(path, {})
    assert shared.ask_locally("POST", path, body).code == "idempotency_key_missing"
    for key in ("", " ", "a b", "x" * 65, "é"):
        assert shared.ask_locally("POST", path, body, Idempotency_Key=key).code == "field_invalid"


def test_members_are_found_by_phone_without_a_number_in_an_address(shared: LocalApi) -> None:
    found = shared.ask_locally("POST", "/v1/members/search", {"phone": "۰۹۱۲ ۰۰۰ ۱۲۳۴"})
    assert found.json["member_id"] == PARISA
    assert shared.ask_locally("POST", "/v1/members/search", {"phone": "0999"}).code == "member_unknown"
    assert shared.ask_locally("GET", "/v1/members?phone=09120001234").code == "field_unknown"
    assert shared.ask_locally("GET", "/v1/members").code == "field_missing"
    assert shared.ask_locally("GET", f"/v1/members?member_id={PARISA}&read_id=r").code == "field_missing"
    assert shared.ask_locally("GET", f"/v1/members?member_id={PARISA}").json["name"] == "Parisa M."


def test_readers_are_listed_and_checked(shared: LocalApi) -> None:
    assert shared.ask_locally("GET", "/v1/readers").json["readers"][0]["id"] == "desk"
    checked = shared.ask_locally("POST", "/v1/readers/desk/check", {"level": "internal"})
    assert checked.json["checks"][0] == {"ok": True, "name": "internal", "detail": "answers", "fix": ""}
    assert shared.ask_locally("POST", "/v1/readers/none/check", {}).code == "reader_unknown"
    assert "internal" in shared.ask_locally("POST", "/v1/readers/desk/check", {"level": "intern"}).json["detail"]


def test_an_action_that_a_browser_repeats_is_done_once(shared: LocalApi) -> None:
    def press(key: str) -> int:
        answer = shared.ask_locally("POST", "/v1/till/actions", {"do": "confirm"}, Idempotency_Key=key)
        return int(answer.json["version"])

    assert press("press-1") == press("press-1") < press("press-2")


def test_the_view_and_its_actions(shared: LocalApi) -> None:
    version = shared.ask_locally("GET", "/v1/till").json["version"]
    view = shared.ask_locally("POST", "/v1/till/actions", {"do": "amount", "amount_minor": None}).json
    assert view == {"version": version + 1, "screen": "idle", "notice": None, "did": "amount"}
    wrong = shared.ask_locally("POST", "/v1/till/actions", {"do": "amounts"})
    assert "did you mean 'amount'" in wrong.json["detail"]


def test_every_action_of_the_cashiers_view_is_known() -> None:
    text = (Path(__file__).parent.parent / "docs" / "cashier-view.md").read_text("utf-8").split("## Actions")[1]
    documented = {part.split('"')[0] for part in text.split('"do": "')[1:]}
    assert documented == set(ACTIONS)


def test_sync_can_be_asked_for(api: LocalApi) -> None:
    assert api.ask("POST", "/v1/sync/now", {}).status == 202
    assert api.ask("GET", "/v1/sync").json["asked"] == 1


def test_metrics_are_text_in_families(shared: LocalApi) -> None:
    reply = shared.ask_locally("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = metrics_text({"b_total": 1, 'a{x="2"}': 2, "a_b": 0, 'a{x="1"}': 3})
    assert (
        text == '# TYPE a gauge\na{x="1"} 3\na{x="2"} 2\n# TYPE a_b gauge\na_b 0\n# TYPE b_total counter\nb_total 1\n'
    )


def test_the_sync_port_speaks_on_the_unix_socket_only(tmp_path: Path) -> None:
    def serve(method: str, document: Any) -> dict[str, Any]:
        if method != "pending":
            raise LookupError(method)
        return {"asked": method, "got": document}

    with local_api(tmp_path, sync_port=serve) as api:
        page = {"members": ["x" * 1000] * 200}
        assert api.ask_locally("POST", "/v1/sync/port/pending", page).json == {"asked": "pending", "got": page}
        assert api.ask_locally("POST", "/v1/sync/port/other", {}).code == "method_unknown"
        assert api.ask_locally("POST", "/v1/sync/port/pending", []).code == "field_invalid"
        assert api.ask("POST", "/v1/sync/port/pending", {}).code == "scope_missing"


def test_a_broken_ledger_is_said_in_its_own_words(tmp_path: Path) -> None:
    def serve(_method: str, _document: Any) -> dict[str, Any]:
        raise LedgerUnwritable("the disk is full; free some space on /var")

    with local_api(tmp_path, sync_port=serve) as api:
        reply = api.ask_locally("POST", "/v1/sync/port/pending", {})
        assert (reply.status, reply.code) == (503, "till_out_of_order")
        assert "free some space" in reply.json["detail"]


# --- nonsense -------------------------------------------------------------------------------------------------------

NONSENSE: list[tuple[Any, str, str]] = [
    ({}, "field_missing", "currency is missing"),
    ([], "field_invalid", "the body must be an object"),
    (None, "field_invalid", "the body must be an object"),
    ({**SALE, "curency": "IRR"}, "field_unknown", "did you mean 'currency'"),
    (
        {**SALE, "lines": [{"amount": 5}]},
        "field_unknown",
        "lines[0]: unknown field \"amount\"; did you mean 'amount_minor'",
    ),
    ({**SALE, "currency": "irr"}, "field_invalid", "currency"),
    ({**SALE, "lines": []}, "field_invalid", "lines must have 1"),
    ({**SALE, "lines": [{"amount_minor": 1}] * 501}, "field_invalid", "to 500 items"),
    ({**SALE, "lines": [{"amount_minor": True}]}, "field_invalid", "lines[0].amount_minor must be a whole number"),
    ({**SALE, "lines": [{"amount_minor": "5"}]}, "field_invalid", "must be a whole number"),
    ({**SALE, "lines": [{"amount_minor": -1}]}, "field_invalid", "must be from 0"),
    ({**SALE, "lines": [{"amount_minor": BOUND + 1}]}, "field_invalid", f"to {BOUND}"),
    ({**SALE, "lines": [{"amount_minor": BOUND}] * 2}, "field_invalid", "together"),
    ({**SALE, "lines": [{"amount_minor": 1, "n": 1}]}, "field_unknown", "lines[0]"),
    ({**SALE, "read_id": "r"}, "field_invalid", "not both"),
    ({**SALE, "member_id": "a/b"}, "field_invalid", "member_id must match"),
    ({**SALE, "redeem": {"credit": 1}}, "field_invalid", "redeem has a key"),
    ({**SALE, "redeem": {"CREDIT": None}}, "field_invalid", "redeem.CREDIT"),
    ({**SALE, "redeem": {f"U{n}": 1 for n in range(17)}}, "field_invalid", "at most 16"),
    ({**SALE, "cashier": "a\nb"}, "field_invalid", "control characters"),
    ({**SALE, "cashier": ""}, "field_invalid", "1 to 64"),
    (b"", "field_missing", "currency"),
    (b"{", "json_malformed", "UTF-8"),
    (b"\xff\xfe{}", "json_malformed", "UTF-8"),
    (b'{"a": "\xc3"}', "json_malformed", "UTF-8"),
    (b'{"currency": "\\ud800"}', "json_malformed", "UTF-8"),
    (b'{"expect_payable_minor": 1.0}', "json_malformed", "whole numbers"),
    (b'{"expect_payable_minor": 1e3}', "json_malformed", "whole numbers"),
    (b'{"expect_payable_minor": NaN}', "json_malformed", "whole numbers"),
    (b'{"expect_payable_minor": -Infinity}', "json_malformed", "whole numbers"),
    (b'{"expect_payable_minor": ' + b"9" * 5000 + b"}", "json_malformed", "UTF-8"),
    (b'{"expect_payable_minor": ' + b"9" * 40 + b"}", "field_missing", "currency"),
    (b'{"currency": "IRR", "currency": "USD"}', "json_malformed", "twice"),
    (b"[" * 60000, "json_malformed", "UTF-8"),
]


@pytest.mark.parametrize(("body", "code", "says"), NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_refused_with_the_way_out(shared: LocalApi, body: Any, code: str, says: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = shared.ask_locally("POST", QUOTE, content)
    assert (reply.status, reply.code) == (400 if code == "json_malformed" else 422, code)
    assert says in reply.json["detail"]
    assert set(reply.json) == {"type", "title", "status", "code", "detail"}


def test_the_same_without_the_nonsense_is_quoted(shared: LocalApi) -> None:
    whole = {
        **SALE,
        "lines": [{"amount_minor": 5, "name": "زعفران", "sku": "", "category": "spice", "quantity_milli": 250}],
        "redeem": {"CREDIT": 0},
        "expect_payable_minor": BOUND,
        "cashier": "سارا",
        "register_ref": "4711",
    }
    assert shared.ask_locally("POST", QUOTE, whole).json["total_minor"] == 5


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/events?wait=1.5", "field_invalid"),
        ("/v1/events?wait=31", "field_invalid"),
        ("/v1/events?wait=-1", "field_invalid"),
        ("/v1/events?wait=%D9%A1", "field_invalid"),
        ("/v1/events?wait=1&wait=2", "field_invalid"),
        ("/v1/events?sinse=x", "field_unknown"),
        ("/v1/status?x=1", "field_unknown"),
        ("/v1/sales/a%2Fb", "not_found"),
        ("/v1/sales/%00", "field_invalid"),
        ("/v1/sales/none", "sale_unknown"),
        ("/v1/nothing", "not_found"),
    ],
)
def test_addresses_are_read_strictly(shared: LocalApi, path: str, code: str) -> None:
    assert shared.ask_locally("GET", path).code == code


@pytest.mark.parametrize(("method", "path", "allowed"), [("PUT", "/v1/sales", "POST"), ("POST", "/health", "GET"),
                                                         ("PATCH", "/v1/tokens", "GET, DELETE")])  # fmt: skip
def test_a_wrong_method_names_the_right_one(shared: LocalApi, method: str, path: str, allowed: str) -> None:
    reply = shared.ask_locally(method, path, {})
    assert (reply.status, reply.code, reply.headers["allow"]) == (405, "method_not_allowed", allowed)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from([*SALE, "redeem", "read_id", "expect_payable_minor", "register_ref", "cashier", "do", "phone",
                          "name", "code", "scopes", "origin", "kind", "data", "level", "unit", "on", "n"])  # fmt: skip
LINES = st.lists(
    st.dictionaries(st.sampled_from(["n", "amount_minor", "quantity_milli", "name"]), JSON_VALUES), max_size=3
)
BODIES = st.dictionaries(FIELDS, JSON_VALUES | LINES, max_size=8) | JSON_VALUES
WRITES = [QUOTE, "/v1/sales", "/v1/sales/sale-1/refunds", "/v1/members/search", "/v1/till/actions",
          "/v1/simulated/reads", "/v1/pairing", "/v1/readers/desk/check"]  # fmt: skip


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(WRITES), body=BODIES, base=st.sampled_from([{}, SALE, {"do": "use"}, {"kind": "scan"}]))
def test_no_json_is_a_server_error(shared: LocalApi, path: str, body: Any, base: dict[str, Any]) -> None:
    document = {**base, **body} if isinstance(body, dict) else body
    reply = shared.ask_locally("POST", path, json.dumps(document).encode("utf-8"), Idempotency_Key="k")
    assert reply.status < 500
    assert reply.status < 300 or reply.code


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200))
def test_no_bytes_are_a_server_error(shared: LocalApi, body: bytes) -> None:
    assert shared.ask_locally("POST", QUOTE, body).status in (400, 422)


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text().map(str.encode))
def test_parsing_gives_a_document_or_a_refusal(body: bytes) -> None:
    try:
        document = parse_json(body)
    except Refused as refused:
        assert refused.status == 400
    else:
        assert json.loads(json.dumps(document)) == document


@given(st.integers())
def test_whole_numbers_stay_within_their_bounds(number: int) -> None:
    shape = Record({"n": Whole()})
    if abs(number) <= BOUND:
        assert shape.read({"n": number}, "") == {"n": number}
    else:
        with pytest.raises(Refused):
            shape.read({"n": number}, "")


def test_text_patterns_match_the_whole_text() -> None:
    assert Text(pattern="a+").read("aa", "x") == "aa"
    for wrong in ("aab", "aa\n"):
        with pytest.raises(Refused):
            Text(pattern="a+", controls=True).read(wrong, "x")


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    files = tmp_path_factory.mktemp("page")
    (files / "words").mkdir()
    for name, content in {"index.html": "<h1>till</h1>", "app.js": "1", "till.css": "a{}", "words/fa.json": "{}",
                          "secret.py": "no", "words/.hidden": "no"}.items():  # fmt: skip
        (files / name).write_text(content)
    (files.parent / "outside.js").write_text("no")
    with local_api(tmp_path_factory.mktemp("state"), files=files) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/till.css", "text/css; charset=utf-8"),
        ("/words/fa.json", "application/json"),
    ],
)
def test_page_files_have_their_types_and_are_revalidated(page: LocalApi, path: str, kind: str) -> None:
    reply = page.ask_locally("GET", path)
    assert (reply.status, reply.headers["content-type"], reply.headers["cache-control"]) == (200, kind, "no-cache")
    again = page.ask_locally("GET", path, If_None_Match=reply.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", reply.headers["etag"])
    assert page.ask_locally("GET", path, If_None_Match='"other"').status == 200
    assert page.ask_locally("HEAD", path).headers["content-length"] == str(len(reply.body))


@pytest.mark.parametrize("path", ["/secret.py", "/words/.hidden", "/../outside.js", "/%2e%2e/outside.js", "/words",
                                  "/words/", "/words/../app.js", "//app.js", "/app.js/"])  # fmt: skip
def test_nothing_else_is_served(page: LocalApi, path: str) -> None:
    assert page.ask_locally("GET", path).code == "not_found"
    assert page.ask_locally("POST", "/app.js", {}).code == "not_found"
