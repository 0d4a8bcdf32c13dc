"""Does a run of entries hang together? The same question for a file, an export, and what a till sent to its club."""

from __future__ import annotations

from posd.ledger.entries import GENESIS, Draft, Entry, Head, chain_hash, parse_payload


class Broken(ValueError):
    """An entry does not keep a promise (DESIGN's I1…I11, `docs/ledger.md`)."""

    def __init__(self, seq: int, promise: str, detail: str) -> None:
        super().__init__(f"entry {seq}: {promise}: {detail}")
        self.seq = seq
        self.promise = promise
        self.detail = detail


def follow(head: Head, entry: Entry, till: str) -> tuple[Head, Draft]:
    """The head after ``entry`` and what the entry says. Raises `Broken` when it is not what follows ``head``."""
    if entry.seq != head.seq + 1:
        raise Broken(head.seq + 1, "I2", f"missing; the next entry is {entry.seq}")
    if entry.epoch < head.epoch:
        raise Broken(entry.seq, "I2", f"epoch went back from {head.epoch} to {entry.epoch}")
    before = head.hash if entry.epoch == head.epoch else GENESIS
    if entry.prev != before:
        raise Broken(entry.seq, "I2", "does not hang on the entry before it")
    if entry.hash != chain_hash(till, entry.epoch, entry.seq, entry.entry_id, entry.prev, entry.payload):
        raise Broken(entry.seq, "I2", "was changed after it was booked (its hash differs)")
    try:
        draft = parse_payload(entry.payload)
    except ValueError as error:
        promise = "I3" if "sum to zero" in str(error) else "payload"
        raise Broken(entry.seq, promise, str(error)) from error
    if draft.entry_id != entry.entry_id:
        raise Broken(entry.seq, "payload", "speaks of another entry id")
    return Head(entry.epoch, entry.seq, entry.hash), draft
