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

_MEMBER = "member:"


def member_account(member_id: str) -> str:
    """``member_account("0197…")`` is where a member's points and credit stand, each in its own unit."""
    return _MEMBER + member_id


def member_of(account: str) -> str | None:
    """The member whose account it is, or None."""
    return account[len(_MEMBER) :] if account.startswith(_MEMBER) else None
