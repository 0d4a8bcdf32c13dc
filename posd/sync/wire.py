"""Messages between till and club, version 1, as JSON. One definition for both ends; the club imports this file.

Entries travel as the exact payload text that was hashed; nobody re-serialises them. Every reply to a push echoes the
chain position it stored, so that a captive portal's "200 OK" is never mistaken for one.

Routes (all with ``Authorization: Bearer <till token>`` except the first)::

    POST /v1/tills                     TillRequest      -> TillGrant
    POST /v1/tills/{till}/entries      PushRequest      -> PushReply     (gzip body allowed)
    GET  /v1/tills/{till}/deltas?cursor=…&wait=25       -> DeltaReply    (long poll; 410 = start again without cursor)
    POST /v1/tills/{till}/status       TillStatus       -> 204           (readers, queue; the club's live view)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from posd.ledger.entries import Entry, Head
from posd.ledger.members import DeltaPage, MemberRow

WIRE_VERSION = 1
_INT64 = 2**63
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)
"""What reading a stranger's JSON as ours raises."""


class WireError(ValueError):
    """The other side sent something that is not this protocol."""


@dataclass(frozen=True, slots=True)
class TillRequest:
    """A new till asks to join with an invitation code from the club's page or ``posd club invite``."""

    invitation: str = field(repr=False)
    name: str
    version: str

    def as_json(self) -> dict[str, Any]:
        return {"v": WIRE_VERSION, "invitation": self.invitation, "name": self.name, "version": self.version}

    @classmethod
    def from_json(cls, document: Any) -> TillRequest:
        _expect_version(document)
        try:
            return cls(str(document["invitation"]), str(document["name"]), str(document["version"]))
        except KeyError as error:
            raise WireError(f"the request to join lacks {error}") from error


@dataclass(frozen=True, slots=True)
class TillGrant:
    """What a till must know of its club. ``card_key`` is the club's HMAC key, ``seal_key`` its X25519 public key: what
    a till seals with it, the till itself cannot read again. All secrets are hex."""

    till_id: str
    token: str = field(repr=False)
    club_id: str
    club_name: str
    card_key: str = field(repr=False)
    seal_key: str
    epoch: int

    def as_json(self) -> dict[str, Any]:
        return {
            "v": WIRE_VERSION,
            "till_id": self.till_id,
            "token": self.token,
            "club_id": self.club_id,
            "club_name": self.club_name,
            "card_key": self.card_key,
            "seal_key": self.seal_key,
            "epoch": self.epoch,
        }

    @classmethod
    def from_json(cls, document: Any) -> TillGrant:
        _expect_version(document)
        try:
            return cls(
                till_id=_text(document["till_id"]),
                token=_text(document["token"]),
                club_id=_text(document["club_id"]),
                club_name=_text(document["club_name"]),
                card_key=_text(document["card_key"]),
                seal_key=_text(document["seal_key"]),
                epoch=_whole(document["epoch"]),
            )
        except KeyError as error:
            raise WireError(f"the club's answer lacks {error}") from error
        except _MALFORMED as error:
            raise WireError(f"not a grant: {error}") from error


@dataclass(frozen=True, slots=True)
class WireEntry:
    """One entry on the wire. ``payload`` is the stored text, byte for byte."""

    seq: int
    hash: str
    payload: str


@dataclass(frozen=True, slots=True)
class PushRequest:
    """A contiguous run of entries that follows (``after_seq``, ``after_hash``)."""

    epoch: int
    after_seq: int
    after_hash: str
    entries: tuple[WireEntry, ...]

    @classmethod
    def of(cls, after: Head, entries: tuple[Entry, ...]) -> PushRequest:
        return cls(
            epoch=after.epoch,
            after_seq=after.seq,
            after_hash=after.hash.hex(),
            entries=tuple(WireEntry(e.seq, e.hash.hex(), e.payload.decode()) for e in entries),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "v": WIRE_VERSION,
            "epoch": self.epoch,
            "after_seq": self.after_seq,
            "after_hash": self.after_hash,
            "entries": [{"seq": e.seq, "hash": e.hash, "payload": e.payload} for e in self.entries],
        }

    @classmethod
    def from_json(cls, document: Any) -> PushRequest:
        _expect_version(document)
        try:
            return cls(
                epoch=_whole(document["epoch"]),
                after_seq=_whole(document["after_seq"]),
                after_hash=_text(document["after_hash"]),
                entries=tuple(
                    WireEntry(_whole(e["seq"]), _text(e["hash"]), _text(e["payload"])) for e in document["entries"]
                ),
            )
        except _MALFORMED as error:
            raise WireError(f"not a push request: {error}") from error


@dataclass(frozen=True, slots=True)
class Disposition:
    """What became of one entry at the club: ``posted``, or ``parked`` with a reason that a person must look at."""

    seq: int
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PushReply:
    """Cumulative: everything up to ``acked_seq`` is stored at the club. ``conflict`` answers (409) have this shape."""

    acked_seq: int
    acked_hash: str
    dispositions: tuple[Disposition, ...] = ()
    server_time_ms: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "v": WIRE_VERSION,
            "acked_seq": self.acked_seq,
            "acked_hash": self.acked_hash,
            "dispositions": [{"seq": d.seq, "state": d.state, "reason": d.reason} for d in self.dispositions],
            "server_time_ms": self.server_time_ms,
        }

    @classmethod
    def from_json(cls, document: Any) -> PushReply:
        _expect_version(document)
        try:
            return cls(
                acked_seq=_whole(document["acked_seq"]),
                acked_hash=_text(document["acked_hash"]),
                dispositions=tuple(
                    Disposition(_whole(d["seq"]), _text(d["state"]), _text(d.get("reason", "")))
                    for d in document["dispositions"]
                ),
                server_time_ms=_whole(document["server_time_ms"]),
            )
        except _MALFORMED as error:
            raise WireError(f"not an answer to a push: {error}") from error


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """One reader of a till as the club's page shows it. ``device_class`` and ``state`` as in `posd.events`."""

    name: str
    device_class: str
    state: str


@dataclass(frozen=True, slots=True)
class TillStatus:
    """A till's heartbeat: entries that wait to be sent, since when the oldest one waits (Unix ms, None = none waits),
    its readers and its version. It is for people to see; no decision hangs on it."""

    queue: int
    oldest_queued_ms: int | None = None
    readers: tuple[ReaderStatus, ...] = ()
    version: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "v": WIRE_VERSION,
            "queue": self.queue,
            "oldest_queued_ms": self.oldest_queued_ms,
            "readers": [{"name": r.name, "device_class": r.device_class, "state": r.state} for r in self.readers],
            "version": self.version,
        }

    @classmethod
    def from_json(cls, document: Any) -> TillStatus:
        _expect_version(document)
        try:
            oldest = document["oldest_queued_ms"]
            return cls(
                queue=_whole(document["queue"]),
                oldest_queued_ms=None if oldest is None else int(oldest),
                readers=tuple(
                    ReaderStatus(str(r["name"]), str(r["device_class"]), str(r["state"])) for r in document["readers"]
                ),
                version=_text(document["version"]),
            )
        except _MALFORMED as error:
            raise WireError(f"not a till's status: {error}") from error


def delta_as_json(page: DeltaPage) -> dict[str, Any]:
    return {
        "v": WIRE_VERSION,
        "cursor": page.cursor,
        "posted_seq": page.posted_seq,
        "members": [member_as_json(row) for row in page.members],
        "programs": None if page.programs is None else list(page.programs),
        "more": page.more,
    }


def delta_from_json(document: Any) -> DeltaPage:
    _expect_version(document)
    try:
        programs = document["programs"]
        return DeltaPage(
            cursor=_text(document["cursor"]),
            posted_seq=_whole(document["posted_seq"]),
            members=tuple(member_from_json(row) for row in document["members"]),
            programs=None if programs is None else tuple(programs),
            more=bool(document["more"]),
        )
    except _MALFORMED as error:
        raise WireError(f"not a page of changes: {error}") from error


def member_as_json(row: MemberRow) -> dict[str, Any]:
    return {
        "member_id": row.member_id,
        "name": row.name,
        "phone_mask": row.phone_mask,
        "tier": row.tier,
        "balances": dict(row.balances),
        "keys": list(row.keys),
        "version": row.version,
        "progress": dict(row.progress),
        "state": row.state,
    }


def member_from_json(document: Mapping[str, Any]) -> MemberRow:
    return MemberRow(
        member_id=_text(document["member_id"]),
        name=_text(document["name"]),
        phone_mask=_text(document["phone_mask"]),
        tier=None if document["tier"] is None else _text(document["tier"]),
        balances={_text(unit): _whole(amount) for unit, amount in document["balances"].items()},
        keys=tuple(_text(key) for key in document["keys"]),
        version=_whole(document["version"]),
        progress={_text(unit): _whole(amount) for unit, amount in document["progress"].items()},
        state=_text(document["state"]),
    )


def _whole(value: Any) -> int:
    """A JSON integer that fits the ledger's columns; no float, no text, no true."""
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise WireError("a number is not a 64-bit integer")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WireError("a text is missing or is not text")
    return value


def _expect_version(document: Any) -> None:
    if not isinstance(document, Mapping) or document.get("v") != WIRE_VERSION:
        raise WireError("this is not an answer of a posd club (no version 1 envelope)")
