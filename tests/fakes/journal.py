"""What a till writes, made by hand: a journal that chains entries as the ledger does, and pushes them over HTTP."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from posd.clock import Instant
from posd.ledger.accounts import ISSUED, REDEEMED, member_account
from posd.ledger.entries import GENESIS, Draft, Entry, Head, Kind, Leg, chained
from posd.ledger.members import DeltaPage
from posd.machine import SystemClock, Uuid7Source
from posd.sync.sealing import seal
from posd.sync.wire import PushReply, PushRequest, TillGrant, TillStatus, delta_from_json

_NEW_ID = Uuid7Source()
_CLOCK = SystemClock()


def new_id() -> bytes:
    return _NEW_ID()


class FakeTill:
    """A till of a running club. Write with `enrol`, `sell`, …; then `push` and `pull`."""

    def __init__(self, url: str, grant: TillGrant) -> None:
        self.url = url
        self.grant = grant
        self.head = Head(grant.epoch, 0, GENESIS)
        self.entries: list[Entry] = []
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {grant.token}"
        self.session.trust_env = False

    def close(self) -> None:
        self.session.close()

    # ---- writing ----

    def write(
        self,
        kind: Kind,
        body: Mapping[str, Any],
        *,
        member: str | None = None,
        legs: Sequence[Leg] = (),
        ref: bytes | None = None,
        at_ms: int | None = None,
        entry_id: bytes | None = None,
    ) -> Entry:
        now = _CLOCK.now()
        at = now if at_ms is None else Instant(at_ms, now.boot, now.mono_ns)
        return self.append(Draft(entry_id or new_id(), kind, at, member, tuple(legs), body, ref))

    def append(self, draft: Draft) -> Entry:
        entry = chained(draft, self.head, self.grant.till_id)
        self.head = Head(entry.epoch, entry.seq, entry.hash)
        self.entries.append(entry)
        return entry

    def enrol(
        self,
        *keys: str,
        phone: str = "+989120001234",
        name: str = "زهرا رضایی",
        gift: int = 0,
        member: str | None = None,
        at_ms: int | None = None,
    ) -> str:
        """A new member; returns the id."""
        member_id = member or new_id().hex()
        document = json.dumps({"phone": phone, "name": name, "consent": True}, ensure_ascii=False)
        sealed = seal(self.grant.seal_key, document, os.urandom(32))
        body = {"member_id": member_id, "keys": list(keys), "sealed": sealed, "consent": True}
        self.write(Kind.ENROL, body, member=member_id, legs=moves(member_id, {"PTS": gift}), at_ms=at_ms)
        return member_id

    def sell(
        self,
        member: str | None,
        total_minor: int,
        *,
        earned: Mapping[str, int] | None = None,
        spent: Mapping[str, int] | None = None,
        value_minor: int = 0,
        currency: str = "IRR",
        at_ms: int | None = None,
        entry_id: bytes | None = None,
    ) -> bytes:
        """A sale; returns its id. ``spent`` pays ``value_minor``."""
        earned, spent = earned or {}, spent or {}
        body = {
            "currency": currency,
            "total_minor": total_minor,
            "payable_minor": total_minor - value_minor,
            "lines": [
                {"n": 1, "name": "", "sku": "", "category": "", "quantity_milli": 1000, "amount_minor": total_minor}
            ],
            "redemptions": [_redemption(unit, amount, value_minor) for unit, amount in spent.items()],
            "earnings": [_earning(unit, amount) for unit, amount in earned.items()],
            "register_ref": None,
            "cashier": None,
            "medium": None,
            "offline": False,
        }
        legs = [*moves(member, earned), *moves(member, {u: -a for u, a in spent.items()})]
        return self.write(Kind.SALE, body, member=member, legs=legs, at_ms=at_ms, entry_id=entry_id).entry_id

    def refund(
        self,
        member: str | None,
        sale: bytes,
        gross_minor: int,
        *,
        taken_back: int = 0,
        given_back: int = 0,
        currency: str = "IRR",
    ) -> bytes:
        """Points taken back and given back for returned goods."""
        body = {
            "sale": sale.hex(),
            "currency": currency,
            "lines": [{"n": 1, "quantity_milli": 1000}],
            "gross_minor": gross_minor,
            "pay_back_minor": gross_minor,
            "taken_back": {"PTS": taken_back} if taken_back else {},
            "given_back": {"PTS": given_back} if given_back else {},
        }
        legs = moves(member, {"PTS": given_back - taken_back})
        return self.write(Kind.REFUND, body, member=member, legs=legs, ref=sale).entry_id

    def void(self, member: str | None, sale: bytes, total_minor: int, back: Mapping[str, int]) -> bytes:
        """Undo a sale: ``back`` is what its legs did, reversed."""
        body = {"sale": sale.hex(), "currency": "IRR", "total_minor": total_minor}
        return self.write(Kind.VOID, body, member=member, legs=moves(member, back), ref=sale).entry_id

    def link(self, member: str, key: str) -> None:
        self.write(Kind.LINK, {"member_id": member, "key": key}, member=member)

    # ---- the wire ----

    def request(self, after: int = 0, to: int | None = None) -> PushRequest:
        """The push of the entries ``(after, to]``."""
        head = Head(self.grant.epoch, after, self.entries[after - 1].hash if after else GENESIS)
        return PushRequest.of(head, tuple(self.entries[after:to]))

    def send(self, document: Any, path: str = "entries") -> requests.Response:
        """POST a document to one of this till's routes, gzipped as tills do."""
        body = gzip.compress(json.dumps(document).encode())
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return self.session.post(f"{self.url}/v1/tills/{self.grant.till_id}/{path}", body, headers=headers, timeout=30)

    def push(self, after: int = 0, to: int | None = None) -> PushReply:
        answer = self.send(self.request(after, to).as_json())
        assert answer.status_code == 200, answer.text
        return PushReply.from_json(answer.json())

    def pull(self, cursor: str | None = None, wait: int = 0) -> DeltaPage:
        answer = self.pull_answer(cursor, wait)
        assert answer.status_code == 200, answer.text
        return delta_from_json(answer.json())

    def pull_answer(self, cursor: str | None = None, wait: int = 0) -> requests.Response:
        query: dict[str, str | int] = {"wait": wait} if cursor is None else {"wait": wait, "cursor": cursor}
        return self.session.get(f"{self.url}/v1/tills/{self.grant.till_id}/deltas", params=query, timeout=40)

    def tell(self, status: TillStatus) -> None:
        assert self.send(status.as_json(), "status").status_code == 204


def moves(member: str | None, amounts: Mapping[str, int]) -> list[Leg]:
    """Legs that add ``amounts`` to the member's accounts, balanced by the club's own."""
    if member is None:
        return []
    legs: list[Leg] = []
    for unit, amount in amounts.items():
        if amount:
            legs += [Leg(member_account(member), unit, amount), Leg(ISSUED if amount > 0 else REDEEMED, unit, -amount)]
    return legs


def _earning(unit: str, amount: int) -> dict[str, Any]:
    shares = [[1, amount]]
    return {"program": "points", "version": 1, "rule": "base", "unit": unit, "earned": amount, "shares": shares}


def _redemption(unit: str, amount: int, value_minor: int) -> dict[str, Any]:
    return {
        "program": "points",
        "version": 1,
        "rule": "use",
        "unit": unit,
        "spent": amount,
        "value_minor": value_minor,
        "spent_shares": [[1, amount]],
        "value_shares": [[1, value_minor]],
    }
