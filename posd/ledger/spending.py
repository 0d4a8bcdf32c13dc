"""May anything be spent from this ledger? Not while it has a copy (`docs/sync.md`, "Restored, cloned, doubled")."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Spending(StrEnum):
    """Earning is never stopped."""

    FREE = "free"
    DOUBTED = "doubted"
    """The club has other entries of this till; it has not granted an epoch yet."""
    FROZEN = "frozen"
    """There is another copy of this ledger, and the owner has not said which one is the till."""


@dataclass(frozen=True, slots=True)
class EpochState:
    """``epoch``: under which the next entry is booked."""

    epoch: int
    spending: Spending

    @property
    def frozen(self) -> bool:
        return self.spending is not Spending.FREE
