"""What a caller may do. A token carries scopes; every operation of the API names the ones that open it."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    READ_SCANS = "read:scans"
    """See which cards are read."""
    ACCRUE = "tx:accrue"
    """Look members up, quote, and book sales that earn."""
    REDEEM = "tx:redeem"
    """Move what a member already owns: redeem, refund, void; present a card to the simulated reader."""
    ADMIN = "admin"
    """Tokens of others, health checks."""
    SYNC = "sync"
    """The port of posd-sync; Unix socket only."""
    PAGE = "page"
    """The cashier page: the view and its actions; sessions and the Unix socket only."""


GRANTABLE = frozenset({Scope.READ_SCANS, Scope.ACCRUE, Scope.REDEEM, Scope.ADMIN})
"""What a token can carry."""

REGISTER = frozenset({Scope.READ_SCANS, Scope.ACCRUE, Scope.REDEEM})
"""What register software gets when nobody says otherwise, by pairing or as a client of the Unix socket."""

CASHIER_PAGE = frozenset({Scope.PAGE, Scope.ACCRUE, Scope.REDEEM})

EVERYTHING = frozenset(Scope)
"""For root and for the user that posd itself runs as, over the Unix socket."""
