"""The writer: one thread that owns the only connection which may write, and commits for all who wait (group commit).

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
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._last = False
        self._unsettled = 0
        self._books: Books | None = None
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="ledger-writer", daemon=True)
        self._thread.start()
        opened.result()

    def submit(self, work: Callable[[Books], T]) -> Future[T]:
        """Thread-safe; never blocks."""
        job = Job(work)
        with self._gate:
            if self._closed:
                job.future.set_exception(LedgerUnwritable("the ledger is closed; start posd again"))
            else:
                self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what was submitted, move the log into the file, give the connection back. May be called twice."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    # The writer's thread

    def _run(self, opened: Future[None]) -> None:
        try:
            self._books = self._open_books()
        except LedgerError as error:
            self._closed = True
            opened.set_exception(error)
            return
        opened.set_result(None)
        try:
            while not self._last:
                self._serve(self._next_jobs())
        finally:
            self._finish()

    def _next_jobs(self) -> list[Job[Any]]:
        """All that wait, up to a batch; none after a while of rest."""
        jobs: list[Job[Any]] = []
        try:
            job = self._jobs.get(timeout=self._patience_s())
        except Empty:
            return jobs
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                jobs.append(job)
            if len(jobs) == BATCH or self._jobs.empty():
                return jobs
            job = self._jobs.get()
        self._last = True
        return jobs

    def _patience_s(self) -> float | None:
        if self.fault is not None:
            return HEAL_S
        return IDLE_S if self._unsettled else None

    def _serve(self, jobs: list[Job[Any]]) -> None:
        if not jobs:
            self._rest()
            return
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
        if self._unsettled >= CHECKPOINT_JOBS:
            self._checkpoint()

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
        if self._last:
            return
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
        while not self._jobs.empty():
            job = self._jobs.get_nowait()
            if job is not None and job.future.set_running_or_notify_cancel():
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
