"""The OpenAPI document: valid, complete, and true to what the routes take and answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types are a package of their own
import pytest
from openapi_spec_validator import validate
from starlette.routing import Route

from posd.api.openapi import openapi_document
from posd.api.operations import Operation, routes_of
from posd.api.till_routes import sync_operation
from tests.fakes.local_api import LocalApi, Reply, local_api
from tests.fakes.till import PARISA


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    with local_api(tmp_path_factory.mktemp("openapi"), sync_port=lambda _m, _d: {}) as running:
        yield running


@pytest.fixture(scope="module")
def document(api: LocalApi) -> dict[str, Any]:
    found: dict[str, Any] = api.ask("GET", "/openapi.json").json
    return found


def _schema(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]})


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)
    broken = {**document, "paths": {"no slash": {}}}
    with pytest.raises(Exception, match="no slash"):
        validate(broken)


def test_every_route_is_in_it(api: LocalApi, document: dict[str, Any]) -> None:
    described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    served = {(operation.path, operation.method) for operation in api.app.operations}
    assert described == served
    assert {route.path for route in routes_of(api.app.operations)} == {path for path, _ in served}
    assert all(isinstance(route, Route) for route in routes_of(api.app.operations))


def test_operation_ids_are_distinct(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)


def test_only_health_and_pairing_are_open(document: dict[str, Any]) -> None:
    opened = {path for path, item in document["paths"].items() for op in item.values() if op.get("security") == []}
    assert opened == {"/health", "/v1/pairing"}


def test_every_example_fits_its_schema_and_is_taken(api: LocalApi, document: dict[str, Any]) -> None:
    examples = [operation for operation in api.app.operations if operation.body]
    for operation in examples:
        described = document["paths"][operation.path][operation.method.lower()]["requestBody"]["content"]
        content = described["application/json"]
        _schema(document, content["schema"]).validate(content["example"])
        assert operation.body is not None
        assert operation.body.read(content["example"], "") == operation.example
    assert len(examples) > 9


def test_a_schema_refuses_what_the_route_refuses(document: dict[str, Any]) -> None:
    schema = document["paths"]["/v1/sales"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    sale = {"currency": "IRR", "lines": [{"amount_minor": 1}]}
    checker = _schema(document, schema)
    checker.validate(sale)
    for wrong in ({**sale, "x": 1}, {**sale, "lines": []}, {"lines": sale["lines"]}, {**sale, "currency": "irr"},
                  {**sale, "lines": [{"amount_minor": 1.5}]}, {**sale, "redeem": {"CREDIT": -1}}):  # fmt: skip
        assert not checker.is_valid(wrong)


def _answers(api: LocalApi) -> Iterator[tuple[str, str, Reply]]:
    """One answer of each operation that the fake till can give in a row."""
    sale = {"currency": "IRR", "lines": [{"amount_minor": 100_000}], "member_id": PARISA, "redeem": {"CREDIT": 5}}
    for path in ("/health", "/v1/status", "/v1/sync", "/v1/readers", "/v1/till", "/v1/tokens", "/v1/events"):
        query = "?wait=0" if path == "/v1/events" else ""
        yield "get", path, api.ask_locally("GET", path + query)
    yield "get", "/v1/members", api.ask_locally("GET", f"/v1/members?member_id={PARISA}")
    yield "post", "/v1/members/search", api.ask_locally("POST", "/v1/members/search", {"phone": "09120001234"})
    yield "post", "/v1/quotes", api.ask_locally("POST", "/v1/quotes", sale)
    sold = api.ask_locally("POST", "/v1/sales", sale, Idempotency_Key="1")
    yield "post", "/v1/sales", sold
    sale_id = sold.json["sale_id"]
    lines = {"lines": [{"n": 1, "quantity_milli": 500}]}
    refunds = f"/v1/sales/{sale_id}/refunds"
    yield "post", "/v1/sales/{sale_id}/refunds", api.ask_locally("POST", refunds, lines, Idempotency_Key="2")
    yield (
        "post",
        "/v1/sales/{sale_id}/void",
        api.ask_locally("POST", f"/v1/sales/{sale_id}/void", {}, Idempotency_Key="3"),
    )
    yield "get", "/v1/sales/{sale_id}", api.ask_locally("GET", f"/v1/sales/{sale_id}")
    yield "post", "/v1/readers/{reader_id}/check", api.ask_locally("POST", "/v1/readers/desk/check", {})
    yield "post", "/v1/till/actions", api.ask_locally("POST", "/v1/till/actions", {"do": "back"})
    pairing = {"code": api.pairing.show(), "name": "New", "scopes": ["tx:accrue"]}
    yield "post", "/v1/pairing", api.ask_locally("POST", "/v1/pairing", pairing)
    yield "delete", "/v1/tokens", api.ask_locally("DELETE", "/v1/tokens", {"name": "New"})
    yield "post", "/v1/sync/now", api.ask_locally("POST", "/v1/sync/now", {})
    simulated = {"kind": "scan", "data": "1"}
    yield "post", "/v1/simulated/reads", api.ask_locally("POST", "/v1/simulated/reads", simulated)
    yield "post", "/v1/sync/port/{method}", api.ask_locally("POST", "/v1/sync/port/pending", {})


def test_every_answer_fits_its_schema(api: LocalApi, document: dict[str, Any]) -> None:
    seen = set()
    for method, path, reply in _answers(api):
        response = document["paths"][path][method]["responses"][str(reply.status)]
        _schema(document, response["content"]["application/json"]["schema"]).validate(reply.json)
        seen.add((path, method))
    every = {(path, method) for path, item in document["paths"].items() for method in item}
    assert every - seen == {("/metrics", "get"), ("/openapi.json", "get")}


def test_every_refusal_fits_its_schema(api: LocalApi, document: dict[str, Any]) -> None:
    content = document["components"]["responses"]["Problem"]["content"]["application/problem+json"]
    refused = api.ask("POST", "/v1/sales", {}, Idempotency_Key="1")
    _schema(document, content["schema"]).validate(refused.json)


def test_the_sync_door_is_described_only_where_it_is_open(api: LocalApi) -> None:
    def described(operations: list[Operation]) -> bool:
        return "/v1/sync/port/{method}" in openapi_document(operations, 7673)["paths"]

    others = [operation for operation in api.app.operations if "port" not in operation.path]
    assert not described(others)
    assert described([*others, sync_operation(lambda _m, _d: {})])


def test_the_document_needs_no_file_of_the_package(api: LocalApi, tmp_path: Path) -> None:
    assert openapi_document(api.app.operations, 1)["servers"] == [{"url": "http://127.0.0.1:1"}]
    assert not list(tmp_path.iterdir())
