"""What every driver must do, as tests. A driver's test class inherits `DriverContract` and gives a fixture ``rig``:

    class TestMyDriver(DriverContract):
        @pytest.fixture
        def rig(self) -> Iterator[Rig]: ...

The rig is the device in the hand of the test: it is told to send, to make noise, to disappear and to come back. Needs
pytest; nothing else of posd imports this.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from posd.drivers.base import Driver
from posd.errors import DeviceLost, PosdError, ReadCancelled
from posd.events import RawRead

PATIENCE_S = 5.0
CANCEL_S = 0.2


class Rig(ABC):
    """A device for the contract. ``reads`` are the payloads it can send; ``pieces(n)`` is how the n-th goes over the
    wire, in the smallest parts that can be sent one by one (a byte, a key event, a card as a whole)."""

    reads: Sequence[bytes]
    losses: int = 8
    splits: int = 1000
    """At how many positions within a read the device is taken away, or a pause is made; all when there are fewer."""

    @abstractmethod
    def open(self) -> Driver: ...

    @abstractmethod
    def pieces(self, n: int) -> Sequence[Any]: ...

    @abstractmethod
    def send(self, pieces: Sequence[Any]) -> None:
        """Send these parts, in one go."""

    @abstractmethod
    def settle(self) -> None:
        """Return when the driver has taken what was sent."""

    @abstractmethod
    def noise(self) -> None:
        """Something that is no read and must not spoil the next one; returns when it is over."""

    @abstractmethod
    def lose(self) -> None:
        """Pull the plug."""

    @abstractmethod
    def restore(self) -> None:
        """Put the plug back; nothing of what was half sent is left."""

    def rest(self) -> None:  # noqa: B027  # most devices have no threads of their own
        """Return when the device itself does nothing any more."""

    def ready(self) -> None:  # noqa: B027  # most devices read as soon as they are open
        """Return when an opened driver takes input."""


class Session:
    """A driver opened, read and closed on one thread, as the supervisor does it."""

    def __init__(self, rig: Rig, wanted: Callable[[], Driver] | None = None) -> None:
        self._open = wanted or rig.open
        self._opened: SimpleQueue[Driver | PosdError] = SimpleQueue()
        self._results: SimpleQueue[RawRead | PosdError] = SimpleQueue()
        self._close = threading.Event()
        self._thread = threading.Thread(target=self._run, name="session")
        self._thread.start()
        opened = self._opened.get(timeout=PATIENCE_S)
        if isinstance(opened, PosdError):
            self._thread.join()
            raise opened
        self.driver = opened
        rig.ready()

    def _run(self) -> None:
        try:
            driver = self._open()
        except PosdError as error:
            self._opened.put(error)
            return
        self._opened.put(driver)
        try:
            while not self._close.is_set():
                self._results.put(driver.read())
        except PosdError as error:
            self._results.put(error)
        finally:
            driver.close()
            driver.close()

    def next(self, within_s: float = PATIENCE_S) -> RawRead:
        """The next read; raises what `read` raised."""
        try:
            result = self._results.get(timeout=within_s)
        except Empty:
            pytest.fail(f"nothing was read within {within_s} s")
        if isinstance(result, PosdError):
            raise result
        return result

    def next_good(self) -> RawRead:
        """The next read without a flaw: noise may be reported, it may not be taken for a card."""
        while (read := self.next()).flaw is not None:
            assert read.payload == b""
        return read

    def good_until_lost(self) -> set[bytes]:
        """What is still read until `DeviceLost`."""
        good: set[bytes] = set()
        with pytest.raises(DeviceLost):
            while True:
                good.add(self.next_good().payload)
        return good

    def silent(self, for_s: float = 0.3) -> bool:
        try:
            self._results.get(timeout=for_s)
        except Empty:
            return True
        return False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._close.set()
        self.driver.cancel()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "cancel() did not end read()"


def open_files() -> int:
    """How many files this process has open, without those that only wait for the collector."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # counted, not used as paths


def eventually(condition: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait for ``condition``; fail with ``what`` did not happen."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not happen within {within_s} s")
        time.sleep(0.002)


def spread(count: int, most: int) -> list[int]:
    """``most`` positions out of ``range(count)``, evenly, with both ends."""
    if count <= most:
        return list(range(count))
    return sorted({round(step * (count - 1) / (most - 1)) for step in range(most)})


class DriverContract:
    """See the module. Devices whose reads arrive in parts inherit `StreamContract`."""

    def test_it_reads_what_was_sent(self, rig: Rig) -> None:
        with Session(rig) as session:
            for number, payload in enumerate(rig.reads):
                rig.send(rig.pieces(number))
                read = session.next()
                assert (read.payload, read.flaw) == (payload, None)

    def test_noise_before_a_read_does_not_spoil_it(self, rig: Rig) -> None:
        with Session(rig) as session:
            rig.noise()
            rig.send(rig.pieces(0))
            assert session.next_good().payload == rig.reads[0]

    def test_a_lost_device_says_so_wherever_it_goes(self, rig: Rig) -> None:
        pieces = rig.pieces(0)
        for position in spread(len(pieces), rig.losses):
            with Session(rig) as session:
                rig.send(pieces[:position])
                rig.settle()
                rig.lose()
                assert session.good_until_lost() <= {rig.reads[0]}, f"lost at {position}"
            rig.restore()
        with Session(rig) as session:
            rig.send(pieces)
            assert session.next().payload == rig.reads[0], "nothing of the half reads is left"

    def test_cancel_ends_a_blocked_read_at_once(self, rig: Rig) -> None:
        with Session(rig) as session:
            assert session.silent(0.05)
            began = time.monotonic()
            session.driver.cancel()
            with pytest.raises(ReadCancelled):
                session.next()
            assert time.monotonic() - began < CANCEL_S

    def test_cancel_before_read_is_not_lost(self, rig: Rig) -> None:
        driver = rig.open()
        try:
            driver.cancel()
            driver.cancel()
            with pytest.raises(ReadCancelled):
                driver.read()
        finally:
            driver.close()

    def test_close_and_cancel_may_come_late_and_twice(self, rig: Rig) -> None:
        driver = rig.open()
        driver.close()
        driver.close()
        driver.cancel()

    def test_it_leaves_no_thread_and_no_file_open(self, rig: Rig) -> None:
        def one_life() -> None:
            with Session(rig) as session:
                rig.send(rig.pieces(0))
                session.next()

        one_life()  # what a library opens once stays
        rig.rest()
        threads, files = set(threading.enumerate()), open_files()
        for _ in range(3):
            one_life()
        rig.rest()
        assert set(threading.enumerate()) <= threads
        eventually(lambda: open_files() <= files, "closing every file")

    def test_it_logs_no_card_in_clear(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.NOTSET), Session(rig) as session:
            rig.send(rig.pieces(0))
            read = session.next()
            rig.lose()
            with pytest.raises(DeviceLost):
                session.next_good()
        rig.restore()
        secrets = re.findall(rb"[0-9]{5,}", rig.reads[0]) or [rig.reads[0]]
        for secret in secrets:
            for shown in (secret.decode("latin-1"), secret.hex(), secret.hex(" ")):
                assert shown not in caplog.text
                assert shown not in repr(read)


class StreamContract(DriverContract):
    """For devices that send a read piece by piece: a read may pause anywhere."""

    def test_a_read_may_come_in_two_parts(self, rig: Rig) -> None:
        pieces = rig.pieces(0)
        with Session(rig) as session:
            for position in spread(len(pieces), rig.splits)[1:]:
                rig.send(pieces[:position])
                rig.settle()
                rig.send(pieces[position:])
                assert session.next().payload == rig.reads[0], f"split at {position}"
