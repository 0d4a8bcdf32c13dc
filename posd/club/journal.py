"""Taking in what tills report. The club records facts: an entry whose chain is right is stored, whatever it says.

`accept` is the whole decision, without I/O; `take_in` runs it on the stored head in one transaction. What entries mean
for members and balances is `posd.club.posting`'s business and happens afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from posd.club.tables import head as heads
from posd.club.tables import journal, till
from posd.ledger.entries import GENESIS, Head, chain_hash
from posd.sync.wire import PushRequest, WireEntry, WireError

LAST_EPOCH, LAST_SEQ = 2**31 - 1, 2**62
"""What the chain hash and the columns can hold; no shop comes near."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One entry to be stored: the exact bytes that were hashed."""

    seq: int
    hash: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """``new`` is to be stored; ``known`` entries were stored before (a lost acknowledgement); ``head`` is where the
    journal stands then."""

    new: tuple[Fact, ...]
    known: int
    head: Head


@dataclass(frozen=True, slots=True)
class Conflict:
    """The till's history is not the club's: a gap, or another entry at the same place (clone, restored backup)."""

    head: Head


def accept(till_id: str, request: PushRequest, head: Head, stored: Mapping[int, bytes]) -> Accepted | Conflict:
    """Decide about one push. ``stored``: the hashes that the club has at the request's places, up to its head.

    Raises WireError when the request contradicts itself (numbers not contiguous, bytes that do not give their hash):
    such a till has a bug, and sending the same again cannot help.
    """
    facts = _checked(till_id, request)
    after = GENESIS if request.after_seq == 0 else stored.get(request.after_seq)
    if request.epoch != head.epoch or after is None or after != _digest(request.after_hash):
        return Conflict(head)
    known = [fact for fact in facts if fact.seq <= head.seq]
    if any(stored.get(fact.seq) != fact.hash for fact in known):
        return Conflict(head)
    new = facts[len(known) :]
    return Accepted(new, len(known), Head(head.epoch, new[-1].seq, new[-1].hash) if new else head)


def _checked(till_id: str, request: PushRequest) -> tuple[Fact, ...]:
    if not (0 <= request.epoch <= LAST_EPOCH and 0 <= request.after_seq <= LAST_SEQ):
        raise WireError("epoch or sequence number is out of range")
    previous, facts = _digest(request.after_hash), []
    for seq, entry in enumerate(request.entries, request.after_seq + 1):
        if entry.seq != seq:
            raise WireError(f"entry {entry.seq} stands where {seq} was due")
        fact = Fact(seq, _digest(entry.hash), _payload(entry))
        if chain_hash(till_id, request.epoch, seq, entry_id(fact.payload), previous, fact.payload) != fact.hash:
            raise WireError(f"the bytes of entry {seq} do not give its hash")
        facts.append(fact)
        previous = fact.hash
    return tuple(facts)


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != len(GENESIS):
        raise WireError("a hash is 64 hexadecimal digits")
    return digest


def _payload(entry: WireEntry) -> bytes:
    try:
        return entry.payload.encode()
    except UnicodeEncodeError:
        raise WireError(f"entry {entry.seq} is not UTF-8 text") from None


def entry_id(payload: bytes) -> bytes:
    """The id that the chain hash covers. It is read without judging the rest: an entry of a kind that this club does
    not know yet is a fact too. Raises WireError when there is none."""
    try:
        identity = bytes.fromhex(json.loads(payload)["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        identity = b""
    if len(identity) != 16:
        raise WireError("an entry has no id")
    return identity


def take_in(
    connection: Connection, club_id: str, till_id: str, request: PushRequest, now_ms: int
) -> Accepted | Conflict:
    """Store what is new. Pushes of one till follow one another: its row is locked until the commit."""
    granted = _granted_epoch(connection, club_id, till_id)
    head = head_of(connection, club_id, till_id, granted)
    verdict = accept(till_id, request, head, _stored(connection, club_id, till_id, request))
    if isinstance(verdict, Accepted) and verdict.new:
        _store(connection, club_id, till_id, verdict, now_ms)
    return verdict


def _granted_epoch(connection: Connection, club_id: str, till_id: str) -> int:
    query = select(till.c.epoch).where(till.c.club_id == club_id, till.c.till_id == till_id).with_for_update()
    return int(connection.execute(query).scalar_one())


def head_of(connection: Connection, club_id: str, till_id: str, epoch: int) -> Head:
    query = select(heads.c.seq, heads.c.hash).where(
        heads.c.club_id == club_id, heads.c.till_id == till_id, heads.c.epoch == epoch
    )
    row = connection.execute(query).first()
    return Head(epoch, 0, GENESIS) if row is None else Head(epoch, int(row.seq), bytes(row.hash))


def _stored(connection: Connection, club_id: str, till_id: str, request: PushRequest) -> dict[int, bytes]:
    query = select(journal.c.seq, journal.c.hash).where(
        journal.c.club_id == club_id,
        journal.c.till_id == till_id,
        journal.c.epoch == request.epoch,
        journal.c.seq.between(request.after_seq, request.after_seq + len(request.entries)),
    )
    return {int(row.seq): bytes(row.hash) for row in connection.execute(query)}


def _store(connection: Connection, club_id: str, till_id: str, verdict: Accepted, now_ms: int) -> None:
    epoch = verdict.head.epoch
    place = {"club_id": club_id, "till_id": till_id, "epoch": epoch}
    rows = [
        {**place, "seq": fact.seq, "hash": fact.hash, "payload": fact.payload, "received_ms": now_ms}
        for fact in verdict.new
    ]
    connection.execute(insert(journal), rows)
    where = (heads.c.club_id == club_id, heads.c.till_id == till_id, heads.c.epoch == epoch)
    moved = connection.execute(update(heads).where(*where).values(seq=verdict.head.seq, hash=verdict.head.hash))
    if moved.rowcount == 0:
        connection.execute(insert(heads).values(**place, seq=verdict.head.seq, hash=verdict.head.hash, posted_seq=0))
    connection.execute(
        update(till)
        .where(till.c.club_id == club_id, till.c.till_id == till_id)
        .values(seen_ms=now_ms, pushed_ms=now_ms)
    )
