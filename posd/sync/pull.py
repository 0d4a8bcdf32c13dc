"""Club to till: changes of members and programs, by long poll, so that the till knows within a second."""

from __future__ import annotations

from posd.clock import Clock, Instant
from posd.sync import policy
from posd.sync.client import ClubClient
from posd.sync.fork import ForkSettler, own_position
from posd.sync.link import LaneName
from posd.sync.outcomes import Delivered, Halt, Outcome, Reason, Retry, StartOver
from posd.sync.port import SyncPort

POLL_S = 25
"""Below the 30 s after which many routers and proxies forget a silent connection."""


class Pull:
    """The direction of changes. Used by its lane's thread; `close` by any."""

    name = LaneName.PULL

    def __init__(
        self, port: SyncPort, client: ClubClient, fork: ForkSettler, clock: Clock, poll_s: int = POLL_S
    ) -> None:
        self._port = port
        self._client = client
        self._fork = fork
        self._clock = clock
        self._poll_s = poll_s
        self.spread_s = 0
        self._in_contact = False
        self._breather_s = 0.0

    def attempt(self) -> Outcome:
        epoch, acked, cursor = self._port.epoch(), self._port.acked_head(), self._port.cursor()
        # Without contact the club is asked for an answer at once: that tells sooner that it is there.
        wait_s = self._poll_s if self._in_contact else 0
        started = self._clock.now()
        exchange = self._client.deltas(cursor, wait_s, epoch)
        outcome = policy.for_pull(policy.classify(exchange.answer), had_cursor=cursor is not None)
        page = exchange.value
        if isinstance(outcome, Halt) and outcome.reason is Reason.FORK:
            return self._forked(epoch)
        if isinstance(outcome, Delivered) and page is not None:
            posted = own_position(self._port, page.posted_seq, page.posted_hash) if page.posted_hash else acked
            if posted is None:
                return self._forked(epoch)
            self._port.apply_deltas(page)
            self.spread_s = page.spread_s
            if posted.seq < acked.seq and not page.more:
                # It had all this posted before it acknowledged it.
                self._port.lost_at_the_club(posted)
            took_s = (self._clock.now().mono_ns - started.mono_ns) / 1e9
            self._breather_s = policy.breather_s(took_s, wait_s, page.cursor == cursor)
            self._in_contact = not page.more
        elif isinstance(outcome, StartOver):
            self._port.begin_anew()
        return outcome

    def _forked(self, epoch: int) -> Outcome:
        """While entries wait, sending them finds out what the club has of them; so that lane settles it."""
        if not self._port.queue():
            return self._fork.settle(self._client, epoch)
        self._port.doubt()
        return Retry(Reason.FORK)

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
