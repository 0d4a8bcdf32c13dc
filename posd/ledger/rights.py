"""I6 reckoned from the legs alone: nothing is taken out of a lease that was not put in."""

from __future__ import annotations

from posd.ledger.accounts import lease_of
from posd.ledger.chain import Broken
from posd.ledger.entries import Draft, Kind
from posd.ledger.totals import Balances


class Rights:
    """The rests of all leases while a journal is read; ``opening`` is what accounts held before its first entry."""

    def __init__(self, opening: Balances) -> None:
        found = (((lease_of(account), unit), amount) for (account, unit), amount in opening.items())
        self.rests = {(lease, unit): amount for (lease, unit), amount in found if lease is not None and amount}
        """(lease, unit) → rest; those that hold nothing are left out."""

    def follow(self, seq: int, draft: Draft) -> None:
        """Raises `Broken`."""
        for leg in draft.legs:
            lease_id = lease_of(leg.account)
            if lease_id is None:
                continue
            if leg.amount > 0 and (draft.kind is not Kind.LEASE or lease_id != draft.entry_id.hex()):
                raise Broken(seq, "I6", f"fills lease {lease_id}, which it does not grant")
            rest = self.rests.get((lease_id, leg.unit), 0) + leg.amount
            if rest < 0:
                raise Broken(seq, "I6", f"takes {-rest} {leg.unit} more out of lease {lease_id} than it held")
            self.rests[lease_id, leg.unit] = rest
            if not rest:
                del self.rests[lease_id, leg.unit]
