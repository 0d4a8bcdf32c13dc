"""Refusals over HTTP for programs: RFC 9457 problem documents with a stable ``code``."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from posd.sync.wire import WireError


class Problem(Exception):
    """``detail`` says what to do next."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers


def problem_document(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    document = {"type": "about:blank", "status": status, "code": code, "detail": detail}
    return JSONResponse(document, status, headers, media_type="application/problem+json")


async def on_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return problem_document(error.status, error.code, error.detail, error.headers)


async def on_wire_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WireError)
    return problem_document(422, "not_understood", str(error))


async def on_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    return problem_document(error.status_code, "no_such_route", error.detail, headers)
