"""The writer: the one connection that may write, and one who writes at a time, for all who wait (group commit).

Whoever hands something in while nobody writes, writes it himself, and whatever others hand in until then: a lone sale
is on disk without waking another thread twice. What comes while somebody writes is done by the writer's own thread,
many in one transaction; that thread also moves the log into the file at rest and heals the ledger.

A COMMIT that raised is unknown, never "failed": its frames may be in the log and come back at the next start. So the
connection is given up, opened anew, and the same jobs are done again: an entry that is there after all is found by its
id. When that fails too the ledger is in *fault*: every future says so, and each later job tries anew.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from posd.errors import LedgerError, LedgerUnwritable, PosdError
from posd.ledger.books import Books
from posd.ledger.trouble import advice, is_full, speaks_of_the_draft

T = TypeVar("T")

BATCH = 64
"""Jobs that share one transaction at most."""
IDLE_S = 0.25
"""Quiet time after which the log is moved into the file; no customer waits then."""
HEAL_S = 2.0
"""How often a ledger in fault is tried when nobody asks."""
CHECKPOINT_JOBS = 128
"""About 1000 pages of log: a sale touches seven or eight."""

Answer = tuple[Any, Exception | None]


@dataclass(slots=True)
class Job(Generic[T]):
    """Work inside the writer's transaction; ``future`` resolves only when its outcome is on disk. Work may be done
    twice (see above), so it must come to the same."""

    work: Callable[[Books], T]
    future: Future[T] = field(default_factory=Future)


class Writer:
    """``open_books`` makes a checked connection for the calling thread; ``make_room`` frees what is held back for a
    full disk; ``on_commit`` hears the head's seq; ``at_rest`` is called when there is time."""

    def __init__(
        self,
        open_books: Callable[[], Books],
        *,
        make_room: Callable[[], object],
        on_commit: Callable[[int], None],
        at_rest: Callable[[], object],
    ) -> None:
        """Returns when the ledger is open. Raises what ``open_books`` raises."""
        self.fault: str | None = None
        self._open_books = open_books
        self._make_room = make_room
        self._on_commit = on_commit
        self._at_rest = at_rest
        self._jobs: SimpleQueue[Job[Any]] = SimpleQueue()
        self._gate = threading.Lock()
        self._turn = threading.Lock()
        """Held by the one who writes; all below is his."""
        self._called = threading.Event()
        self._closed = False
        self._unsettled = 0
        self._served = 0
        self._dozes = False
        self._books: Books | None = open_books()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Books], T]) -> Future[T]:
        """Thread-safe. May take as long as a commit: the caller writes when nobody else does."""
        job = Job(work)
        with self._gate:
            if self._closed:
                job.future.set_exception(LedgerUnwritable("the ledger is closed; start posd again"))
                return job.future
            self._jobs.put(job)
        if self._turn.acquire(blocking=False):
            try:
                self._serve_those_who_wait()
                wanted = self._dozes or self._unsettled >= CHECKPOINT_JOBS
            finally:
                self._turn.release()
            # Whoever lets the turn go looks once more, so that nothing which is handed in is forgotten.
            if wanted or not self._jobs.empty():
                self._called.set()
        return job.future

    def close(self) -> None:
        """Finish what was submitted, move the log into the file, give the connection back. May be called twice."""
        with self._gate:
            self._closed = True
        self._called.set()
        self._thread.join()

    def _waiting(self) -> list[Job[Any]]:
        """All that wait, up to a batch."""
        jobs: list[Job[Any]] = []
        while len(jobs) < BATCH:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job.future.set_running_or_notify_cancel():
                jobs.append(job)
        return jobs

    # The writer's own thread

    def _run(self) -> None:
        try:
            while not (self._closed and self._jobs.empty()):
                self._wait_to_be_called()
                with self._turn:
                    self._serve_those_who_wait()
                    if self._unsettled >= CHECKPOINT_JOBS:
                        self._checkpoint()
        finally:
            with self._turn:
                self._finish()

    def _wait_to_be_called(self) -> None:
        """Until there is something to do; when nothing came for a while, that is to rest."""
        with self._turn:
            patience_s, served = self._patience_s(), self._served
            self._dozes = patience_s is None
        called = not self._jobs.empty() or self._called.wait(patience_s)
        self._called.clear()
        with self._turn:
            self._dozes = False
            if not called and served == self._served and not self._closed:
                self._rest()

    def _patience_s(self) -> float | None:
        if self.fault is not None:
            return HEAL_S
        return IDLE_S if self._unsettled else None

    def _serve_those_who_wait(self) -> None:
        jobs = self._waiting()
        if jobs:
            self._served += 1
            self._serve(jobs)

    def _serve(self, jobs: list[Job[Any]]) -> None:
        try:
            answers = self._commit_or_reopen(jobs)
            self._unsettled += len(jobs)
            if self._books is not None:
                self._on_commit(self._books.head.seq)
            # Last, so that whoever waits finds this thread asleep: both need the interpreter's lock.
            for job, (value, error) in zip(jobs, answers, strict=True):
                if error is None:
                    job.future.set_result(value)
                else:
                    job.future.set_exception(error)
        finally:  # whatever happens, nobody waits for ever
            for job in jobs:
                if not job.future.done():
                    job.future.set_exception(LedgerUnwritable("the ledger's writer stopped; start posd again"))

    def _commit_or_reopen(self, jobs: list[Job[Any]]) -> list[Answer]:
        answers = self._commit(jobs)
        if isinstance(answers, Exception):
            if is_full(answers):
                self._make_room()
            answers = self._commit(jobs)
        if not isinstance(answers, Exception):
            self.fault = None
            return answers
        self.fault = advice(answers)
        told = f"{self.fault}. Whether this was booked shows when the ledger is well again; hand it in with the same id"
        return [(None, LedgerUnwritable(told)) for _ in jobs]

    def _commit(self, jobs: list[Job[Any]]) -> list[Answer] | sqlite3.Error | LedgerError:
        try:
            if self._books is None:
                self._books = self._open_books()
            books = self._books
            books.db.conn.execute("begin immediate")
            answers = [_answer(job, books) for job in jobs]
            books.db.conn.execute("commit")
        except (sqlite3.Error, LedgerError) as error:
            self._give_up_connection()  # which rolls back what was not committed
            return error
        return answers

    def _give_up_connection(self) -> None:
        """What a connection knew before an error of the disk is not to be trusted."""
        if self._books is not None:
            self._books.db.close()
            self._books = None

    def _rest(self) -> None:
        if self.fault is not None:
            self._commit_or_reopen([Job(Books.touch)])
        else:
            self._checkpoint()
            self._at_rest()

    def _checkpoint(self, mode: str = "passive") -> None:
        self._unsettled = 0
        if self._books is None:
            return
        try:
            self._books.db.execute(f"pragma wal_checkpoint({mode})")
        except sqlite3.Error as error:
            self._give_up_connection()
            self.fault = advice(error)

    def _finish(self) -> None:
        with self._gate:
            self._closed = True
        self._checkpoint("truncate")
        self._give_up_connection()
        for job in self._waiting():
            job.future.set_exception(LedgerUnwritable("the ledger is closed; start posd again"))


def _answer(job: Job[Any], books: Books) -> Answer:
    """What became of one job; raises only what concerns the whole ledger."""
    try:
        return job.work(books), None
    except sqlite3.Error as error:
        if not speaks_of_the_draft(error):
            raise
        return None, ValueError(f"the ledger cannot hold this: {error}")
    except (PosdError, ValueError, TypeError, OverflowError) as error:
        return None, error
