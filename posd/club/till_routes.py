"""Routes for tills: `posd.sync.wire` over HTTP. Each translates, `posd.club.service` decides."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from posd.club.body import document_of, read_body
from posd.club.problems import Problem
from posd.club.reading import is_storable
from posd.club.service import LONGEST_WAIT_S, Service
from posd.club.tills import Shown, Shut
from posd.sync.signing import INPUT, Stamp, signer
from posd.sync.signing import Request as Signed
from posd.sync.wire import (
    CLOCK_SKEW,
    TILL_REVOKED,
    EpochRequest,
    KeyChange,
    LeaseAsk,
    PushRequest,
    TillRequest,
    TillStatus,
    delta_as_json,
)

ADVICE = {
    "unauthorized": "this is not signed with the key of this till; enrol the till again",
    TILL_REVOKED: "the owner has shut this till out; enrol it again",
    "copy_blocked": "the owner has blocked this copy of the till's ledger; it keeps its sales",
    "epoch_over": "another copy of this till's ledger is the till; ask for a new epoch",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A till that has proved who it is. ``key``: by this public key; empty when by a token."""

    till_id: str
    key: str
    body: bytes


async def admit(request: Request) -> Response:
    service, caller = _service(request), request.client.host if request.client else ""
    _may_guess(service, caller)
    body = await read_body(request)
    stamp = _stamp(request, body)
    if stamp is None:
        raise Problem(422, "not_signed", "a till joins with a key of its own; update posd there")
    grant = await service.admit(TillRequest.from_json(document_of(request, body)), stamp.keyid)
    if grant is None:
        service.guesses.guessed_wrong(caller)
        raise Problem(403, "invitation_unknown", "this code is unknown, used or out of date; make a new one")
    return JSONResponse(grant.as_json(), 201)


def _may_guess(service: Service, caller: str) -> None:
    wait_s = service.guesses.wait_s(caller)
    if wait_s:
        raise Problem(429, "too_many_codes", "too many wrong codes; wait", {"Retry-After": str(wait_s)})


async def entries(request: Request) -> Response:
    till = await _till(request)
    pushed = await _service(request).push(till.till_id, PushRequest.from_json(document_of(request, till.body)))
    if isinstance(pushed, Shut):
        raise _refused(pushed)
    return JSONResponse(pushed.reply.as_json(), 409 if pushed.conflict else 200)


async def deltas(request: Request) -> Response:
    till, query = await _till(request), request.query_params
    epoch = _number(query.get("epoch", "1"), 10, "bad_epoch", "epoch is a number")
    wait_s = _number(query.get("wait", "0"), 3, "bad_wait", f"wait is a number of seconds up to {LONGEST_WAIT_S}")
    page = await _service(request).deltas(till.till_id, epoch, query.get("cursor"), wait_s)
    if isinstance(page, Shut):
        raise _refused(page)
    if page is None:
        raise Problem(410, "cursor_unknown", "start again without a cursor")
    return JSONResponse(delta_as_json(page))


def _number(text: str, most_digits: int, code: str, detail: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= most_digits):
        raise Problem(400, code, detail)
    return int(text)


async def leases(request: Request) -> Response:
    till = await _till(request)
    reply = await _service(request).lease(till.till_id, LeaseAsk.from_json(document_of(request, till.body)))
    return JSONResponse(reply.as_json())


def _refused(shut: Shut) -> Problem:
    """This copy of the till's ledger; the till itself is welcome."""
    return Problem(409 if shut.code == "epoch_over" else 403, shut.code, ADVICE[shut.code])


async def epochs(request: Request) -> Response:
    till = await _till(request)
    grant = await _service(request).grant_epoch(till.till_id, EpochRequest.from_json(document_of(request, till.body)))
    if grant is None:
        raise _refused(Shut("copy_blocked"))
    return JSONResponse(grant.as_json())


async def status(request: Request) -> Response:
    till = await _till(request)
    await _service(request).status(till.till_id, TillStatus.from_json(document_of(request, till.body)))
    return Response(status_code=204)


async def key(request: Request) -> Response:
    till = await _till(request)
    change = KeyChange.from_json(document_of(request, till.body))
    if not await _service(request).announce_key(till.till_id, till.key, change):
        raise Problem(403, "key_unproven", "the new key has not signed this change")
    return Response(status_code=204)


async def _till(request: Request) -> Caller:
    """The till that sent this. Raises Problem 401 or 425."""
    service, till_id, body = _service(request), str(request.path_params["till"]), await read_body(request)
    stamp, header = _stamp(request, body), request.headers.get("authorization", "")
    shown = Shown(stamp.keyid if stamp else "", header[len("Bearer ") :] if header.startswith("Bearer ") else "")
    found = await service.recognised(till_id, shown) if is_storable(till_id) else Shut("unauthorized")
    if isinstance(found, Shut):
        raise Problem(401, found.code, ADVICE[found.code], {"WWW-Authenticate": "Signature"})
    if stamp is not None and not service.freshness.is_new(stamp):
        raise Problem(425, "replayed", "this very request was here before; sign it again")
    return Caller(till_id, shown.key, body)


def _stamp(request: Request, body: bytes) -> Stamp | None:
    """Who signed this, and when; None when nobody claims to. Raises Problem 401."""
    if INPUT not in request.headers:
        return None
    query = request.scope["query_string"]
    target = (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
    stamp = signer(Signed(request.method, target, body), request.headers)
    if stamp is None:
        raise Problem(401, "signature_wrong", "this was changed after it was signed; does a proxy rewrite paths?")
    if not _service(request).freshness.is_of_now(stamp):
        raise Problem(401, CLOCK_SKEW, "this answer says what time it is; sign with that")
    return stamp


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ROUTES = [
    Route("/v1/tills", admit, methods=["POST"]),
    Route("/v1/tills/{till}/entries", entries, methods=["POST"]),
    Route("/v1/tills/{till}/epochs", epochs, methods=["POST"]),
    Route("/v1/tills/{till}/deltas", deltas, methods=["GET"]),
    Route("/v1/tills/{till}/leases", leases, methods=["POST"]),
    Route("/v1/tills/{till}/status", status, methods=["POST"]),
    Route("/v1/tills/{till}/key", key, methods=["POST"]),
]
