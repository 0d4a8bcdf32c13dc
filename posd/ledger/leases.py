"""Leases: parts of a member's balance that the club has set apart for one till. What is spent comes out of one.

A lease is known by its id, which is also the id of the entry that takes it up. Pure; see `docs/ledger.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from posd.clock import Instant
from posd.ledger.accounts import LEASED, lease_account, lease_of
from posd.ledger.entries import Draft, Kind, Leg

LONGEST_MS = 72 * 3600 * 1000
"""How long a lease is used. Then the till gives it back; nobody else may."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What the club granted. ``lease_id``: 32 hex digits; ``amounts``: unit → how much, each above zero."""

    lease_id: str
    member_id: str
    amounts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Held:
    """What is left of a lease at this till; a unit that is used up is not in ``rests``."""

    lease_id: str
    rests: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OpenLease:
    """A lease with what decides about it. ``taken_at``, ``incarnation``: when this till took it up, and which it was
    then; ``recalled``: the club asks for it."""

    member_id: str
    held: Held
    taken_at: Instant
    incarnation: str
    recalled: bool = False

    def is_due(self, now: Instant) -> bool:
        """Whether it is to be given back. In the boot that took it the monotonic clock decides alone; over a restart
        the wall clock has to. No promise hangs on it: a lease that is used too long is still no more than it was."""
        return self.recalled or _age_ms(self.taken_at, now) >= LONGEST_MS


def _age_ms(since: Instant, now: Instant) -> int:
    if since.boot == now.boot:
        return (now.mono_ns - since.mono_ns) // 1_000_000
    return abs(now.wall_ms - since.wall_ms)


def rights(leases: Iterable[Held]) -> dict[str, int]:
    """Unit → how much may be spent of all of them."""
    totals: dict[str, int] = {}
    for held in leases:
        for unit, rest in held.rests.items():
            totals[unit] = totals.get(unit, 0) + rest
    return totals


def drawn(leases: Iterable[Held], wanted: Mapping[str, int]) -> tuple[Leg, ...]:
    """The legs that take ``wanted`` (unit → amount) out of the leases, oldest first, as far as they hold it."""
    left, legs = dict(wanted), list[Leg]()
    for held in leases:
        for unit, rest in sorted(held.rests.items()):
            amount = min(rest, left.get(unit, 0))
            if amount > 0:
                left[unit] -= amount
                legs += [Leg(lease_account(held.lease_id), unit, -amount), Leg(LEASED, unit, amount)]
    return tuple(legs)


def of_leases(leg: Leg) -> bool:
    """Whether the leg only says what becomes of a lease; no balance moves by it."""
    return leg.account == LEASED or lease_of(leg.account) is not None


def lease_draft(lease: Lease, at: Instant, incarnation: str) -> Draft:
    """Take the lease up. ``incarnation``: the till's, as `posd.ledger.mark` knows it. Raises ValueError for a lease of
    nothing."""
    legs = list[Leg]()
    for unit, amount in sorted(lease.amounts.items()):
        if amount <= 0:
            raise ValueError(f"a lease of {amount} {unit} is none")
        legs += [Leg(lease_account(lease.lease_id), unit, amount), Leg(LEASED, unit, -amount)]
    return Draft(
        bytes.fromhex(lease.lease_id), Kind.LEASE, at, lease.member_id, tuple(legs), {"incarnation": incarnation}
    )


def release_draft(
    entry_id: bytes, at: Instant, member_id: str, leases: Iterable[Held], keep: Mapping[str, int] | None = None
) -> Draft | None:
    """Give back all but ``keep`` (unit → amount); the newest leases go first. None when that is nothing."""
    newest_first = tuple(reversed(tuple(leases)))
    excess = {unit: held - (keep or {}).get(unit, 0) for unit, held in rights(newest_first).items()}
    legs = drawn(newest_first, excess)
    return Draft(entry_id, Kind.RELEASE, at, member_id, legs, {}) if legs else None
