"""What the till reads from its ledger and keeps secret for its members; used on the till thread only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from posd.cards.identity import Identity, card_key, phone_identity
from posd.ledger.entries import Draft, Entry, Kind
from posd.ledger.members import Standing
from posd.till.states import CardSeen, RecentSale, SaleRecord


class LedgerReader(Protocol):
    """The part of `posd.ledger.store` that looking up needs."""

    def entry(self, entry_id: bytes) -> Entry | None: ...
    def returned(self, entry_id: bytes) -> Iterable[Entry]: ...
    def recent(self, limit: int) -> Iterable[Entry]: ...
    def standing(self, member_id: str) -> Standing | None: ...
    def member_by_key(self, key: str) -> Standing | None: ...
    def acked_seq(self) -> int: ...


class Lookup:
    """``reader`` gives the calling thread's ledger connection; ``seal`` makes a document readable by the club only."""

    def __init__(
        self, reader: Callable[[], LedgerReader], club_key: bytes, country: str, seal: Callable[[str], str]
    ) -> None:
        self._reader = reader
        self._club_key = club_key
        self._seal = seal
        self.country = country

    def card(self, identity: Identity) -> CardSeen:
        """From here on the card's number exists no more, only its key."""
        return CardSeen(card_key(self._club_key, identity), identity.medium, identity.tail, identity.earn_only)

    def member_by_card(self, card: CardSeen) -> Standing | None:
        return self._reader().member_by_key(card.key)

    def member_by_phone(self, e164: str) -> Standing | None:
        return self._reader().member_by_key(self.phone_key(e164))

    def member(self, member_id: str) -> Standing | None:
        return self._reader().standing(member_id)

    def phone_key(self, e164: str) -> str:
        return card_key(self._club_key, phone_identity(e164))

    def seal(self, document: Mapping[str, Any]) -> str:
        return self._seal(json.dumps(document, ensure_ascii=False, sort_keys=True))

    def sale(self, sale_id: str) -> SaleRecord | None:
        """A sale by the hex of its id, with what came back of it; None for anything else."""
        try:
            key = bytes.fromhex(sale_id)
        except ValueError:
            return None
        entry = self._reader().entry(key) if len(key) == 16 else None
        return None if entry is None else self._record(entry.draft)

    def last_sale(self, member_id: str | None) -> SaleRecord | None:
        """The newest sale that can still come back, of this member when one is named."""
        for entry in self._reader().recent(LAST_SALES):
            draft = entry.draft
            if draft.kind is Kind.SALE and member_id in (None, draft.member):
                record = self._record(draft)
                if record is not None and not record.voided:
                    return record
        return None

    def recent(self, limit: int) -> tuple[RecentSale, ...]:
        """The last sales and returns on this till, newest first."""
        acked = self._reader().acked_seq()
        rows = (self._recent(entry, queued=entry.seq > acked) for entry in self._reader().recent(limit))
        return tuple(row for row in rows if row is not None)

    def _record(self, draft: Draft) -> SaleRecord | None:
        if draft.kind is not Kind.SALE:
            return None
        returns = tuple(entry.draft for entry in self._reader().returned(draft.entry_id))
        return SaleRecord(draft, returns, self._name(draft.member), self.balances(draft.member))

    def balances(self, member_id: str | None) -> Mapping[str, int]:
        standing = self._reader().standing(member_id) if member_id else None
        return {} if standing is None else standing.balances

    def _name(self, member_id: str | None) -> str | None:
        standing = self._reader().standing(member_id) if member_id else None
        return None if standing is None else standing.row.name

    def _recent(self, entry: Entry, *, queued: bool) -> RecentSale | None:
        draft = entry.draft
        if draft.kind not in (Kind.SALE, Kind.REFUND, Kind.VOID):
            return None
        return RecentSale(
            sale_id=(draft.ref or draft.entry_id).hex(),
            kind=draft.kind.value,
            at_ms=draft.at.wall_ms,
            name=self._name(draft.member),
            amount_minor=draft.body["pay_back_minor" if draft.kind is Kind.REFUND else "total_minor"],
            earned=_earned(draft),
            queued=queued,
        )


LAST_SALES = 200
"""How far back the refund key looks for the last sale; older ones are found by their receipt."""


def _earned(draft: Draft) -> dict[str, int]:
    totals: dict[str, int] = {}
    for item in draft.body.get("earnings", ()):
        totals[item["unit"]] = totals.get(item["unit"], 0) + item["earned"]
    return totals
