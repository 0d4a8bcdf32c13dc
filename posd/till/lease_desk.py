"""What the till does about leases beside its sales: ask for one when a member is there, give back what is not needed.

`ask_for` may be called from any thread; all else belongs to the till thread. See `docs/ledger.md`, "Spending while the
club is away".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from posd.clock import Clock
from posd.errors import LedgerError
from posd.ledger.entries import Draft
from posd.ledger.leases import Held, release_draft
from posd.ledger.members import Standing
from posd.till.lookup import LEASES_AT_ONCE, Lookup
from posd.till.quoting import member_view
from posd.till.states import Customer, Facts

log = logging.getLogger(__name__)

ASK_AGAIN_NS = 2_000_000_000
"""The same question is not asked more often: another till may be busy with that member."""
LOOK_AGAIN_NS = 60_000_000_000
REMEMBERED = 64


class LeaseDesk:
    """``book`` writes and waits for the disk; ``facts`` gives the present ones."""

    def __init__(
        self,
        lookup: Lookup,
        book: Callable[[Draft], object],
        facts: Callable[[], Facts],
        clock: Clock,
        new_id: Callable[[], bytes],
    ) -> None:
        self._lookup = lookup
        self._book = book
        self._facts = facts
        self._clock = clock
        self._new_id = new_id
        self._asked: dict[str, tuple[Standing, int]] = {}
        self._served: set[str] = set()
        self._looked_ns = clock.now().mono_ns
        self.keep_permille = 1000
        """The share of a balance that may stay here after the visit; the club says."""
        self.wish: Callable[[str], None] = lambda _member_id: None
        """Ask the club for this member; must not block."""

    def ask_for(self, customer: Customer) -> None:
        """This customer may want to spend more than the till holds; quickly, and without an answer."""
        facts, standing, now_ns = self._facts(), customer.standing, self._clock.now().mono_ns
        if not facts.online or (customer.card is not None and customer.card.earn_only):
            return
        view = member_view(customer, facts)
        known, at_ns = self._asked.get(customer.member_id, (None, 0))
        if all(view.usable[unit] >= amount for unit, amount in view.balances.items()) or (
            known == standing and now_ns - at_ns < ASK_AGAIN_NS
        ):
            return
        if len(self._asked) >= REMEMBERED:
            self._asked.clear()
        self._asked[customer.member_id] = standing, now_ns
        self.wish(customer.member_id)

    def served(self, member_id: str) -> None:
        """This member is or was at the counter; when he has left, not all of his lease stays."""
        self._served.add(member_id)

    def tidy(self, at_the_counter: Customer | None) -> bool:
        """Between two customers, after the screen was drawn. Whether something was booked."""
        present = None if at_the_counter is None else at_the_counter.member_id
        if at_the_counter is not None:
            self.served(at_the_counter.member_id)
            self.ask_for(at_the_counter)
        gone, self._served = self._served - {present}, self._served & {present}
        booked = self._give_back_due(present) if gone or self._is_time() else False
        if self._facts().online:
            for member_id in sorted(gone):
                booked |= self._give_back_excess(member_id)
        return booked

    def look_now(self) -> None:
        """The club may ask for leases."""
        self._looked_ns -= LOOK_AGAIN_NS

    def _is_time(self) -> bool:
        return self._clock.now().mono_ns - self._looked_ns >= LOOK_AGAIN_NS

    def _give_back_due(self, present: str | None) -> bool:
        """Old leases, and those that the club asks for, unless their member stands here."""
        now = self._clock.now()
        self._looked_ns = now.mono_ns
        due, booked = self._lookup.due_leases(now), False
        if len(due) == LEASES_AT_ONCE:
            self.look_now()
        for lease in due:
            if lease.member_id != present:
                booked |= self._release(lease.member_id, [lease.held], {})
        return booked

    def _give_back_excess(self, member_id: str) -> bool:
        standing = self._lookup.member(member_id)
        if standing is None:
            return False
        keep = {unit: amount * self.keep_permille // 1000 for unit, amount in standing.balances.items()}
        return self._release(member_id, standing.leases, keep)

    def _release(self, member_id: str, leases: Iterable[Held], keep: dict[str, int]) -> bool:
        draft = release_draft(self._new_id(), self._clock.now(), member_id, leases, keep)
        if draft is None:
            return False
        try:
            self._book(draft)
        except LedgerError:
            log.exception("a lease of member %s was not given back; it stays until the next time", member_id)
            return False
        return True
