"""Whether a signed request is of now, and new. Nothing here needs the till's clock to be right: whoever is refused for
its clock is told the club's time in a signed answer, and signs again."""

from __future__ import annotations

from collections import OrderedDict

from posd.clock import Clock, Instant
from posd.sync.signing import WINDOW_S, Stamp

MOST_NONCES = 100_000
_S = 1_000_000_000


class Freshness:
    """What was signed within the window, since this club runs. Lives in memory: a request of before the start is not
    taken, so none can be sent again after a restart either. Used on the event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.now()
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def is_of_now(self, stamp: Stamp) -> bool:
        """Within `WINDOW_S` of the club's clock, and not from before it started."""
        now = self._clock.now()
        now_s, started_ms = now.wall_ms // 1000, now.wall_ms - (now.mono_ns - self._started.mono_ns) // 1_000_000
        return max(now_s - WINDOW_S, started_ms // 1000) <= stamp.created <= now_s + WINDOW_S

    def is_new(self, stamp: Stamp) -> bool:
        """False for what was here before. To be asked only for keys that belong to a till, so no stranger can fill the
        memory."""
        now = self._clock.now()
        self._forget(now)
        one = (stamp.keyid, stamp.nonce)
        if one in self._seen:
            return False
        self._seen[one] = now.mono_ns
        return True

    def _forget(self, now: Instant) -> None:
        oldest_ns = now.mono_ns - 2 * WINDOW_S * _S
        while self._seen and (len(self._seen) >= MOST_NONCES or next(iter(self._seen.values())) < oldest_ns):
            self._seen.popitem(last=False)
