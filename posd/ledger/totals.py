"""What a journal adds up to: the figures of a day close and of a checkpoint, from figures alone.

A close states of the entries since the close before it how many there were of each kind and what they moved, and what
has been moved in all time. Sums of single members are put together (`posd.ledger.accounts.group_of`). A checkpoint
states what every account holds, as sums and as a digest over all accounts, so that a journal which begins there can be
checked without the entries before it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from posd.ledger.accounts import group_of
from posd.ledger.entries import Draft, Head

Balances = dict[tuple[str, str], int]
"""(account, unit) → amount."""


@dataclass(slots=True)
class Period:
    """The entries ``first``…``last`` (none yet when ``last`` is below): how many of each kind, and what they moved on
    each account."""

    first: int
    last: int
    entries: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(kind, account, unit) → amount."""

    def add(self, seq: int, draft: Draft) -> None:
        """The next entry."""
        kind = draft.kind.value
        self.last = seq
        self.entries[kind] += 1
        for leg in draft.legs:
            self.moves[kind, leg.account, leg.unit] += leg.amount

    def plus(self, later: Period) -> Period:
        """Both as one; ``later`` follows."""
        moves = self.moves.copy()
        moves.update(later.moves)
        return Period(self.first, later.last, self.entries + later.entries, moves)

    def carry_into(self, balances: Balances) -> None:
        for (_kind, account, unit), amount in self.moves.items():
            balances[account, unit] = balances.get((account, unit), 0) + amount


def close_body(period: Period, last_hash: bytes, perpetual: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Body of a close. ``perpetual``: `summary` of everything up to its end."""
    totals: dict[str, Any] = {}
    for kind in sorted(period.entries):
        moved = (((account, unit), amount) for (of, account, unit), amount in period.moves.items() if of == kind)
        totals[kind] = summary(moved)
    return {
        "first": period.first,
        "last": period.last,
        "hash": last_hash.hex(),
        "entries": dict(sorted(period.entries.items())),
        "totals": totals,
        "perpetual": perpetual,
    }


def checkpoint_body(through: Head, balances: Balances) -> dict[str, Any]:
    """Body of a checkpoint. ``through``: the entry up to which the file may be cut; ``balances``: before this entry."""
    return {
        "through": {"epoch": through.epoch, "seq": through.seq, "hash": through.hash.hex()},
        "balances": summary(balances.items()),
        "accounts_sha256": accounts_digest(balances),
    }


def summary(amounts: Iterable[tuple[tuple[str, str], int]]) -> dict[str, dict[str, int]]:
    """Unit → group of accounts → sum; what comes to nothing is left out."""
    sums: Counter[tuple[str, str]] = Counter()
    for (account, unit), amount in amounts:
        sums[unit, group_of(account)] += amount
    units: dict[str, dict[str, int]] = {}
    for (unit, group), amount in sorted(sums.items()):
        if amount:
            units.setdefault(unit, {})[group] = amount
    return units


def accounts_digest(balances: Balances) -> str:
    """SHA-256 over a line ``account TAB unit TAB amount`` for each account that holds something, in order. (Names are
    printable, so no tab is in one.)"""
    digest = hashlib.sha256()
    for (account, unit), amount in sorted(balances.items()):
        if amount:
            digest.update(f"{account}\t{unit}\t{amount}\n".encode())
    return digest.hexdigest()
