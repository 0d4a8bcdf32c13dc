"""Bodies of requests: JSON, perhaps gzipped, never larger than a shop could mean."""

from __future__ import annotations

import json
import zlib
from typing import Any

from starlette.requests import Request

from posd.club.problems import Problem

LARGEST_BODY = 1 << 20
LARGEST_UNPACKED = 8 << 20


async def read_json(request: Request) -> Any:
    """The body's document. Raises Problem 400, 413 or 415."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Problem(415, "not_json", "send application/json")
    raw = await _limited(request)
    coding = request.headers.get("content-encoding", "identity")
    if coding not in {"identity", "gzip"}:
        raise Problem(415, "unknown_coding", "send gzip or plain")
    try:
        return json.loads(unpacked(raw) if coding == "gzip" else raw)
    except (ValueError, RecursionError):
        raise Problem(400, "not_json", "the body is not JSON") from None


async def _limited(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise Problem(413, "too_large", "send fewer entries at once")
        chunks.append(chunk)
    return b"".join(chunks)


def unpacked(raw: bytes) -> bytes:
    """Gunzip within `LARGEST_UNPACKED`. Raises Problem 400 or 413."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        text = inflater.decompress(raw, LARGEST_UNPACKED)
    except zlib.error:
        raise Problem(400, "not_gzip", "the body is not gzip") from None
    if inflater.unconsumed_tail:
        raise Problem(413, "too_large", "send fewer entries at once")
    if not inflater.eof:
        raise Problem(400, "not_gzip", "the body ends in the middle")
    return text
