"""A clock that a test turns by hand."""

from __future__ import annotations

from posd.clock import Instant

START_MS = 1_763_000_000_000


class FakeClock:
    """``wall_ms`` and ``mono_ns`` move apart only when the test says so."""

    def __init__(self, wall_ms: int = START_MS, boot: str = "b0" * 16) -> None:
        self.wall_ms = wall_ms
        self.mono_ns = 1_000_000_000
        self.boot = boot

    def now(self) -> Instant:
        return Instant(self.wall_ms, self.boot, self.mono_ns)

    def advance_ms(self, milliseconds: int) -> None:
        """Time passes."""
        self.wall_ms += milliseconds
        self.mono_ns += milliseconds * 1_000_000

    def step_wall_ms(self, milliseconds: int) -> None:
        """Somebody sets the wall clock; the machine's own clock does not care."""
        self.wall_ms += milliseconds
