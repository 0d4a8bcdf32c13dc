"""``GET /v1/events``: server-sent events for pages, a long poll for registers that cannot stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from posd.api.event_stream import RESET, Event, EventHub
from posd.api.operations import Call, Operation
from posd.api.shapes import Record, Text, Whole

HEARTBEAT_S = 15.0
LONGEST_WAIT_S = 30
_HEARTBEAT = b": still here\n\n"


def event_operations(hub: EventHub) -> list[Operation]:
    async def events(call: Call) -> Response:
        if "since" in call.query or "wait" in call.query:
            return await _poll(hub, call)
        return EventStream(hub, call.caller.scopes, call.request.headers.get("last-event-id"))

    return [
        Operation(
            "GET",
            "/v1/events",
            events,
            "What happens: cards, entries of the ledger, readers",
            query=Record({"since": Text(max_length=40), "wait": Whole(0, LONGEST_WAIT_S)}),
            answer="Events",
            notes="With Accept: text/event-stream and Last-Event-ID, a stream. With since (an event's id, or the "
            "`next` of the answer before) and wait (seconds), one answer as soon as something happened. Without either "
            "of them `since` starts now. A `reset` event says that events were missed: ask for the state anew.",
        )
    ]


async def _poll(hub: EventHub, call: Call) -> Response:
    """One answer: at once when something is there, else when it comes or ``wait`` is over."""
    since, scopes = call.query.get("since"), call.caller.scopes
    position = hub.head if since is None else hub.position_of(since)
    deadline = asyncio.get_running_loop().time() + call.query.get("wait", 0)
    listener = hub.listen()
    try:
        while position is not None:
            batch = hub.after(position, scopes)
            left = deadline - asyncio.get_running_loop().time()
            if batch.lost:
                break
            position = batch.position
            if batch.events or left <= 0 or hub.closed:
                return JSONResponse(_document(batch.events, hub.event_id(position)))
            await listener.wait(left)
    finally:
        listener.close()
    head = hub.event_id(hub.head)
    return JSONResponse({"events": [{"id": head, "type": RESET, "data": {}}], "next": head})


def _document(events: Sequence[Event], following: str) -> dict[str, object]:
    listed = [{"id": event.event_id, "type": event.type, "data": json.loads(event.data)} for event in events]
    return {"events": listed, "next": following}


class EventStream(Response):
    """The stream of one client, as an ASGI response. Ends when the client goes, when it lags behind the whole ring, or
    when posd stops; a client that takes nothing at all is cut off by the protocol's write deadline."""

    media_type = "text/event-stream"

    def __init__(self, hub: EventHub, scopes: frozenset[str], last_event_id: str | None) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._hub = hub
        self._scopes = scopes
        self._last_event_id = last_event_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener = self._hub.listen()
        gone = asyncio.ensure_future(_disconnected(receive))
        gone.add_done_callback(lambda _: listener.wake())
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            position, first = self._greeting()
            await send(_body(first))
            while not gone.done() and not self._hub.closed:
                batch = self._hub.after(position, self._scopes)
                if batch.lost:
                    break
                position = batch.position
                if batch.events:
                    await send(_body(b"".join(map(_frame, batch.events))))
                elif not await listener.wait(HEARTBEAT_S):
                    await send(_body(_HEARTBEAT))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            listener.close()
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone

    def _greeting(self) -> tuple[int, bytes]:
        """Where this client begins, and what it gets at once. The comment tells it that the stream is open."""
        hub = self._hub
        if self._last_event_id is not None:
            known = hub.position_of(self._last_event_id)
            if known is not None and not hub.after(known, self._scopes).lost:
                return known, b": open\n\n"
        position = hub.head
        opening = f": open\nid: {hub.event_id(position)}\n"
        if self._last_event_id is not None:
            opening += f"event: {RESET}\ndata: {{}}\n"
        return position, opening.encode() + b"\n" + b"".join(map(_state_frame, hub.current(self._scopes)))


def _frame(event: Event) -> bytes:
    """One event in the form of the HTML standard §9.2.6; JSON text has no line ends."""
    return f"id: {event.event_id}\n".encode() + _state_frame(event)


def _state_frame(event: Event) -> bytes:
    """Without an id, for what happened before the client came: it resumes from where it came in."""
    return f"event: {event.type}\ndata: {event.data}\n\n".encode()


def _body(content: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": content, "more_body": True}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
