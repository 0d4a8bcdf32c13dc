"""Who may use the till: exchanging a pairing code for a token, and the owner's list of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from posd.api.operations import Call, Operation
from posd.api.pairing import Pairing
from posd.api.port import Refused
from posd.api.scopes import GRANTABLE, Scope
from posd.api.shapes import Choice, ManyOf, Maybe, Text, record
from posd.api.tokens import TokenStore

NAME = Text(max_length=60, pattern=r"[^\s:/][^:/]*")
"""Of a paired program: what logs and the owner's list say. No colon: those names are posd's own."""
_SCOPES = ManyOf(Choice(tuple(sorted(GRANTABLE))), 1, len(GRANTABLE))
_ORIGIN = Maybe(Text(max_length=200, pattern=r"https?://[^\s/]+"))
_ADMIN = frozenset({Scope.ADMIN})


def access_operations(tokens: TokenStore, pairing: Pairing) -> list[Operation]:
    return [_pairing_operation(tokens, pairing), *_token_operations(tokens)]


def _pairing_operation(tokens: TokenStore, pairing: Pairing) -> Operation:
    async def pair(call: Call) -> Response:
        body: Mapping[str, Any] = call.body
        origin = _origin_of(body.get("origin"), call.request.headers.get("origin"))
        scopes = [Scope(word) for word in body["scopes"]]
        token = pairing.redeem(body["code"], body["name"], origin, scopes, tokens)
        return JSONResponse({"token": token, "name": body["name"], "scopes": sorted(scopes)}, 201)

    return Operation(
        "POST",
        "/v1/pairing",
        pair,
        "Exchange the code that the till shows for a token",
        body=record("code", "name", "scopes", code=Text(max_length=20), name=NAME, origin=_ORIGIN, scopes=_SCOPES),
        answer="Grant",
        status=201,
        public=True,
        notes="The code comes from `posd pair` or from the cashier screen: once, for five minutes, five attempts.",
        example={"code": "BCDF-GHJK", "name": "Front register", "scopes": ["read:scans", "tx:accrue", "tx:redeem"]},
    )


def _origin_of(stated: str | None, sent: str | None) -> str | None:
    """The origin that a token is bound to. A browser's own word must agree with what the page says."""
    if stated is not None:
        parts = urlsplit(stated)
        if f"{parts.scheme}://{parts.netloc}" != stated or "@" in parts.netloc:
            raise Refused(422, "field_invalid", "origin is scheme, host and port alone, as in https://pos.example")
    if sent is not None and sent != stated:
        raise Refused(403, "origin_not_offered", "state the origin of this page in the field origin")
    return stated


def _token_operations(tokens: TokenStore) -> list[Operation]:
    async def listed(_: Call) -> Response:
        known = [
            {"name": t.name, "origin": t.origin, "scopes": list(t.scopes), "created_at_ms": t.created_at_ms}
            for t in tokens.all()
        ]
        return JSONResponse({"tokens": known})

    async def revoke(call: Call) -> Response:
        if not tokens.revoke(call.body["name"]):
            raise Refused(404, "token_not_listed", "no program of this name is paired; GET /v1/tokens lists them")
        return JSONResponse({})

    return [
        Operation("GET", "/v1/tokens", listed, "The programs that are paired", _ADMIN, answer="Tokens"),
        Operation(
            "DELETE",
            "/v1/tokens",
            revoke,
            "End a program's access at once",
            _ADMIN,
            body=record("name", name=NAME),
            answer="Nothing",
            example={"name": "Front register"},
        ),
    ]
