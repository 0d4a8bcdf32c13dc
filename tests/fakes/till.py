"""A small till in memory: one program (1 point per 100 of currency, 1 CREDIT pays 1), a few members, real answers.

It keeps the promises that the API relies on: one sale per idempotency key, refusals as `Refused`, Futures that another
thread settles.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from posd.api.port import Caller, Document, Refused, SaleRequest
from posd.words import Words

Publish = Callable[[str, Mapping[str, Any]], object]

PARISA = "0197parisa"
_WHY = {"key": "earn.rate", "args": {}}


@dataclass(frozen=True)
class Known:
    """A member as the test knows him."""

    name: str
    phone: str
    card: str
    balances: Mapping[str, int]


MEMBERS = {PARISA: Known("Parisa M.", "09120001234", "9800000000012345", {"PTS": 1284, "CREDIT": 50000})}


class FakeTill:
    """`posd.api.port.TillPort`. ``publish`` is the hub's; ``gate`` may be cleared to hold the disk back."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._disk = ThreadPoolExecutor(1, "fake-disk")
        self._balances = {key: dict(known.balances) for key, known in MEMBERS.items()}
        self._answers: dict[tuple[str, str], tuple[object, Document]] = {}
        self._sales: dict[str, dict[str, Any]] = {}
        self._reads: dict[str, str | None] = {}
        self._version = 1
        self._pressed: set[str] = set()
        self._seq = 0
        self.disk_open = threading.Event()
        self.disk_open.set()
        self.asked_to_sync = 0

    def close(self) -> None:
        self.disk_open.set()
        self._disk.shutdown()

    def status(self) -> Document:
        return {"shop": {"name": "Test", "till": "1"}, "link": {"state": "online", "queue": 0}}

    def readers(self) -> Sequence[Document]:
        reader = {"id": "desk", "name": "Desk", "device_class": "scanner", "state": "ready", "detail": ""}
        return [reader]

    def check_reader(self, reader_id: str, level: str) -> Future[Sequence[Document]]:
        if reader_id != "desk":
            raise LookupError(reader_id)
        return self._later(lambda: [{"ok": True, "name": level, "detail": "answers", "fix": ""}])

    def simulate(self, kind: str, data: str) -> None:
        if kind == "swipe" and not data.startswith(("%", ";")):
            raise Refused(422, "not_a_swipe", "a stripe begins with % or ;")
        with self._lock:
            read_id = f"read-{len(self._reads) + 1}"
            self._reads[read_id] = next((key for key, known in MEMBERS.items() if known.card == data), None)
        self._publish("card.read", {"read_id": read_id, "medium": "barcode", "member_id": self._reads[read_id]})

    def view(self) -> Document:
        return {"version": self._version, "screen": "idle", "notice": None}

    def act(self, action: Document, key: str = "") -> Future[Document]:
        def acted() -> Document:
            if key and key in self._pressed:
                return self.view()
            self._pressed.add(key)
            self._version += 1
            view = {**self.view(), "did": action["do"]}
            self._publish("view", view)
            return view

        return self._later(acted)

    def member(self, *, member_id: str | None, phone: str | None, read_id: str | None) -> Document | None:
        if read_id is not None:
            member_id = self._reads.get(read_id)
        if phone is not None:
            digits = phone.translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹", "0123456789", " "))
            member_id = next((key for key, known in MEMBERS.items() if known.phone == digits), None)
        if member_id not in MEMBERS:
            return None
        balances = [
            {"unit": unit, "amount": n, "usable": n, "why": None} for unit, n in self._balances[member_id].items()
        ]
        return {"member_id": member_id, "name": MEMBERS[member_id].name, "balances": balances}

    def quote(self, request: SaleRequest) -> Document:
        total = sum(line["amount_minor"] for line in request.lines)
        member = self._member_of(request)
        spent = min(request.redeem.get("CREDIT", 0), self._balances[member]["CREDIT"], total) if member else 0
        earned = (total - spent) // 100 if member else 0
        return {
            "currency": request.currency,
            "total_minor": total,
            "payable_minor": total - spent,
            "saves_minor": spent,
            "redemptions": [{"unit": "CREDIT", "spent": spent, "value_minor": spent}] if spent else [],
            "earnings": [{"unit": "PTS", "earned": earned, "why": _WHY}] if earned else [],
        }

    def sell(self, request: SaleRequest, caller: Caller, idempotency_key: str) -> Future[Document]:
        def sold() -> Document:
            quote = self.quote(request)
            expected = request.expect_payable_minor
            if expected not in (None, quote["payable_minor"]):
                raise Refused(409, "quote_changed", "quote again", Words("sale.quote_changed"))
            member = self._member_of(request)
            for item in quote["earnings"]:
                self._balances[str(member)]["PTS"] += item["earned"]
            for item in quote["redemptions"]:
                self._balances[str(member)]["CREDIT"] -= item["spent"]
            body = {**quote, "lines": [dict(line) for line in request.lines]}
            entry = self._book("sale", None, member, body)
            self._sales[entry["id"]] = {
                "sale_id": entry["id"], "member_id": member, "voided": False, "body": body, "returns": [],
            }  # fmt: skip
            return entry

        return self._later(lambda: self._once(caller, idempotency_key, ("sell", request), sold))

    def sale(self, sale_id: str) -> Document | None:
        return self._sales.get(sale_id)

    def refund(
        self, sale_id: str, lines: Sequence[Mapping[str, int]], caller: Caller, idempotency_key: str
    ) -> Future[Document]:
        def refunded() -> Document:
            sale = self._named(sale_id)
            return self._return("refund", sale, {"lines": [dict(line) for line in lines]})

        return self._later(lambda: self._once(caller, idempotency_key, ("refund", sale_id, str(lines)), refunded))

    def void(self, sale_id: str, caller: Caller, idempotency_key: str) -> Future[Document]:
        def voided() -> Document:
            sale = self._named(sale_id)
            if sale["voided"]:
                raise Refused(409, "already_voided", "this sale is void already")
            sale["voided"] = True
            return self._return("void", sale, {})

        return self._later(lambda: self._once(caller, idempotency_key, ("void", sale_id), voided))

    def sync_status(self) -> Document:
        return {"state": "online", "queue": 0, "asked": self.asked_to_sync}

    def sync_now(self) -> None:
        self.asked_to_sync += 1

    def metrics(self) -> Mapping[str, int]:
        return {
            'posd_reads_total{medium="chip"}': 0,
            'posd_reads_total{medium="barcode"}': len(self._reads),
            "posd_queue_depth": 0,
        }

    @property
    def booked(self) -> int:
        """How many sales, refunds and voids stand in the books."""
        return self._seq

    def _member_of(self, request: SaleRequest) -> str | None:
        found = self.member(member_id=request.member_id, phone=None, read_id=request.read_id)
        if found is None and (request.member_id or request.read_id):
            raise Refused(404, "member_unknown", "no such member")
        return found["member_id"] if found else None

    def _named(self, sale_id: str) -> dict[str, Any]:
        if sale_id not in self._sales:
            raise Refused(404, "sale_unknown", "no such sale")
        return self._sales[sale_id]

    def _return(self, kind: str, sale: dict[str, Any], body: Mapping[str, Any]) -> Document:
        entry = self._book(kind, sale["sale_id"], sale["member_id"], body)
        sale["returns"].append({"id": entry["id"], "kind": kind, "body": body})
        return entry

    def _book(self, kind: str, sale_id: str | None, member: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        self._seq += 1
        entry_id = f"{self._seq:032x}"
        self._publish("entry.booked", {"id": entry_id, "kind": kind, "seq": self._seq})
        return {
            "id": entry_id,
            "kind": kind,
            "sale_id": sale_id or entry_id,
            "seq": self._seq,
            "receipt_code": "9F3A 77C1",
            "member_id": member,
            "balances": dict(self._balances[member]) if member else {},
            "body": body,
            "receipt": [],
        }

    def _once(self, caller: Caller, key: str, asked: object, book: Callable[[], Document]) -> Document:
        known = self._answers.get((caller.name, key))
        if known is None:
            self._answers[caller.name, key] = (asked, book())
        elif known[0] != asked:
            raise Refused(409, "idempotency_conflict", "this key was used for another request")
        return {**self._answers[caller.name, key][1], "repeated": known is not None}

    def _later(self, work: Callable[[], Any]) -> Future[Any]:
        def on_disk() -> Any:
            self.disk_open.wait(10)
            return work()

        return self._disk.submit(on_disk)
