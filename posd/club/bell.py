"""Wakes everybody who waits for news in this process: tills in a long poll, pages with an open event stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Bell:
    """Belongs to one event loop. Listen first, look second, wait third: so no ring is missed in between."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()

    def ring(self) -> None:
        for event in self._listeners:
            event.set()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)


async def rung(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether the bell rang within the time; the event is ready for the next ring afterwards."""
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return False
    event.clear()
    return True
