"""How often somebody may guess. In memory: a restart forgives, but a code has 34 bits and lives a day."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable

MOST_CALLERS = 1000


class Throttle:
    """At most ``limit`` wrong guesses per caller within ``window_s``, by a clock in nanoseconds that never jumps."""

    def __init__(self, limit: int, window_s: int, clock_ns: Callable[[], int]) -> None:
        self._limit = limit
        self._window_ns = window_s * 1_000_000_000
        self._clock_ns = clock_ns
        self._wrong: OrderedDict[str, deque[int]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, caller: str) -> int:
        """Seconds until this caller may guess again; 0 = now."""
        with self._lock:
            wrong = self._recent(caller)
            if len(wrong) < self._limit:
                return 0
            return 1 + (wrong[0] + self._window_ns - self._clock_ns()) // 1_000_000_000

    def guessed_wrong(self, caller: str) -> None:
        with self._lock:
            wrong = self._recent(caller)
            wrong.append(self._clock_ns())
            self._wrong[caller] = wrong
            self._wrong.move_to_end(caller)
            while len(self._wrong) > MOST_CALLERS:
                self._wrong.popitem(last=False)

    def _recent(self, caller: str) -> deque[int]:
        wrong = self._wrong.get(caller, deque())
        while wrong and wrong[0] + self._window_ns <= self._clock_ns():
            wrong.popleft()
        return wrong
