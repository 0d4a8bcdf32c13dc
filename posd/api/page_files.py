"""The files of the cashier page: exactly those that lie in `posd/api/page/`, under their own names."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from posd.api.port import Refused
from posd.api.rules import READS

PAGE_DIR = Path(__file__).parent / "page"
INDEX = "index.html"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}


class PageFiles:
    """Looks names up in a list made at start, so that no path can lead out of the folder; the contents are read when
    asked for, and a browser that has them already is told so (ETag)."""

    def __init__(self, folder: Path = PAGE_DIR) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file() and path.suffix in _TYPES
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What the router calls when no operation has this address."""
        path = self._files.get(scope["path"].removeprefix("/") or INDEX)
        if path is None or scope["method"] not in READS:
            raise Refused(404, "not_found", "there is nothing at this address; GET /openapi.json lists what there is")
        await _answer(path, Headers(scope=scope).get("if-none-match", ""))(scope, receive, send)


def _answer(path: Path, known_etags: str) -> Response:
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if etag in known_etags:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_TYPES[path.suffix])
