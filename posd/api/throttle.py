"""A token bucket per caller (rule 10): a steady rate with room for bursts, and no clock but the machine's own."""

from __future__ import annotations

from posd.clock import Clock

_UNIT = 10**9
"""Buckets count billionths of a request, so that nanoseconds times rate need no division."""


class Throttle:
    """``rate_per_s`` requests a second for each name, up to ``burst`` at once. Event loop only."""

    def __init__(self, rate_per_s: int, burst: int, clock: Clock) -> None:
        self._rate = rate_per_s
        self._full = burst * _UNIT
        self._clock = clock
        self._buckets: dict[str, tuple[int, int]] = {}

    def admits(self, name: str) -> bool:
        """Take one request out of the bucket of ``name``; False when it is empty."""
        now = self._clock.now().mono_ns
        level, then = self._buckets.get(name, (self._full, now))
        level = min(self._full, level + (now - then) * self._rate)
        admitted = level >= _UNIT
        self._buckets[name] = (level - _UNIT if admitted else level, now)
        return admitted
