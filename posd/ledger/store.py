"""The ledger as the rest of posd sees it: append, read, and what the sync side needs. See `docs/ledger.md`.

Everything that writes returns a Future that resolves when it is on disk, and never before.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, Self, TypeVar

from posd.clock import Clock, Instant
from posd.errors import LedgerUnwritable
from posd.ledger.books import Books, Slip
from posd.ledger.club_cache import apply_page, begin_anew
from posd.ledger.delivery import LedgerForked, Verdict, acknowledge, record_attempt
from posd.ledger.disk import Ballast, FileLock, prepare_directory
from posd.ledger.entries import Draft, Entry, encode_payload
from posd.ledger.members import DeltaPage, MemberRow
from posd.ledger.opening import NewerSchema, open_books
from posd.ledger.reader import Backlog, Parked, Reader
from posd.ledger.requests import AlreadyResolved, NotBooked, RequestConflict, RequestKey
from posd.ledger.writer import Writer
from posd.machine import Uuid7Source

__all__ = [
    "AlreadyResolved",
    "Backlog",
    "LedgerForked",
    "NotBooked",
    "Parked",
    "Reader",
    "RequestConflict",
    "RequestKey",
    "Store",
]

T = TypeVar("T")

BALLAST_BYTES = 8 * 1024 * 1024
"""Held back for a full disk: room for some thousand sales."""


class _Writing(Protocol):
    @property
    def fault(self) -> str | None: ...
    def submit(self, work: Callable[[Books], T]) -> Future[T]: ...
    def close(self) -> None: ...


class _Refusing:
    """Stands where the writer would, when the ledger may only be read."""

    def __init__(self, reason: str) -> None:
        self.fault = reason

    def submit(self, work: Callable[[Books], T]) -> Future[T]:
        future: Future[T] = Future()
        future.set_exception(LedgerUnwritable(self.fault))
        return future

    def close(self) -> None:
        """Nothing to give back."""


class Store:
    """An open ledger; thread-safe."""

    def __init__(self, path: Path, till_id: str | None, clock: Clock, epoch: int | None, ballast_bytes: int) -> None:
        self.path = path
        self._clock = clock
        self._grown = threading.Condition()
        self._head_seq = 0
        self._wakes = 0
        self._local = threading.local()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._readers_gate = threading.Lock()
        self._volatile = prepare_directory(path.parent)
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        with ExitStack() as unless_open:
            unless_open.callback(self._lock.release)
            self._ballast = Ballast(path.with_name(path.name + ".reserve"), ballast_bytes)
            self._ballast.hold()
            self._writing = self._start_writing(till_id, epoch)
            unless_open.callback(self._writing.close)
            reader = self.reader()
            self.till_id = reader.till_id()
            self._head_seq = reader.head().seq
            unless_open.pop_all()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        till_id: str | None = None,
        clock: Clock,
        epoch: int | None = None,
        ballast_bytes: int = BALLAST_BYTES,
    ) -> Self:
        """Open the ledger, making it when there is none, and check what was booked since it was last opened.

        ``till_id``: None takes the ledger's own, or mints one for a new ledger. An empty journal takes any name; after
        its first entry another one is refused. ``epoch``: None takes the ledger's own; a higher one, granted by the
        club, begins a new chain. ``ballast_bytes`` are held back for a full disk (0: none).

        Raises `LedgerInUse` (names the process), `LedgerUnwritable` (directory, disk, network file system),
        `LedgerBroken` (names the first broken entry) or `LedgerError` (another till's ledger). A ledger of a newer posd
        opens for reading; `fault` says so.
        """
        return cls(Path(path), till_id, clock, epoch, ballast_bytes)

    def close(self) -> None:
        """Finish what was handed in and give everything back. May be called twice."""
        self._writing.close()
        self.wake_waiters()
        with self._readers_gate:
            for reader in tuple(self._readers):
                reader.close()
        self._lock.release()

    # Condition of the ledger

    @property
    def fault(self) -> str | None:
        """Why nothing can be booked now, and what to do; None when all is well. It heals by itself."""
        return self._writing.fault

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not right but does not stop sales."""
        full = f"{self.path.parent} is almost full: the ledger uses its reserve; free some space"
        return tuple(text for text in (self._volatile, None if self._ballast.held else full) if text)

    def metrics(self) -> Mapping[str, int]:
        """Gauges by Prometheus name."""
        reader = self.reader()
        counts, backlog = reader.counts(), reader.backlog()
        return {
            "posd_ledger_entries": counts["entries"],
            "posd_ledger_members": counts["members"],
            "posd_ledger_parked": counts["parked"],
            "posd_ledger_fault": int(self.fault is not None),
            "posd_queue_depth": backlog.depth,
            "posd_queue_oldest_seconds": backlog.age_s(self._clock.now()),
        }

    # Writing

    def append(
        self, draft: Draft, *, request: RequestKey | None = None, provisional: MemberRow | None = None
    ) -> Future[Entry]:
        """Book a draft; ``provisional`` is a member or a further key to know at once, in the same transaction.

        The same entry id, or the same request, answers with the entry that stands (I4). The future fails with
        `RequestConflict` (id or request used for something else), `AlreadyResolved` (with the void that stands),
        ValueError (the schema refuses the draft) or `LedgerUnwritable` (unknown: hand it in again, with the same id).
        Raises ValueError or TypeError at once for a body that is not integers and text.
        """
        slip = Slip(draft, encode_payload(draft), request, provisional)
        return self._writing.submit(lambda books: books.book(slip))

    def acknowledge(self, seq: int, digest: bytes, verdicts: Iterable[Verdict] = ()) -> Future[int]:
        """The club has everything up to ``seq``; resolves to the acknowledged seq, which never goes back. Fails with
        `LedgerForked` when ``digest`` is not this journal's hash there."""
        kept = tuple(verdicts)
        return self._writing.submit(lambda books: acknowledge(books, seq, digest, kept))

    def record_attempt(self, through_seq: int, *, reason: str, next_at: Instant) -> Future[None]:
        """Delivering up to ``through_seq`` failed, and is not to be tried before ``next_at`` (monotonic, this boot)."""
        return self._writing.submit(lambda books: record_attempt(books, through_seq, reason, next_at))

    def apply_deltas(self, page: DeltaPage) -> Future[int]:
        """Take in a page of the club's changes and its cursor; resolves to how many members changed."""
        return self._writing.submit(lambda books: apply_page(books, page))

    def clear_cursor(self) -> Future[None]:
        """The club answered 410: read its feed from the beginning; members stay known until that is through."""
        return self._writing.submit(begin_anew)

    # Reading

    def reader(self) -> Reader:
        """The calling thread's reader; cheap, keep none across threads."""
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = Reader(self.path)
            with self._readers_gate:
                self._readers.add(reader)
            self._local.reader = reader
        return reader

    def request(self, key: RequestKey) -> Entry | None:
        """What a request booked. Raises `RequestConflict` when its key was used for another request."""
        return self.reader().request(key)

    def wait_for_entries(self, after_seq: int, timeout_s: float | None = None) -> int:
        """Block until the head is above ``after_seq``, `wake_waiters` is called or time is up; returns the head."""
        with self._grown:
            wakes = self._wakes
            self._grown.wait_for(lambda: self._head_seq > after_seq or self._wakes != wakes, timeout_s)
            return self._head_seq

    def wake_waiters(self) -> None:
        """End every `wait_for_entries`, so that its thread can stop or look at something else."""
        with self._grown:
            self._wakes += 1
            self._grown.notify_all()

    def _start_writing(self, till_id: str | None, epoch: int | None) -> _Writing:
        try:
            return Writer(
                lambda: open_books(self.path, till_id, epoch, lambda: Uuid7Source()().hex()),
                make_room=self._ballast.release,
                on_commit=self._committed,
                at_rest=self._ballast.hold,
            )
        except NewerSchema as error:
            return _Refusing(str(error))

    def _committed(self, head_seq: int) -> None:
        with self._grown:
            if head_seq != self._head_seq:
                self._head_seq = head_seq
                self._grown.notify_all()
