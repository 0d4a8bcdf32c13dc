"""Routes for tills: `posd.sync.wire` over HTTP. Each translates, `posd.club.service` decides."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from posd.club.body import read_json
from posd.club.problems import Problem
from posd.club.reading import is_storable
from posd.club.service import LONGEST_WAIT_S, Service
from posd.club.tills import Shut
from posd.sync.wire import PushRequest, TillRequest, TillStatus, delta_as_json

ADVICE = {
    "unauthorized": "this token is not of this till; enrol the till again",
    "till_revoked": "the owner has shut this till out; enrol it again",
}


async def admit(request: Request) -> Response:
    service, caller = _service(request), request.client.host if request.client else ""
    _may_guess(service, caller)
    grant = await service.admit(TillRequest.from_json(await read_json(request)))
    if grant is None:
        service.guesses.guessed_wrong(caller)
        raise Problem(403, "invitation_unknown", "this code is unknown, used or older than a day; make a new one")
    return JSONResponse(grant.as_json(), 201)


def _may_guess(service: Service, caller: str) -> None:
    wait_s = service.guesses.wait_s(caller)
    if wait_s:
        raise Problem(429, "too_many_codes", "too many wrong codes; wait", {"Retry-After": str(wait_s)})


async def entries(request: Request) -> Response:
    till_id = await _till(request)
    pushed = await _service(request).push(till_id, PushRequest.from_json(await read_json(request)))
    return JSONResponse(pushed.reply.as_json(), 409 if pushed.conflict else 200)


async def deltas(request: Request) -> Response:
    till_id, query = await _till(request), request.query_params
    page = await _service(request).deltas(till_id, query.get("cursor"), _wait_s(query.get("wait", "0")))
    if page is None:
        raise Problem(410, "cursor_unknown", "start again without a cursor")
    return JSONResponse(delta_as_json(page))


def _wait_s(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise Problem(400, "bad_wait", f"wait is a number of seconds up to {LONGEST_WAIT_S}")
    return int(text)


async def status(request: Request) -> Response:
    till_id = await _till(request)
    await _service(request).status(till_id, TillStatus.from_json(await read_json(request)))
    return Response(status_code=204)


async def _till(request: Request) -> str:
    """The till whose token this is. Raises Problem 401."""
    till_id, header = str(request.path_params["till"]), request.headers.get("authorization", "")
    token = header[len("Bearer ") :] if header.startswith("Bearer ") else ""
    known_form = is_storable(till_id)
    shut = await _service(request).admitted(till_id, token) if known_form else Shut("unauthorized")
    if shut is not None:
        raise Problem(401, shut.code, ADVICE[shut.code], {"WWW-Authenticate": "Bearer"})
    return till_id


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ROUTES = [
    Route("/v1/tills", admit, methods=["POST"]),
    Route("/v1/tills/{till}/entries", entries, methods=["POST"]),
    Route("/v1/tills/{till}/deltas", deltas, methods=["GET"]),
    Route("/v1/tills/{till}/status", status, methods=["POST"]),
]
