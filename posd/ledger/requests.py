"""Idempotency: which request booked which entry, and what the ledger answers when it will not book a second time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

from posd.errors import LedgerError
from posd.ledger.entries import Entry


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Who asked for what, as two SHA-256 digests. ``key_hash`` names the request for ever, ``body_hash`` says what was
    asked; the ledger keeps neither text."""

    key_hash: bytes
    body_hash: bytes

    def __post_init__(self) -> None:
        if len(self.key_hash) != 32 or len(self.body_hash) != 32:
            raise ValueError("a request is named by two SHA-256 digests; build it with RequestKey.of")

    @classmethod
    def of(cls, key: str, body: bytes) -> Self:
        """``key`` should begin with the caller's name, so that two registers cannot meet in one key."""
        return cls(hashlib.sha256(key.encode()).digest(), hashlib.sha256(body).digest())


class NotBooked(LedgerError):
    """What is booked already forbids this draft. The ledger is well; nothing was written."""


class RequestConflict(NotBooked):
    """The same request key, or the same entry id, was used for something else."""


class AlreadyResolved(NotBooked):
    """The entry that the draft wants to resolve is resolved already, by ``entry`` (I5)."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(f"entry {entry.draft.ref and entry.draft.ref.hex()} was resolved already by seq {entry.seq}")
        self.entry = entry
