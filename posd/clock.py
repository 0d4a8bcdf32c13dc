"""Time as data. An instant says what the wall clock and the machine's own monotonic clock said; neither decides.

The real clock lives in `posd.machine`; tests use `tests.fakes.clock.FakeClock`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """``wall_ms``: Unix milliseconds, may jump. ``boot``: which boot of the machine ``mono_ns`` belongs to (16 bytes,
    hex). ``mono_ns``: nanoseconds since that boot, never goes back."""

    wall_ms: int
    boot: str
    mono_ns: int


class Clock(Protocol):
    def now(self) -> Instant: ...
