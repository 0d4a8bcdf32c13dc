"""What the API answers, as JSON Schema for `/openapi.json`: the documents of the till and of this folder.

Answers may grow: a client ignores keys that it does not know, so these schemas are open.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_INTEGER: Schema = {"type": "integer"}
_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_TRUTH: Schema = {"type": "boolean"}
_AMOUNTS: Schema = {"type": "object", "additionalProperties": _INTEGER, "description": "unit to integer"}
_WORDS: Schema = {"$ref": "#/components/schemas/Words"}


def _object(*optional: str, **properties: Schema) -> Schema:
    """All properties are always there but those named first."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


_READER = _object(
    "last_read_age_s",
    id=_TEXT,
    name=_TEXT,
    device_class=_TEXT,
    state=_TEXT,
    detail=_TEXT,
    last_read_age_s={"type": ["integer", "null"], "description": "seconds since it said anything"},
)
_LINK = _object("last_sync_ms", state=_TEXT, queue=_INTEGER, last_sync_ms={"type": ["integer", "null"]})
_BALANCE = _object("why", unit=_TEXT, amount=_INTEGER, usable=_INTEGER, why={"anyOf": [_WORDS, {"type": "null"}]})
_REDEMPTION = _object(unit=_TEXT, spent=_INTEGER, value_minor=_INTEGER)
_TOKEN = _object(name=_TEXT, origin=_MAYBE_TEXT, scopes=_list(_TEXT), created_at_ms=_INTEGER)
_CHECK = _object("fix", ok=_TRUTH, name=_TEXT, detail=_TEXT, fix=_TEXT)
_EVENT = _object(id=_TEXT, type=_TEXT, data={"type": "object"})

_BODY = _object(
    currency=_TEXT,
    total_minor=_INTEGER,
    payable_minor=_INTEGER,
    lines=_list({"type": "object"}),
    redemptions=_list(_REDEMPTION),
    earnings=_list(_object(unit=_TEXT, earned=_INTEGER)),
)

SCHEMAS: dict[str, Schema] = {
    "Anything": {"type": "object"},
    "Checks": _object(checks=_list(_CHECK)),
    "Entry": _object(
        id=_TEXT,
        kind={"type": "string", "enum": ["sale", "refund", "void"]},
        sale_id=_TEXT,
        seq=_INTEGER,
        receipt_code=_TEXT,
        member_id=_MAYBE_TEXT,
        balances=_AMOUNTS,
        body={"type": "object"},
        receipt=_list(_WORDS),
        repeated={"type": "boolean", "description": "the answer of an earlier request with this Idempotency-Key"},
    ),
    "Events": _object(events=_list(_EVENT), next=_TEXT),
    "Grant": _object(token=_TEXT, name=_TEXT, scopes=_list(_TEXT)),
    "Health": _object(status=_TEXT),
    "Member": _object(
        "phone_mask", "tier", "path", "earn_only",
        member_id=_TEXT,
        name=_TEXT,
        phone_mask=_TEXT,
        tier={"type": ["object", "null"]},
        path={"type": ["object", "null"]},
        balances=_list(_BALANCE),
        earn_only=_TRUTH,
    ),
    "Nothing": _object(),
    "Problem": _object("words", type=_TEXT, title=_TEXT, status=_INTEGER, code=_TEXT, detail=_TEXT, words=_WORDS),
    "Quote": _object(
        "options", "hints",
        currency=_TEXT,
        total_minor=_INTEGER,
        payable_minor=_INTEGER,
        saves_minor=_INTEGER,
        options=_list(_object("why_not", unit=_TEXT, possible=_INTEGER, value_minor=_INTEGER)),
        redemptions=_list(_REDEMPTION),
        earnings=_list(_object("why", unit=_TEXT, earned=_INTEGER, why=_WORDS)),
        hints=_list(_WORDS),
    ),
    "Readers": _object(readers=_list(_READER)),
    "Sale": _object(
        sale_id=_TEXT,
        member_id=_MAYBE_TEXT,
        voided=_TRUTH,
        body=_BODY,
        returns=_list(_object(id=_TEXT, kind=_TEXT, body={"type": "object"})),
    ),
    "Status": {"type": "object"},
    "Sync": {"type": "object"},
    "Tokens": _object(tokens=_list(_TOKEN)),
    "View": _object("link", "readers", version=_INTEGER, screen=_TEXT, link=_LINK, readers=_list(_READER)),
    "Words": _object("args", key=_TEXT, args={"type": "object"}),
}  # fmt: skip
