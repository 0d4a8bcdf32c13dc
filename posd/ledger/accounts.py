"""Names of accounts. A sale never takes a member's account below zero; goods that come back may."""

from __future__ import annotations

ISSUED = "club:issued"
"""Counter-account of everything that members earn."""
REDEEMED = "club:redeemed"
"""Counter-account of everything that members spend."""
TURNOVER = "shop:turnover"
"""Goods handed over, at full price (negative: the shop gave them)."""
TENDER = "shop:tender"
"""Money that the customer pays."""
REWARDS = "club:rewards"
"""Money that the customer does not pay because of points, credit or a discount."""

LEASED = "club:leased"
"""Counter-account of every lease: what the club has set apart."""

_MEMBER = "member:"
_HOUSE = frozenset({"club", "shop"})
_LEASE = "lease:"


def member_account(member_id: str) -> str:
    """``member_account("0197…")`` is where a member's points and credit stand, each in its own unit."""
    return _MEMBER + member_id


def group_of(account: str) -> str:
    """The line of a statement that an account belongs to: the shop's and the club's own stand alone, those with an id
    (members' and others) share one line, ``member:*``."""
    owner, colon, _ = account.partition(":")
    return account if owner in _HOUSE else owner + colon + "*"


def member_of(account: str) -> str | None:
    """The member whose account it is, or None."""
    return account[len(_MEMBER) :] if account.startswith(_MEMBER) else None


def lease_account(lease_id: str) -> str:
    """Where the rest of a lease stands: what this till may still spend of it."""
    return _LEASE + lease_id


def lease_of(account: str) -> str | None:
    """The lease whose account it is, or None."""
    return account[len(_LEASE) :] if account.startswith(_LEASE) else None
