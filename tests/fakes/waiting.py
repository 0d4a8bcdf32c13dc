"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_PAUSE = threading.Event()


def eventually(condition: Callable[[], object], within_s: float = 10.0) -> float:
    """Seconds until ``condition`` held; AssertionError when it did not in time."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within_s, f"not within {within_s} s"
        _PAUSE.wait(0.005)
    return time.monotonic() - started


def stays(condition: Callable[[], object], for_s: float) -> bool:
    """True when ``condition`` held all the time."""
    started = time.monotonic()
    while time.monotonic() - started < for_s:
        if not condition():
            return False
        _PAUSE.wait(0.005)
    return True
