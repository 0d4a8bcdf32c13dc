"""What a till knows about members and programs: a cache of the club's truth plus the till's own unacknowledged legs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member as the club last told it. No card number, no phone number in clear: only keys and a mask.

    ``keys``: hex of `posd.cards.identity.card_key` for each card and for the phone. ``balances``: unit → integer at
    the club when it answered. ``version`` rises with each change at the club; an older version never overwrites.
    """

    member_id: str
    name: str
    phone_mask: str
    tier: str | None
    balances: Mapping[str, int]
    keys: tuple[str, ...]
    version: int
    progress: Mapping[str, int] = field(default_factory=dict)
    """Tier qualification: minor amounts counted in the running window, by unit, as the club reckons it."""
    state: str = "active"
    """active | suspended | erased"""


@dataclass(frozen=True, slots=True)
class DeltaPage:
    """One page of the club's change feed, applied with its cursor in one transaction.

    ``posted_seq``: how far this till's own journal was posted when the page was made; own legs above it are added to
    the balances that are shown.
    """

    cursor: str
    posted_seq: int
    members: tuple[MemberRow, ...] = ()
    programs: tuple[Mapping[str, Any], ...] | None = None
    """The whole set of programs in force when it changed, else None."""
    more: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A member as the cashier sees him: the club's balance at the cursor plus own legs that are not in it yet."""

    row: MemberRow
    balances: Mapping[str, int]
