"""`/openapi.json`: made from the same table of operations that routes and checks requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from posd import __version__
from posd.api.answers import SCHEMAS
from posd.api.operations import IDENTIFIER, Operation
from posd.api.problems import PROBLEM
from posd.api.scopes import Scope

_ABOUT = (
    "Card readers, members and loyalty sales of one till. On this machine only. Amounts are integers in minor parts of "
    "their unit. Refusals are problem documents with a stable `code` and a `detail` that says what to do next."
)
_PARAMETER = re.compile(r"{(\w+)}")


def openapi_document(operations: Sequence[Operation], port: int) -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "posd local API", "version": __version__, "description": _ABOUT},
        "servers": [{"url": f"http://127.0.0.1:{port}"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": _response("Refused; the code says why", PROBLEM, "Problem")},
        },
        "x-scopes": [scope.value for scope in Scope],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {
            str(operation.status): _success(operation),
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if operation.notes:
        described["description"] = operation.notes
    if operation.public:
        described["security"] = []
    if operation.scopes:
        described["x-scopes"] = sorted(scope.value for scope in operation.scopes)
    if operation.body:
        content = {"schema": operation.body.schema(), "example": operation.example}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _operation_id(operation: Operation) -> str:
    words = re.findall(r"[a-z]+", operation.path.replace("/v1", "").replace(".json", ""))
    return "_".join([operation.method.lower(), *words])


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    identifier = {"type": "string", "pattern": f"^(?:{IDENTIFIER})$"}
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": identifier}
        for name in _PARAMETER.findall(operation.path)
    ]
    in_query = [
        {"name": name, "in": "query", "required": name in operation.query.required, "schema": shape.schema()}
        for name, shape in operation.query.fields.items()
    ]
    return [*in_path, *in_query, *([_IDEMPOTENCY_KEY] if operation.idempotent else [])]


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "New for each sale, the same for each try of it: a repeated try gets the first one's answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 64},
}


def _success(operation: Operation) -> dict[str, Any]:
    if operation.answer is None:
        return {"description": operation.summary, "content": {"text/plain": {"schema": {"type": "string"}}}}
    return _response(operation.summary, "application/json", operation.answer)


def _response(description: str, media_type: str, schema: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}
