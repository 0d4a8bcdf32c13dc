"""Whether an entry may move a member's balances, or must wait for a person. Pure.

Nothing is refused here: the entry is stored whatever comes out. Parked entries are shown and never block the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from posd.club.reading import Reading
from posd.ledger.entries import Kind


@dataclass(frozen=True, slots=True)
class Facts:
    """What the club knows when it looks at an entry. ``key_owners``: card key → member, for those of the
    entry's keys that somebody has. ``sale_known``, ``sale_voided``: about the sale that a refund or void names."""

    booked_before: bool = False
    member_known: bool = False
    balances: Mapping[str, int] = field(default_factory=dict)
    key_owners: Mapping[str, str] = field(default_factory=dict)
    sale_known: bool = False
    sale_voided: bool = False
    person_readable: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` empty: posted. ``waits_for`` names what would let a parked entry be looked at again by itself.
    ``partly``: the entry is posted except for what ``reason`` names."""

    reason: str = ""
    waits_for: str = ""
    partly: bool = False

    @property
    def posts(self) -> bool:
        return self.partly or not self.reason


POSTED = Verdict()


def waits_for_member(member_id: str) -> str:
    return f"member:{member_id}"


def waits_for_sale(entry_id: str) -> str:
    return f"sale:{entry_id}"


def judge(reading: Reading, facts: Facts) -> Verdict:
    """Reasons: ``duplicate_entry``, ``member_exists``, ``key_taken``, ``person_unreadable``, ``unknown_member``,
    ``unknown_sale``, ``already_voided``, ``overdrawn`` (and ``unreadable``, which `posd.club.posting` gives)."""
    if facts.booked_before:
        return Verdict("duplicate_entry")
    if reading.kind is Kind.ENROL:
        return _enrol(reading, facts)
    if reading.member_id is not None and not facts.member_known:
        return Verdict("unknown_member", waits_for_member(reading.member_id))
    if reading.kind is Kind.LINK:
        return Verdict("key_taken") if _taken(reading, facts) else POSTED
    if reading.kind in {Kind.REFUND, Kind.VOID}:
        return _taking_back(reading, facts)
    return Verdict("overdrawn") if _overdraws(reading, facts.balances) else POSTED


def _overdraws(reading: Reading, balances: Mapping[str, int]) -> bool:
    """Whether a sale uses more than there is. What the same sale earns cannot pay for it."""
    spent = dict(reading.trade.spent) if reading.trade else {}
    for unit, amount in reading.moves.items():
        spent[unit] = max(spent.get(unit, 0), -amount)
    return any(amount > max(balances.get(unit, 0), 0) for unit, amount in spent.items() if amount > 0)


def _enrol(reading: Reading, facts: Facts) -> Verdict:
    """A person who joined at two tills that could not see each other keeps both memberships and their sales; the card
    or phone stays with the first one until somebody merges them."""
    if facts.member_known:
        return Verdict("member_exists")
    if _taken(reading, facts):
        return Verdict("key_taken", partly=True)
    return POSTED if facts.person_readable else Verdict("person_unreadable", partly=True)


def _taken(reading: Reading, facts: Facts) -> bool:
    return any(owner != reading.member_id for owner in facts.key_owners.values())


def _taking_back(reading: Reading, facts: Facts) -> Verdict:
    """Refunds and voids may take a balance below zero: the goods are back already. But what was never given is not
    taken back: a sale that is parked or unknown makes them wait for it."""
    if not facts.sale_known:
        return Verdict("unknown_sale", waits_for_sale(reading.ref or ""))
    if facts.sale_voided:
        return Verdict("already_voided")
    return POSTED
