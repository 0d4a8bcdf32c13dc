"""The hub of events: published from any thread, kept for a while, given to every client that may see them.

An event's id is ``<boot8>-<n>``: which run of posd, and which event of it. A client says the last id it saw and gets
what followed, or a ``reset`` when that is not known any more; then it asks for the state anew. Nothing wakes up while
nobody listens and nothing happens.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from posd.api.scopes import Scope

RING = 1000
RESET = "reset"

_AUDIENCES: Mapping[str, frozenset[str]] = {
    "view": frozenset({Scope.PAGE}),
    "card": frozenset({Scope.READ_SCANS}),
    "entry": frozenset({Scope.ACCRUE}),
}
"""Who may see an event, by the word before the first dot of its type."""
_PUBLIC = frozenset({"reader", "sync", "till", RESET})
"""Seen by everybody who has a token. A type in neither table is seen by ``admin`` alone."""
_SUPERSEDED = frozenset({"view"})
"""States rather than events: only the newest one is kept."""


@dataclass(frozen=True, slots=True)
class Event:
    """``data`` is JSON text already: it is encoded once, however many clients there are."""

    n: int
    event_id: str
    type: str
    data: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What follows a position. ``lost``: the position is a stranger's, or too old to tell what followed."""

    events: tuple[Event, ...]
    position: int
    lost: bool = False


class EventHub:
    """Safe from any thread."""

    def __init__(self, ring: int = RING) -> None:
        self.boot = os.urandom(4).hex()
        self._size = ring
        self._lock = threading.Lock()
        self._ring: OrderedDict[int, Event] = OrderedDict()
        self._newest: dict[str, int] = {}
        self._head = 0
        self._forgotten = 0
        self._closed = False
        self._listeners: set[Listener] = set()

    def publish(self, type: str, data: Mapping[str, Any]) -> str:  # noqa: A002  # SSE's own word for it
        """Give ``data`` to everybody who may see it; returns the event's id. Never blocks on a client."""
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        with self._lock:
            self._head += 1
            event = Event(self._head, self.event_id(self._head), type, text)
            self._remember(event)
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.wake()
        return event.event_id

    def event_id(self, n: int) -> str:
        return f"{self.boot}-{n}"

    @property
    def head(self) -> int:
        """Position after everything that was published so far."""
        with self._lock:
            return self._head

    def position_of(self, event_id: str) -> int | None:
        """Where a client stands that saw ``event_id`` last; None when that is not of this run."""
        boot, _, number = event_id.partition("-")
        if boot != self.boot or not (number.isascii() and number.isdecimal()) or len(number) > 18:
            return None
        return int(number) if int(number) <= self.head else None

    def after(self, position: int, scopes: frozenset[str]) -> Batch:
        """Everything after ``position`` that these scopes may see."""
        with self._lock:
            if position < self._forgotten:
                return Batch((), self._head, lost=True)
            found = []
            for n in reversed(self._ring):
                if n <= position:
                    break
                found.append(self._ring[n])
            head = self._head
        return Batch(tuple(event for event in reversed(found) if may_see(event.type, scopes)), head)

    def current(self, scopes: frozenset[str]) -> tuple[Event, ...]:
        """The newest of each state, for a client that has just come."""
        with self._lock:
            events = [self._ring[n] for n in sorted(self._newest.values()) if n in self._ring]
        return tuple(event for event in events if may_see(event.type, scopes))

    @property
    def listeners(self) -> int:
        """How many clients wait for events now."""
        with self._lock:
            return len(self._listeners)

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """End every wait; for the server's shutdown."""
        with self._lock:
            self._closed = True
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.wake()

    def listen(self) -> Listener:
        """A listener for the running event loop; close it when done."""
        listener = Listener(asyncio.get_running_loop(), self._forget)
        with self._lock:
            self._listeners.add(listener)
        return listener

    def _forget(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)

    def _remember(self, event: Event) -> None:
        if event.type in _SUPERSEDED:
            self._ring.pop(self._newest.get(event.type, 0), None)
            self._newest[event.type] = event.n
        self._ring[event.n] = event
        while len(self._ring) > self._size:
            self._forgotten, _ = self._ring.popitem(last=False)


class Listener:
    """Wakes one task of an event loop from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, forget: Callable[[Listener], None]) -> None:
        self._loop = loop
        self._forget = forget
        self._event = asyncio.Event()

    def wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:  # the loop has ended, and its clients with it
            self._forget(self)

    async def wait(self, timeout_s: float) -> bool:
        """True when woken, False when ``timeout_s`` passed first."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def close(self) -> None:
        self._forget(self)


def may_see(event_type: str, scopes: frozenset[str]) -> bool:
    """Whether a caller with these scopes may see events of this type."""
    word = event_type.partition(".")[0]
    return word in _PUBLIC or bool(_AUDIENCES.get(word, frozenset({Scope.ADMIN})) & scopes)
