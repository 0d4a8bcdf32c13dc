"""Messages between till and club, version 1, as JSON. One definition for both ends; the club imports this file.

Entries travel as the exact payload text that was hashed; nobody re-serialises them. Every reply to a push echoes the
chain position it stored, so that a captive portal's "200 OK" is never mistaken for one.

Routes (every request signed with the till's key, see `posd.sync.signing`)::

    POST /v1/tills                     TillRequest      -> TillGrant     (signed with the key that is to be the till's)
    POST /v1/tills/{till}/entries      PushRequest      -> PushReply     (gzip body allowed; 409 = another history)
    POST /v1/tills/{till}/epochs       EpochRequest     -> EpochGrant    (this ledger has a copy; begin a new epoch)
    GET  /v1/tills/{till}/deltas?cursor=…&wait=25&epoch=1  -> DeltaReply (long poll; 410 = start again without cursor)
    POST /v1/tills/{till}/leases       LeaseAsk         -> LeaseReply    (what may be spent here; docs/ledger.md)
    POST /v1/tills/{till}/status       TillStatus       -> 204           (readers, queue; the club's live view)
    POST /v1/tills/{till}/key          KeyChange        -> 204
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from posd.ledger.entries import Entry, Head
from posd.ledger.leases import Lease
from posd.ledger.members import DeltaPage, MemberRow

WIRE_VERSION = 1
TILL_REVOKED, CLOCK_SKEW = "till_revoked", "clock_skew"
"""Refusals (401) that a till acts on by their code: somebody shut it out; its clock is not the club's."""
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
    a till seals with it, the till itself cannot read again. ``club_key``: the Ed25519 key that signs the club's
    answers. ``token`` is empty; tills of before the signatures have one, and no ``club_key``. All keys are hex."""

    till_id: str
    token: str = field(repr=False)
    club_id: str
    club_name: str
    card_key: str = field(repr=False)
    seal_key: str
    epoch: int
    club_key: str = ""

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
            "club_key": self.club_key,
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
                club_key=_text(document.get("club_key", "")),
            )
        except KeyError as error:
            raise WireError(f"the club's answer lacks {error}") from error
        except _MALFORMED as error:
            raise WireError(f"not a grant: {error}") from error


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A till's new public key, in a request that the old one signs. ``proof``: the new key's signature of
    `posd.sync.identity.key_change`. Both are hex."""

    public: str
    proof: str

    def as_json(self) -> dict[str, Any]:
        return {"v": WIRE_VERSION, "public": self.public, "proof": self.proof}

    @classmethod
    def from_json(cls, document: Any) -> KeyChange:
        _expect_version(document)
        try:
            return cls(_text(document["public"]), _text(document["proof"]))
        except _MALFORMED as error:
            raise WireError(f"not a change of keys: {error}") from error


@dataclass(frozen=True, slots=True)
class WireEntry:
    """One entry on the wire. ``payload`` is the stored text, byte for byte. ``withheld``: the id of an entry whose
    payload the club fails on; then only its place in the chain is sent, so that those behind it can pass. ``epoch``:
    under which it was booked, where that is not the epoch of the request."""

    seq: int
    hash: str
    payload: str
    withheld: str = ""
    epoch: int | None = None

    def as_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"withheld": self.withheld} if self.withheld else {"payload": self.payload}
        if self.epoch is not None:
            said["epoch"] = self.epoch
        return {"seq": self.seq, "hash": self.hash, **said}

    @classmethod
    def from_json(cls, document: Any) -> WireEntry:
        withheld, epoch = _text(document.get("withheld", "")), document.get("epoch")
        return cls(
            _whole(document["seq"]),
            _text(document["hash"]),
            "" if withheld else _text(document["payload"]),
            withheld,
            None if epoch is None else _whole(epoch),
        )

    @classmethod
    def of(cls, entry: Entry, epoch: int, *, withheld: bool) -> WireEntry:
        """``entry`` in a request of ``epoch``."""
        payload, name = ("", entry.entry_id.hex()) if withheld else (entry.payload.decode(), "")
        return cls(entry.seq, entry.hash.hex(), payload, name, None if entry.epoch == epoch else entry.epoch)


@dataclass(frozen=True, slots=True)
class PushRequest:
    """A contiguous run of entries that follows (``after_seq``, ``after_hash``).

    ``epoch``: that of the till, which is also that of its club's journal; what was booked before it began says its own.
    ``after_epoch``: under which the entry ``after_seq`` was booked, where that is another one.
    """

    epoch: int
    after_seq: int
    after_hash: str
    entries: tuple[WireEntry, ...]
    after_epoch: int | None = None

    @classmethod
    def of(
        cls, after: Head, entries: tuple[Entry, ...], withheld: Collection[int] = (), epoch: int | None = None
    ) -> PushRequest:
        """The run after ``after``, in the till's ``epoch`` (default: the one of ``after``)."""
        own = after.epoch if epoch is None else epoch
        return cls(
            epoch=own,
            after_seq=after.seq,
            after_hash=after.hash.hex(),
            entries=tuple(WireEntry.of(entry, own, withheld=entry.seq in withheld) for entry in entries),
            after_epoch=None if after.epoch == own else after.epoch,
        )

    def as_json(self) -> dict[str, Any]:
        document = {
            "v": WIRE_VERSION,
            "epoch": self.epoch,
            "after_seq": self.after_seq,
            "after_hash": self.after_hash,
            "entries": [entry.as_json() for entry in self.entries],
        }
        return document if self.after_epoch is None else {**document, "after_epoch": self.after_epoch}

    @classmethod
    def from_json(cls, document: Any) -> PushRequest:
        _expect_version(document)
        try:
            return cls(
                epoch=_whole(document["epoch"]),
                after_seq=_whole(document["after_seq"]),
                after_hash=_text(document["after_hash"]),
                entries=tuple(WireEntry.from_json(entry) for entry in document["entries"]),
                after_epoch=None if document.get("after_epoch") is None else _whole(document["after_epoch"]),
            )
        except _MALFORMED as error:
            raise WireError(f"not a push request: {error}") from error


@dataclass(frozen=True, slots=True)
class EpochRequest:
    """A till whose journal the club does not know asks for a new epoch. ``positions``: some (seq, hash) of its journal,
    newest first; the club has nothing of the till's that follows the first one."""

    epoch: int
    positions: tuple[tuple[int, str], ...]

    def as_json(self) -> dict[str, Any]:
        return {"v": WIRE_VERSION, "epoch": self.epoch, "positions": [list(position) for position in self.positions]}

    @classmethod
    def from_json(cls, document: Any) -> EpochRequest:
        _expect_version(document)
        try:
            positions = tuple((_whole(seq), _text(digest)) for seq, digest in document["positions"])
            return cls(_whole(document["epoch"]), positions)
        except _MALFORMED as error:
            raise WireError(f"not a request for an epoch: {error}") from error


@dataclass(frozen=True, slots=True)
class EpochGrant:
    """The till's journal goes on under ``epoch``; the club has it up to (``base_seq``, ``base_hash``)."""

    epoch: int
    base_seq: int
    base_hash: str

    def as_json(self) -> dict[str, Any]:
        base = {"base_seq": self.base_seq, "base_hash": self.base_hash}
        return {"v": WIRE_VERSION, "epoch": self.epoch, **base}

    @classmethod
    def from_json(cls, document: Any) -> EpochGrant:
        _expect_version(document)
        try:
            return cls(_whole(document["epoch"]), _whole(document["base_seq"]), _text(document["base_hash"]))
        except _MALFORMED as error:
            raise WireError(f"not an epoch: {error}") from error


@dataclass(frozen=True, slots=True)
class Disposition:
    """What became of one entry at the club: ``posted``, or ``parked`` with a reason that a person must look at."""

    seq: int
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PushReply:
    """Cumulative: everything up to ``acked_seq`` is stored at the club. ``conflict`` answers (409) have this shape.
    ``spread_s``: over how long the club's tills shall come back when it was away."""

    acked_seq: int
    acked_hash: str
    dispositions: tuple[Disposition, ...] = ()
    server_time_ms: int = 0
    spread_s: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "v": WIRE_VERSION,
            "acked_seq": self.acked_seq,
            "acked_hash": self.acked_hash,
            "dispositions": [{"seq": d.seq, "state": d.state, "reason": d.reason} for d in self.dispositions],
            "server_time_ms": self.server_time_ms,
            "spread_s": self.spread_s,
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
                spread_s=_whole(document.get("spread_s", 0)),
            )
        except _MALFORMED as error:
            raise WireError(f"not an answer to a push: {error}") from error


@dataclass(frozen=True, slots=True)
class LeaseAsk:
    """A member stands at the till: what of his balances may it spend? ``lease_id`` is new, and stays when the question
    is repeated. ``epoch``, ``seq`` and ``incarnation``: where the till's own journal stands, and whether it is still
    what it was. Without a member only leases are named again whose answer was lost."""

    lease_id: str
    member_id: str
    epoch: int
    seq: int
    incarnation: str

    def as_json(self) -> dict[str, Any]:
        named = {"lease_id": self.lease_id, "member_id": self.member_id, "incarnation": self.incarnation}
        return {"v": WIRE_VERSION, **named, "epoch": self.epoch, "seq": self.seq}

    @classmethod
    def from_json(cls, document: Any) -> LeaseAsk:
        _expect_version(document)
        try:
            return cls(
                _lease_id(document["lease_id"]),
                _text(document["member_id"]),
                _whole(document["epoch"]),
                _whole(document["seq"]),
                _text(document["incarnation"]),
            )
        except _MALFORMED as error:
            raise WireError(f"not a question for a lease: {error}") from error


@dataclass(frozen=True, slots=True)
class LeaseReply:
    """Leases that the till has not taken up yet, of whichever member. ``keep_permille``: the share of a balance that it
    may keep after the visit."""

    leases: tuple[Lease, ...] = ()
    keep_permille: int = 0

    def as_json(self) -> dict[str, Any]:
        named = [
            {"lease_id": it.lease_id, "member_id": it.member_id, "amounts": dict(it.amounts)} for it in self.leases
        ]
        return {"v": WIRE_VERSION, "leases": named, "keep_permille": self.keep_permille}

    @classmethod
    def from_json(cls, document: Any) -> LeaseReply:
        _expect_version(document)
        try:
            return cls(tuple(_lease(named) for named in document["leases"]), _whole(document["keep_permille"]))
        except _MALFORMED as error:
            raise WireError(f"not an answer about leases: {error}") from error


def _lease(document: Mapping[str, Any]) -> Lease:
    amounts = {_text(unit): _whole(amount) for unit, amount in document["amounts"].items()}
    if not amounts or min(amounts.values()) <= 0:
        raise WireError("a lease of nothing")
    return Lease(_lease_id(document["lease_id"]), _text(document["member_id"]), amounts)


def _lease_id(value: Any) -> str:
    if len(bytes.fromhex(_text(value))) != 16 or value != value.lower():
        raise WireError("a lease is named by 32 hexadecimal digits")
    return _text(value)


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
        "spread_s": page.spread_s,
        "recalled": list(page.recalled),
        "posted_hash": page.posted_hash,
        "epoch": page.epoch,
        "frozen": page.frozen,
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
            spread_s=_whole(document.get("spread_s", 0)),
            recalled=tuple(_text(lease_id) for lease_id in document["recalled"]),
            posted_hash=_text(document.get("posted_hash", "")),
            epoch=_whole(document.get("epoch", 0)),
            frozen=document.get("frozen", False) is True,
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
