"""Taking in what tills report. The club records facts: an entry whose chain is right is stored, whatever it says.

`accept` is the whole decision, without I/O; `take_in` runs it on the stored head in one transaction. What entries mean
for members and balances is `posd.club.posting`'s business and happens afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from posd.club.epochs import LAST_EPOCH, Epoch, EpochState, epochs_of, head_of
from posd.club.tables import head as heads
from posd.club.tables import journal, till
from posd.club.tills import Shut
from posd.ledger.entries import GENESIS, Head, chain_hash
from posd.sync.wire import PushRequest, WireEntry, WireError

WITHHELD = "withheld"
"""Why an entry is parked whose payload the till could not deliver."""
LAST_SEQ = 2**62
"""What the columns can hold; no shop comes near."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One entry to be stored: the exact bytes that were hashed. No bytes: the till had to withhold them; the hash is
    kept, so no other payload can ever take the place. ``epoch``: under which it was booked."""

    seq: int
    hash: bytes
    payload: bytes
    epoch: int

    @property
    def withheld(self) -> bool:
        return not self.payload


@dataclass(frozen=True, slots=True)
class Accepted:
    """``new`` is to be stored; ``known`` entries were stored before (a lost acknowledgement); ``filled`` are those of
    which only the place was stored; ``head`` is where the journal stands then."""

    new: tuple[Fact, ...]
    known: int
    head: Head
    filled: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """The till's history is not the club's: a gap, or another entry at the same place (clone, restored backup).

    ``head``: the last position of the request that the club has too; the club's own head when there is none."""

    head: Head


def accept(
    till_id: str, request: PushRequest, head: Head, stored: Mapping[int, bytes], lacking: Collection[int] = ()
) -> Accepted | Conflict:
    """Decide about one push. ``stored``: the hashes that the club has at the request's places, up to its head;
    ``lacking``: those of these places whose payload was withheld.

    Raises WireError when the request contradicts itself (numbers not contiguous, bytes that do not give their hash):
    such a till has a bug, and sending the same again cannot help.
    """
    facts = _checked(till_id, request)
    after = GENESIS if request.after_seq == 0 else stored.get(request.after_seq)
    if request.epoch != head.epoch or after is None or after != _digest(request.after_hash):
        return Conflict(head)
    known = [fact for fact in facts if fact.seq <= head.seq]
    common = Head(head.epoch, request.after_seq, after)
    for fact in known:
        if stored.get(fact.seq) != fact.hash:
            return Conflict(common)
        common = Head(head.epoch, fact.seq, fact.hash)
    new = facts[len(known) :]
    filled = tuple(fact for fact in known if fact.seq in lacking and not fact.withheld)
    return Accepted(new, len(known), Head(head.epoch, new[-1].seq, new[-1].hash) if new else head, filled)


def _checked(till_id: str, request: PushRequest) -> tuple[Fact, ...]:
    if not (0 <= request.epoch <= LAST_EPOCH and 0 <= request.after_seq <= LAST_SEQ):
        raise WireError("epoch or sequence number is out of range")
    previous, facts = Head(after_epoch(request), request.after_seq, _digest(request.after_hash)), []
    for seq, entry in enumerate(request.entries, request.after_seq + 1):
        if entry.seq != seq:
            raise WireError(f"entry {entry.seq} stands where {seq} was due")
        epoch = request.epoch if entry.epoch is None else entry.epoch
        if not previous.epoch <= epoch <= request.epoch:
            raise WireError(f"entry {seq} was booked in epoch {epoch}, which was over or had not begun")
        fact = Fact(seq, _digest(entry.hash), _payload(entry), epoch)
        if not entry.withheld and _hash_of(till_id, fact, previous) != fact.hash:
            raise WireError(f"the bytes of entry {seq} do not give its hash")
        facts.append(fact)
        previous = Head(epoch, seq, fact.hash)
    return tuple(facts)


def _hash_of(till_id: str, fact: Fact, previous: Head) -> bytes:
    prev = previous.hash if fact.epoch == previous.epoch else GENESIS
    return chain_hash(till_id, fact.epoch, fact.seq, entry_id(fact.payload), prev, fact.payload)


def after_epoch(request: PushRequest) -> int:
    """Under which epoch the entry was booked that the request follows; before the first entry there is none."""
    if request.after_seq == 0:
        return 0
    return request.epoch if request.after_epoch is None else request.after_epoch


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
) -> Accepted | Conflict | Shut:
    """Store what is new. Pushes of one till follow one another: its row is locked until the commit."""
    newest = _newest_epoch(connection, club_id, till_id)
    epochs = epochs_of(connection, club_id, till_id)
    epoch = epochs.get(request.epoch)
    if epoch is None:  # granted by a club that has come back from a backup since
        return Conflict(head_of(connection, club_id, till_id, epochs[max(n for n in epochs if n <= newest)]))
    if epoch.state is EpochState.BLOCKED:
        return Shut("copy_blocked")
    stored, lacking = _stored(connection, club_id, till_id, request, epoch)
    hashes = {seq: position.hash for seq, position in stored.items()}
    verdict = accept(till_id, request, head_of(connection, club_id, till_id, epoch), hashes, lacking)
    if isinstance(verdict, Conflict):
        return verdict
    if request.after_seq and request.entries and stored[request.after_seq].epoch != after_epoch(request):
        raise WireError(f"entry {request.after_seq} was booked in another epoch")
    if verdict.new and epoch.state is EpochState.CLOSED:
        return Conflict(_before(request, verdict))
    if verdict.new:
        _store(connection, club_id, till_id, verdict, now_ms)
    if verdict.filled:
        _fill(connection, club_id, till_id, verdict, now_ms)
    return verdict


def _before(request: PushRequest, verdict: Accepted) -> Head:
    """The last position of the request that was stored before."""
    last = request.entries[verdict.known - 1].hash if verdict.known else request.after_hash
    return Head(request.epoch, verdict.new[0].seq - 1, bytes.fromhex(last))


def _newest_epoch(connection: Connection, club_id: str, till_id: str) -> int:
    query = select(till.c.epoch).where(till.c.club_id == club_id, till.c.till_id == till_id).with_for_update()
    return int(connection.execute(query).scalar_one())


def _stored(
    connection: Connection, club_id: str, till_id: str, request: PushRequest, epoch: Epoch
) -> tuple[dict[int, Head], set[int]]:
    """What the epoch's journal has at the request's places, its base included (``Head.epoch``: booked under); and where
    only the place is known."""
    query = select(journal.c.seq, journal.c.hash, journal.c.booked_epoch, journal.c.reason).where(
        journal.c.club_id == club_id,
        journal.c.till_id == till_id,
        journal.c.epoch == request.epoch,
        journal.c.seq.between(request.after_seq, request.after_seq + len(request.entries)),
    )
    rows = connection.execute(query).all()
    stored = {epoch.base.seq: epoch.base}
    for row in rows:
        booked = request.epoch if row.booked_epoch is None else row.booked_epoch
        stored[int(row.seq)] = Head(int(booked), int(row.seq), bytes(row.hash))
    return stored, {int(row.seq) for row in rows if row.reason == WITHHELD}


def _store(connection: Connection, club_id: str, till_id: str, verdict: Accepted, now_ms: int) -> None:
    epoch = verdict.head.epoch
    place = {"club_id": club_id, "till_id": till_id, "epoch": epoch}
    rows = [
        {
            **place,
            "seq": fact.seq,
            "hash": fact.hash,
            "payload": fact.payload,
            "received_ms": now_ms,
            "state": "parked" if fact.withheld else "accepted",
            "reason": WITHHELD if fact.withheld else "",
            "booked_epoch": None if fact.epoch == epoch else fact.epoch,
        }
        for fact in verdict.new
    ]
    connection.execute(insert(journal), rows)
    where = (heads.c.club_id == club_id, heads.c.till_id == till_id, heads.c.epoch == epoch)
    moved = connection.execute(update(heads).where(*where).values(seq=verdict.head.seq, hash=verdict.head.hash))
    if moved.rowcount == 0:
        begun = {"posted_seq": verdict.new[0].seq - 1}
        connection.execute(insert(heads).values(**place, seq=verdict.head.seq, hash=verdict.head.hash, **begun))
    connection.execute(
        update(till)
        .where(till.c.club_id == club_id, till.c.till_id == till_id)
        .values(seen_ms=now_ms, pushed_ms=now_ms)
    )


def _fill(connection: Connection, club_id: str, till_id: str, verdict: Accepted, now_ms: int) -> None:
    """The payload is here after all: the entry is posted like any other, only later."""
    for fact in verdict.filled:
        where = (journal.c.club_id == club_id, journal.c.till_id == till_id, journal.c.epoch == verdict.head.epoch)
        filled = {"payload": fact.payload, "received_ms": now_ms, "state": "accepted", "reason": ""}
        connection.execute(update(journal).where(*where, journal.c.seq == fact.seq).values(**filled))
