"""Club to till: changes of members and programs, by long poll, so that the till knows within a second."""

from __future__ import annotations

from posd.clock import Clock, Instant
from posd.sync import policy
from posd.sync.client import ClubClient
from posd.sync.link import LaneName
from posd.sync.outcomes import Delivered, Outcome, Reason, StartOver
from posd.sync.port import SyncPort

POLL_S = 25
"""Below the 30 s after which many routers and proxies forget a silent connection."""


class Pull:
    """The direction of changes. Used by its lane's thread; `close` by any."""

    name = LaneName.PULL

    def __init__(self, port: SyncPort, client: ClubClient, clock: Clock, poll_s: int = POLL_S) -> None:
        self._port = port
        self._client = client
        self._clock = clock
        self._poll_s = poll_s
        self._in_contact = False
        self._breather_s = 0.0

    def attempt(self) -> Outcome:
        cursor = self._port.cursor()
        # Without contact the club is asked for an answer at once: that tells sooner that it is there.
        wait_s = self._poll_s if self._in_contact else 0
        started = self._clock.now()
        exchange = self._client.deltas(cursor, wait_s)
        outcome = policy.for_pull(policy.classify(exchange.answer), had_cursor=cursor is not None)
        page = exchange.value
        if isinstance(outcome, Delivered) and page is not None:
            self._port.apply_deltas(page)
            took_s = (self._clock.now().mono_ns - started.mono_ns) / 1e9
            self._breather_s = policy.breather_s(took_s, wait_s, page.cursor == cursor)
            self._in_contact = not page.more
        elif isinstance(outcome, StartOver):
            self._port.begin_anew()
        return outcome

    def settle(self, outcome: Outcome, failures: int) -> None:
        del failures  # a pull sends nothing whose size could be learnt
        self._in_contact = self._in_contact and isinstance(outcome, Delivered)

    def breather_s(self) -> float:
        return self._breather_s

    def recall(self) -> policy.Attempts:
        """A question harms nobody, so a restart may ask at once; nothing is kept."""
        return policy.Attempts()

    def remember(self, reason: Reason, next_at: Instant) -> None:
        del reason, next_at

    def close(self) -> None:
        self._client.close()
