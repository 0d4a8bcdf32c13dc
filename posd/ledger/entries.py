"""Entries: the facts of a till. An entry is written once, never changed, and corrected only by another entry.

The payload bytes are what is hashed, stored and sent; nobody re-serialises them. The chain is
``sha256("posd1" | till | epoch | seq | id | prev | payload)``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from posd.clock import Instant

PAYLOAD_VERSION = 1
GENESIS = bytes(32)
"""``prev`` of the first entry of an epoch."""


class Kind(StrEnum):
    """What happened."""

    SALE = "sale"
    REFUND = "refund"
    VOID = "void"
    ENROL = "enrol"
    """A member joined; body: member, sealed personal data, card keys."""
    LINK = "link"
    """A further card now belongs to a member."""
    READER_CHECK = "reader_check"
    """Evidence: a reader was tested; body: reader, driver, identity, level, results. Moves nothing."""


RESOLVING = frozenset({Kind.VOID})
"""Kinds that resolve the entry named by ``ref``; at most one such entry may name it (I5)."""


@dataclass(frozen=True, slots=True)
class Leg:
    """``amount`` of ``unit`` moved on ``account``; the legs of an entry sum to zero per unit (I3)."""

    account: str
    unit: str
    amount: int


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has its place in the sequence. ``entry_id`` is a UUIDv7 minted before the first attempt.

    ``body`` is JSON-able, integers and text only. Raises ValueError when legs do not balance or an amount is not a
    non-zero integer: such an entry cannot be built.
    """

    entry_id: bytes
    kind: Kind
    at: Instant
    member: str | None
    legs: tuple[Leg, ...]
    body: Mapping[str, Any]
    ref: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.entry_id) != 16 or (self.ref is not None and len(self.ref) != 16):
            raise ValueError("entry ids are 16 bytes")
        for leg in self.legs:
            if type(leg.amount) is not int or leg.amount == 0:
                raise ValueError(f"leg on {leg.account} must be a non-zero integer")
            if not (leg.account.isprintable() and leg.unit.isprintable()):
                raise ValueError("names of accounts and units are printable text")
        for unit, total in unit_totals(self.legs).items():
            if total:
                raise ValueError(f"legs of {self.kind.value} do not sum to zero in {unit}: {total}")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry in its place: ``seq`` is gapless per till and epoch, ``prev`` is the hash of ``seq - 1``."""

    seq: int
    epoch: int
    entry_id: bytes
    payload: bytes
    prev: bytes
    hash: bytes

    @property
    def draft(self) -> Draft:
        return parse_payload(self.payload)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a journal stands. An empty journal is ``Head(epoch, 0, GENESIS)``."""

    epoch: int
    seq: int
    hash: bytes


def unit_totals(legs: Sequence[Leg]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for leg in legs:
        totals[leg.unit] = totals.get(leg.unit, 0) + leg.amount
    return totals


def encode_payload(draft: Draft) -> bytes:
    """The one and only serialisation of a draft: UTF-8 JSON, keys sorted, no spaces, no floats.

    Raises ValueError or TypeError for a body that is not integers and text.
    """
    document = {
        "v": PAYLOAD_VERSION,
        "id": draft.entry_id.hex(),
        "kind": draft.kind.value,
        "at": {"wall_ms": draft.at.wall_ms, "boot": draft.at.boot, "mono_ns": draft.at.mono_ns},
        "member": draft.member,
        "ref": draft.ref.hex() if draft.ref else None,
        "legs": [[leg.account, leg.unit, leg.amount] for leg in draft.legs],
        "body": draft.body,
    }
    _check_integers_and_text(draft.body)
    return _ENCODER.encode(document).encode()


def parse_payload(payload: bytes) -> Draft:
    """Inverse of `encode_payload`. Raises ValueError on anything that it did not write."""
    try:
        document = json.loads(payload, parse_float=_refuse_float)
        if document["v"] != PAYLOAD_VERSION:
            raise ValueError(f"payload version {document['v']!r} is newer than this posd; update it")
        at = document["at"]
        return Draft(
            entry_id=bytes.fromhex(document["id"]),
            kind=Kind(document["kind"]),
            at=Instant(at["wall_ms"], at["boot"], at["mono_ns"]),
            member=document["member"],
            ref=bytes.fromhex(document["ref"]) if document["ref"] else None,
            legs=tuple(Leg(account, unit, amount) for account, unit, amount in document["legs"]),
            body=document["body"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a ledger payload: {error}") from error


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)
_PLAIN = frozenset({str, int, bool, type(None)})


def _check_integers_and_text(value: Any) -> None:
    """What could not be read again must not be hashed. Raises TypeError."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        if not isinstance(value, str | int | None):
            raise TypeError(f"an entry holds integers and text only, not {type(value).__name__}")
        return
    for part in value:
        if type(part) not in _PLAIN:
            _check_integers_and_text(part)


def _refuse_float(text: str) -> float:
    raise ValueError(f"floats are not allowed in the ledger: {text}")


def chain_hash(till: str, epoch: int, seq: int, entry_id: bytes, prev: bytes, payload: bytes) -> bytes:
    """Hash of an entry in its place. Lengths are fixed or prefixed, so no two inputs share an encoding."""
    name = till.encode()
    return hashlib.sha256(
        b"posd1"
        + len(name).to_bytes(2, "big")
        + name
        + epoch.to_bytes(4, "big")
        + seq.to_bytes(8, "big")
        + entry_id
        + prev
        + payload
    ).digest()


def chained(draft: Draft, head: Head, till: str) -> Entry:
    """The entry that follows ``head``."""
    return placed(draft.entry_id, encode_payload(draft), head, till)


def placed(entry_id: bytes, payload: bytes, head: Head, till: str) -> Entry:
    """The entry of a draft that is encoded already."""
    seq = head.seq + 1
    digest = chain_hash(till, head.epoch, seq, entry_id, head.hash, payload)
    return Entry(seq, head.epoch, entry_id, payload, head.hash, digest)
