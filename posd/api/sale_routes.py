"""Members, quotes, sales, refunds, voids: what register software does all day."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from posd.api.operations import IDENTIFIER, Call, Operation, settled
from posd.api.port import Refused, SaleRequest, TillPort
from posd.api.scopes import Scope
from posd.api.shapes import BOUND, ManyOf, MapOf, Text, Whole, record
from posd.loyalty.model import PIECE

UNIT = r"[A-Z][A-Z0-9_]{1,15}"
_ID = Text(max_length=64, pattern=IDENTIFIER)

LINE = record(
    "amount_minor",
    amount_minor=Whole(0),
    name=Text(max_length=120, min_length=0),
    sku=Text(max_length=64, min_length=0),
    category=Text(max_length=64, min_length=0),
    quantity_milli=Whole(1),
)
SALE = record(
    "currency",
    "lines",
    currency=Text(max_length=16, pattern=UNIT),
    lines=ManyOf(LINE, at_least=1),
    member_id=_ID,
    read_id=_ID,
    redeem=MapOf(UNIT, Whole(0)),
    expect_payable_minor=Whole(0),
    register_ref=Text(max_length=64),
    cashier=Text(max_length=64),
)
REFUND = record("lines", lines=ManyOf(record("n", "quantity_milli", n=Whole(1, 9999), quantity_milli=Whole(1)), 1))
PHONE = record("phone", phone=Text(max_length=40))

_SALE_EXAMPLE = {
    "currency": "IRR",
    "lines": [{"amount_minor": 12880000, "name": "Saffron 5 g", "sku": "4902"}],
    "member_id": "0197a1b2c3d47e5f8a9b0c1d2e3f4a5b",
    "redeem": {"CREDIT": 1860000},
    "register_ref": "receipt 4711",
}
_ACCRUE = frozenset({Scope.ACCRUE})
_REDEEM = frozenset({Scope.REDEEM})


def sale_operations(port: TillPort) -> list[Operation]:
    return [*_member_operations(port), *_booking_operations(port), *_correction_operations(port)]


def _member_operations(port: TillPort) -> list[Operation]:
    async def member(call: Call) -> Response:
        if len(call.query) != 1:
            raise Refused(422, "field_missing", "ask with member_id or with read_id; phone numbers: /v1/members/search")
        return _found(port, call.query.get("member_id"), None, call.query.get("read_id"))

    async def search(call: Call) -> Response:
        return _found(port, None, call.body["phone"], None)

    return [
        Operation(
            "GET",
            "/v1/members",
            member,
            "The member of an id or of a card that was just read",
            _ACCRUE,
            query=record(member_id=_ID, read_id=_ID),
            answer="Member",
        ),
        Operation(
            "POST",
            "/v1/members/search",
            search,
            "The member who has this phone number",
            _ACCRUE,
            body=PHONE,
            answer="Member",
            notes="A POST, so that the number stands in no address and in no log. Digits of any script.",
            example={"phone": "0912 000 12 34"},
        ),
    ]


def _booking_operations(port: TillPort) -> list[Operation]:
    async def quote(call: Call) -> Response:
        return JSONResponse(port.quote(sale_request(call.body)))

    async def sell(call: Call) -> Response:
        request = sale_request(call.body)
        if any(request.redeem.values()) and Scope.REDEEM not in call.caller.scopes:
            raise Refused(403, "scope_missing", "redeeming needs the scope tx:redeem; pair again with it, or only earn")
        return JSONResponse(await settled(port.sell(request, call.caller, call.idempotency_key)), 201)

    async def sale(call: Call) -> Response:
        document = port.sale(call.path["sale_id"])
        if document is None:
            raise _no_such_sale()
        return JSONResponse(document)

    return [
        Operation(
            "POST",
            "/v1/quotes",
            quote,
            "What a sale would earn and may redeem; books nothing",
            _ACCRUE,
            body=SALE,
            answer="Quote",
            example=_SALE_EXAMPLE,
        ),
        Operation(
            "POST",
            "/v1/sales",
            sell,
            "Book a sale; the answer means that it is on disk",
            _ACCRUE,
            notes="Lines are numbered from 1 in the order sent; refunds name them by that number.",
            body=SALE,
            answer="Entry",
            status=201,
            idempotent=True,
            example=_SALE_EXAMPLE,
        ),
        Operation("GET", "/v1/sales/{sale_id}", sale, "A sale of this till", _ACCRUE, answer="Sale"),
    ]


def _correction_operations(port: TillPort) -> list[Operation]:
    async def refund(call: Call) -> Response:
        lines = call.body["lines"]
        _expect_distinct([line["n"] for line in lines])
        future = port.refund(call.path["sale_id"], lines, call.caller, call.idempotency_key)
        return JSONResponse(await settled(future), 201)

    async def void(call: Call) -> Response:
        return JSONResponse(await settled(port.void(call.path["sale_id"], call.caller, call.idempotency_key)), 201)

    return [
        Operation(
            "POST",
            "/v1/sales/{sale_id}/refunds",
            refund,
            "Give lines of a sale back, wholly or in part",
            _REDEEM,
            body=REFUND,
            answer="Entry",
            status=201,
            idempotent=True,
            example={"lines": [{"n": 1, "quantity_milli": PIECE}]},
        ),
        Operation(
            "POST",
            "/v1/sales/{sale_id}/void",
            void,
            "Undo a sale as a whole",
            _REDEEM,
            body=record(),
            answer="Entry",
            status=201,
            idempotent=True,
            example={},
        ),
    ]


def sale_request(body: dict[str, Any]) -> SaleRequest:
    """The request in the till's words: every line complete and numbered from 1. Raises `Refused`."""
    if "member_id" in body and "read_id" in body:
        raise Refused(422, "field_invalid", "send member_id or read_id, not both")
    lines = tuple({**_LINE_DEFAULTS, "n": n, **line} for n, line in enumerate(body["lines"], 1))
    if sum(line["amount_minor"] for line in lines) > BOUND:
        raise Refused(422, "field_invalid", f"the lines together must not exceed {BOUND}")
    return SaleRequest(**{**body, "lines": lines})


_LINE_DEFAULTS = {"name": "", "sku": "", "category": "", "quantity_milli": PIECE}


def _expect_distinct(numbers: list[int]) -> None:
    if len(set(numbers)) < len(numbers):
        raise Refused(422, "field_invalid", "each line number may stand there once")


def _found(port: TillPort, member_id: str | None, phone: str | None, read_id: str | None) -> Response:
    document = port.member(member_id=member_id, phone=phone, read_id=read_id)
    if document is None:
        raise Refused(404, "member_unknown", "no member is known by this; offer to join on the cashier page")
    return JSONResponse(document)


def _no_such_sale() -> Refused:
    return Refused(404, "sale_unknown", "this till has no such sale; take the sale_id of the answer to POST /v1/sales")
