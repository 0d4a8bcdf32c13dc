"""The tills as the owner sees them: fine, not heard of, or with a reader that does not answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from posd.club.copies import doubled_tills
from posd.club.shop import Club
from posd.club.tables import till
from posd.events import DeviceState
from posd.sync.wire import ReaderStatus, TillStatus, WireError

OFFLINE_AFTER_MS = 70_000
"""A till asks for news again at least every 25 s; after two missed times it is not heard of."""
LOST_STATES = frozenset({DeviceState.LOST.value, DeviceState.WAITING.value, DeviceState.FAULT.value})


@dataclass(frozen=True, slots=True)
class Till:
    """``state``: ``fine``, ``copies``, ``offline`` or ``reader``. ``silent_ms``: since when nothing was heard."""

    till_id: str
    name: str
    state: str
    silent_ms: int
    heard_ms: int
    queue: int
    oldest_queued_ms: int | None
    readers: tuple[ReaderStatus, ...]

    @property
    def lost(self) -> ReaderStatus | None:
        return next((reader for reader in self.readers if is_lost(reader)), None)


def is_lost(reader: ReaderStatus) -> bool:
    return reader.state in LOST_STATES


def read_fleet(connection: Connection, club: Club, now_ms: int, heard: Mapping[str, int]) -> tuple[Till, ...]:
    """Tills in the order in which they joined. ``heard``: till → when this server heard of it last, which is fresher
    than what is stored."""
    query = select(till).where(till.c.club_id == club.club_id, till.c.revoked_ms.is_(None))
    rows = connection.execute(query.order_by(till.c.created_ms, till.c.till_id)).mappings()
    doubled = doubled_tills(connection, club.club_id)
    return tuple(
        _till(row, now_ms, max(heard.get(row["till_id"], 0), int(row["seen_ms"] or 0)), row["till_id"] in doubled)
        for row in rows
    )


def _till(row: Mapping[Any, Any], now_ms: int, heard_ms: int, doubled: bool) -> Till:
    status = _status(row["status"])
    silent_ms = max(0, now_ms - heard_ms)
    state = "fine"
    if doubled:
        state = "copies"
    elif silent_ms > OFFLINE_AFTER_MS:
        state = "offline"
    elif any(is_lost(reader) for reader in status.readers):
        state = "reader"
    oldest_ms = status.oldest_queued_ms
    if oldest_ms is not None and not 0 < oldest_ms <= now_ms:
        oldest_ms = None  # the till's clock is wrong
    return Till(row["till_id"], row["name"], state, silent_ms, heard_ms, status.queue, oldest_ms, status.readers)


def _status(text: str) -> TillStatus:
    try:
        return TillStatus.from_json(json.loads(text))
    except (ValueError, WireError):
        return TillStatus(0)
