"""The port as JSON, for the separate process: the till mounts `serve_port`, `SocketPort` speaks to it.

One method is one ``POST /v1/sync/port/{method}`` on the till's Unix socket. Bytes are hexadecimal, except payloads,
which are UTF-8 already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from posd.clock import Instant
from posd.errors import SyncError
from posd.ledger.entries import Entry, Head
from posd.sync.link import Link, LinkState
from posd.sync.outcomes import Reason
from posd.sync.policy import Attempts
from posd.sync.port import SyncPort, Work
from posd.sync.wire import Disposition, delta_from_json

Document = Mapping[str, Any]

LONGEST_WAIT_S = 30.0


def serve_port(port: SyncPort, method: str, document: Document) -> dict[str, Any]:
    """What the till answers. May block up to `LONGEST_WAIT_S` (``wait_for_work``), so not for an event loop's thread.

    Raises LookupError for a method that there is not, SyncError for a document of another form, and what the port
    itself raises.
    """
    served = _METHODS[method]
    try:
        return served(port, document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SyncError(f"posd and posd-sync differ ({method}): install the same version of both") from error


def head_as_json(head: Head) -> dict[str, Any]:
    return {"epoch": head.epoch, "seq": head.seq, "hash": head.hash.hex()}


def head_from_json(document: Document) -> Head:
    return Head(document["epoch"], document["seq"], bytes.fromhex(document["hash"]))


def entry_as_json(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "epoch": entry.epoch,
        "id": entry.entry_id.hex(),
        "payload": entry.payload.decode(),
        "prev": entry.prev.hex(),
        "hash": entry.hash.hex(),
    }


def entry_from_json(document: Document) -> Entry:
    return Entry(
        seq=document["seq"],
        epoch=document["epoch"],
        entry_id=bytes.fromhex(document["id"]),
        payload=document["payload"].encode(),
        prev=bytes.fromhex(document["prev"]),
        hash=bytes.fromhex(document["hash"]),
    )


def instant_as_json(at: Instant | None) -> dict[str, Any] | None:
    return None if at is None else {"wall_ms": at.wall_ms, "boot": at.boot, "mono_ns": at.mono_ns}


def instant_from_json(document: Document | None) -> Instant | None:
    return None if document is None else Instant(document["wall_ms"], document["boot"], document["mono_ns"])


def attempts_as_json(attempts: Attempts) -> dict[str, Any]:
    not_before = instant_as_json(attempts.not_before)
    return {"failures": attempts.failures, "not_before": not_before, "reason": attempts.reason.value}


def attempts_from_json(document: Document) -> Attempts:
    return Attempts(document["failures"], instant_from_json(document["not_before"]), Reason(document["reason"]))


def dispositions_as_json(dispositions: Sequence[Disposition]) -> list[dict[str, Any]]:
    return [{"seq": d.seq, "state": d.state, "reason": d.reason} for d in dispositions]


def dispositions_from_json(documents: Sequence[Document]) -> tuple[Disposition, ...]:
    return tuple(Disposition(d["seq"], d["state"], d["reason"]) for d in documents)


def link_as_json(link: Link) -> dict[str, Any]:
    return {
        "state": link.state.value,
        "reason": link.reason and link.reason.value,
        "queue": link.queue,
        "last_contact": instant_as_json(link.last_contact),
        "stuck_seq": link.stuck_seq,
    }


def link_from_json(document: Document) -> Link:
    return Link(
        state=LinkState(document["state"]),
        reason=None if document["reason"] is None else Reason(document["reason"]),
        queue=document["queue"],
        last_contact=instant_from_json(document["last_contact"]),
        stuck_seq=document["stuck_seq"],
    )


def work_as_json(work: Work) -> dict[str, Any]:
    return {"head_seq": work.head_seq, "hurries": work.hurries, "reports": work.reports}


def work_from_json(document: Document) -> Work:
    return Work(document["head_seq"], document["hurries"], document["reports"])


def _pending(port: SyncPort, document: Document) -> dict[str, Any]:
    entries = port.pending(document["after_seq"], document["limit"], document["max_bytes"])
    return {"entries": [entry_as_json(entry) for entry in entries]}


def _acknowledge(port: SyncPort, document: Document) -> dict[str, Any]:
    port.acknowledge(head_from_json(document["head"]), dispositions_from_json(document["dispositions"]))
    return {}


def _apply_deltas(port: SyncPort, document: Document) -> dict[str, Any]:
    port.apply_deltas(delta_from_json(document["page"]))
    return {}


def _begin_anew(port: SyncPort, _: Document) -> dict[str, Any]:
    port.begin_anew()
    return {}


def _record_attempt(port: SyncPort, document: Document) -> dict[str, Any]:
    next_at = document["next_at"]
    at = Instant(next_at["wall_ms"], next_at["boot"], next_at["mono_ns"])
    port.record_attempt(document["through_seq"], Reason(document["reason"]), at)
    return {}


def _till_status(port: SyncPort, _: Document) -> dict[str, Any]:
    status = port.till_status()
    return {"status": status and status.as_json()}


def _report_link(port: SyncPort, document: Document) -> dict[str, Any]:
    port.report_link(link_from_json(document["link"]))
    return {}


def _wait_for_work(port: SyncPort, document: Document) -> dict[str, Any]:
    wait_ms = min(int(document["timeout_ms"]), round(LONGEST_WAIT_S * 1000))
    return {"work": work_as_json(port.wait_for_work(work_from_json(document["seen"]), wait_ms / 1000))}


_METHODS: dict[str, Callable[[SyncPort, Document], dict[str, Any]]] = {
    "acked_head": lambda port, _: {"head": head_as_json(port.acked_head())},
    "pending": _pending,
    "acknowledge": _acknowledge,
    "queue": lambda port, _: {"queue": port.queue()},
    "cursor": lambda port, _: {"cursor": port.cursor()},
    "apply_deltas": _apply_deltas,
    "begin_anew": _begin_anew,
    "attempts": lambda port, _: {"attempts": attempts_as_json(port.attempts())},
    "record_attempt": _record_attempt,
    "till_status": _till_status,
    "report_link": _report_link,
    "wait_for_work": _wait_for_work,
}
