"""Block on file descriptors until one is readable, a time is over or another thread says stop."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Sequence

from posd.errors import ReadCancelled


class Waker:
    """A wait that another thread can end. Once woken it stays awake: a `wake` before the wait is not lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def wait(self, fds: Sequence[int], timeout_ns: int | None = None) -> list[int]:
        """Those of ``fds`` that are readable or gone; none when ``timeout_ns`` is over. Raises `ReadCancelled`."""
        poll = select.poll()
        for fd in (self._fd, *fds):
            poll.register(fd, select.POLLIN)
        # Rounded up, so that a deadline has passed when the wait for it ends.
        timeout_ms = None if timeout_ns is None else max(0, -(-timeout_ns // 1_000_000))
        ready = [fd for fd, _ in poll.poll(timeout_ms)]
        if self._fd in ready:
            raise ReadCancelled("reading was stopped")
        return ready

    def wake(self) -> None:
        """End the wait, now and for ever; any thread, any number of times, also after `close`."""
        with self._lock:
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)

    def close(self) -> None:
        with self._lock:  # a number given back to the kernel may soon be another file's
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
