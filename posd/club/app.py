"""The club as an ASGI application: routes for tills, pages for the owner, and a gate before both."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from posd.club import till_routes
from posd.club.answers import SignedAnswers
from posd.club.dashboard import copies, pages
from posd.club.gate import Gate
from posd.club.problems import Problem, on_http_error, on_problem, on_wire_error
from posd.club.service import Service
from posd.sync.wire import WireError


async def health(_request: Request) -> Response:
    """Constant, so that it tells nobody anything but that the club runs."""
    return JSONResponse({"status": "ok"})


def club_app(service: Service, names: Sequence[str] = ()) -> Starlette:
    """``names``: host names by which owners reach the page, beside addresses and localhost."""
    app = Starlette(
        routes=[Route("/health", health, methods=["GET"]), *till_routes.ROUTES, *copies.ROUTES, *pages.ROUTES],
        middleware=[
            Middleware(SignedAnswers, key=service.signing_key, clock=service.clock),
            Middleware(Gate, names=names),
        ],
        exception_handlers={Problem: on_problem, WireError: on_wire_error, HTTPException: on_http_error},
    )
    app.state.service = service
    return app
