"""The page of a till whose ledger has copies: what differs, and the two things that an owner can do about it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from posd.club.copies import DEEDS, Copies, decide, read_copies
from posd.club.dashboard.pages import code, missing, page, service_of, signed_in_only
from posd.club.reading import is_storable


async def copies(request: Request) -> Response:
    found = await _found(request)
    return await missing(request) if found is None else page(request, "copies.html", found=found, code=code)


async def _found(request: Request) -> Copies | None:
    service, till_id = service_of(request), str(request.path_params["till"])
    if not is_storable(till_id):
        return None
    return await service.read(lambda c: read_copies(c, service.club.club_id, till_id))


async def decided(request: Request) -> Response:
    """Back to the page, which then shows what became of it."""
    found, deed = await _found(request), str(request.path_params["deed"])
    if found is None or deed not in DEEDS:
        return await missing(request)
    service, epoch = service_of(request), int(request.path_params["epoch"])
    now_ms = service.clock.now().wall_ms
    await service.write(lambda c: decide(c, service.club.club_id, found.till_id, deed, epoch, now_ms))
    return RedirectResponse(f"/tills/{found.till_id}", 303)


ROUTES = [
    Route("/tills/{till}", signed_in_only(copies), methods=["GET"]),
    Route("/tills/{till}/epochs/{epoch:int}/{deed}", signed_in_only(decided), methods=["POST"]),
]
