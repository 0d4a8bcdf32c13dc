"""Refusals on the wire: RFC 9457 problem documents; ``code`` is stable, ``detail`` says what to do next."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from posd.api.port import Refused

PROBLEM = "application/problem+json"

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
"""Rule 9, on every answer."""


def problem_document(refused: Refused) -> dict[str, Any]:
    """The body of a refusal; ``words`` are there when the till has them for people."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "code": refused.code,
        "detail": refused.detail,
    }
    if refused.words is not None:
        document["words"] = refused.words.as_json()
    return document


def problem_body(refused: Refused, accept: str = "") -> tuple[str, bytes]:
    """``(content type, body)``: a sentence in HTML when a person typed the address, JSON for programs."""
    if accept.startswith("text/html"):
        return "text/html; charset=utf-8", _page(refused).encode()
    return PROBLEM, json.dumps(problem_document(refused), ensure_ascii=False).encode()


def retry_headers(refused: Refused) -> Mapping[str, str]:
    """What HTTP wants beside certain refusals."""
    if refused.status == HTTPStatus.TOO_MANY_REQUESTS:
        return {"retry-after": "1"}
    if refused.status == HTTPStatus.UNAUTHORIZED:
        return {"www-authenticate": "Bearer"}
    return {}


def _page(refused: Refused) -> str:
    title = html.escape(HTTPStatus(refused.status).phrase)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>{html.escape(refused.detail)}</p><p><code>{html.escape(refused.code)}</code></p></html>"
    )
