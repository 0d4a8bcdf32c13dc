"""Booking: what the writer does to the ledger inside its transaction. Not thread-safe; the writer owns it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from posd.errors import PosdError
from posd.ledger.club_cache import remember_provisional
from posd.ledger.connection import savepoint
from posd.ledger.entries import RESOLVING, Draft, Entry, Head, encode_payload, placed
from posd.ledger.members import MemberRow
from posd.ledger.requests import AlreadyResolved, RequestConflict, RequestKey
from posd.ledger.rows import entry_by_id, head_of, requested, resolution_of

if TYPE_CHECKING:
    from sqlite_utils import Database

INSERT = "insert into entry (seq, epoch, id, kind, member, ref, payload, prev, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Slip:
    """A draft as it is handed in: encoded by the caller's thread, with what is to be written along with it."""

    draft: Draft
    payload: bytes
    request: RequestKey | None = None
    provisional: MemberRow | None = None


class Books:
    """An open ledger and its head, which is known without asking because nobody else writes."""

    def __init__(self, db: Database, till_id: str, epoch: int) -> None:
        self.db = db
        self.till_id = till_id
        self.head = head_of(db, epoch)

    def mark_verified(self, head: Head) -> None:
        """The next start need not check again what stands up to ``head``."""
        self.db.execute("update till_state set verified_seq = ?, verified_hash = ?", (head.seq, head.hash))

    def touch(self) -> None:
        """Write something, to see whether the ledger can be written."""
        self.db.execute("update till_state set verified_seq = verified_seq")

    def book(self, slip: Slip) -> Entry:
        """The entry of the slip; the one that stands when its id or its request was booked before (I4).

        Raises `RequestConflict`, `AlreadyResolved`, or ValueError for what the schema refuses; the transaction's other
        entries stay as they are.
        """
        if slip.request is not None and (booked := requested(self.db, slip.request)) is not None:
            return booked
        entry = self._insert(slip) if slip.provisional is None else self._insert_with_member(slip, slip.provisional)
        if slip.request is not None:
            row = (slip.request.key_hash, slip.request.body_hash, entry.seq)
            self.db.execute("insert into request (key_hash, body_hash, seq) values (?, ?, ?)", row)
        return entry

    def _insert_with_member(self, slip: Slip, member: MemberRow) -> Entry:
        before = self.head
        try:
            with savepoint(self.db):
                entry = self._insert(slip)
                remember_provisional(self.db, member, entry.seq)
        except (sqlite3.Error, PosdError, ValueError):
            self.head = before
            raise
        return entry

    def _insert(self, slip: Slip) -> Entry:
        """One statement, which undoes itself when it is refused."""
        draft = slip.draft
        entry = placed(draft.entry_id, slip.payload, self.head, self.till_id)
        place = (entry.seq, entry.epoch, draft.entry_id)
        said = (draft.kind.value, draft.member, draft.ref)
        try:
            self.db.execute(INSERT, (*place, *said, entry.payload, entry.prev, entry.hash))
        except sqlite3.IntegrityError as error:
            return self._standing_instead(slip, error)
        self.head = Head(entry.epoch, entry.seq, entry.hash)
        return entry

    def _standing_instead(self, slip: Slip, refusal: sqlite3.IntegrityError) -> Entry:
        draft = slip.draft
        standing = entry_by_id(self.db, draft.entry_id)
        if standing is not None:
            if encode_payload(replace(standing.draft, at=draft.at)) != slip.payload:
                raise RequestConflict(f"entry id {draft.entry_id.hex()} is another fact already (seq {standing.seq})")
            return standing
        if draft.kind in RESOLVING and draft.ref is not None:
            resolution = resolution_of(self.db, draft.ref)
            if resolution is not None:
                raise AlreadyResolved(resolution)
        raise ValueError(f"the ledger cannot hold this {draft.kind.value}: {refusal}") from refusal
