"""The till as registers and the command line see it: `posd.api.port.TillPort`. What spends is decided on the till
thread, so that two registers can never spend the same point."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from posd.api.port import Caller, Document, Refused, SaleRequest
from posd.cards.phone import BadPhone, normalise_phone
from posd.clock import Clock
from posd.drivers.base import HealthLevel
from posd.drivers.selftest import ReaderReport
from posd.errors import LedgerError
from posd.events import DeviceStatus
from posd.ledger.entries import Draft, Entry
from posd.ledger.members import Standing
from posd.ledger.store import RequestConflict, RequestKey
from posd.loyalty.evaluation import quote
from posd.loyalty.model import PIECE, Basket, Line, MemberView, Quote, RefundLine, RefundQuote
from posd.loyalty.refunds import refund_quote
from posd.loyalty.tiers import tier_named
from posd.till.booking import SaleContext, receipt_lines, refund_draft, sale_draft, void_draft
from posd.till.evidence import reader_check_draft
from posd.till.loop import TillLoop, receipt_code
from posd.till.quoting import member_view
from posd.till.states import CardSeen, Customer, SaleRecord
from posd.till.view import quote_document
from posd.words import Words

log = logging.getLogger(__name__)


class Readers(Protocol):
    """The part of the device supervisor that the API needs."""

    def statuses(self) -> Sequence[DeviceStatus]: ...
    def check(self, reader_id: str, level: HealthLevel) -> ReaderReport: ...
    def last_read_age_s(self, reader_id: str) -> int | None: ...


class SyncControl(Protocol):
    """The part of the sync workers that the API needs."""

    def status(self) -> Document: ...
    def now(self) -> None: ...


class Ledger(Protocol):
    def append(self, draft: Draft, *, request: RequestKey | None = None) -> Future[Entry]: ...
    def request(self, key: RequestKey) -> Entry | None: ...
    def metrics(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class Edges:
    """What the daemon wired: everything beside the till thread that answers questions."""

    ledger: Ledger
    readers: Readers
    sync: SyncControl
    simulate: Callable[[str, str], None]
    run_aside: Callable[[Callable[[], Any]], Future[Any]]
    new_id: Callable[[], bytes]
    clock: Clock
    about: Mapping[str, Any]


class TillDesk:
    """Implements `TillPort`."""

    def __init__(self, loop: TillLoop, edges: Edges) -> None:
        self._loop = loop
        self._edges = edges

    def status(self) -> Document:
        facts = self._loop.facts
        return {
            **self._edges.about,
            "link": {"state": facts.link.state.value, "queue": facts.link.queue, "detail": facts.link.detail},
            "ledger": {"fault": facts.fault},
            "readers": list(self.readers()),
            "programs": [{"id": program.id, "version": program.version} for program in facts.programs],
        }

    def readers(self) -> Sequence[Document]:
        return [
            {
                "id": status.device,
                "name": status.name or status.device,
                "device_class": status.device_class.value,
                "state": status.state.value,
                "detail": status.detail,
                "last_read_age_s": self._edges.readers.last_read_age_s(status.device),
            }
            for status in self._edges.readers.statuses()
        ]

    def check_reader(self, reader_id: str, level: str) -> Future[Sequence[Document]]:
        if all(status.device != reader_id for status in self._edges.readers.statuses()):
            raise LookupError(reader_id)

        def check() -> Sequence[Document]:
            report = self._edges.readers.check(reader_id, HealthLevel(level))
            self._loop.call(lambda: self._keep_evidence(report))
            return [asdict(item) for item in report.checks]

        return self._edges.run_aside(check)

    def _keep_evidence(self, report: ReaderReport) -> None:
        """Whoever asked for the check gets its result, whether the journal can be written or not."""
        draft = reader_check_draft(
            self._edges.new_id(),
            self._edges.clock.now(),
            reader=report.reader_id,
            driver=report.driver,
            identity=report.identity,
            level=report.level.value,
            results=[(str(check.name), bool(check.ok)) for check in report.checks],
        )
        try:
            self._loop.booked(self._edges.ledger.append(draft).result())
        except LedgerError:
            log.exception("the check of reader %s was not recorded", report.reader_id)

    def simulate(self, kind: str, data: str) -> None:
        self._edges.simulate(kind, data)

    def view(self) -> Document:
        return self._loop.view()

    def act(self, action: Document, key: str = "") -> Future[Document]:
        return self._loop.act(action, key)

    def member(self, *, member_id: str | None, phone: str | None, read_id: str | None) -> Document | None:
        customer = self._customer(member_id=member_id, phone=phone, read_id=read_id)
        return None if customer is None else self._loop.document(customer)

    def quote(self, request: SaleRequest) -> Document:
        _, quoted, _ = self._quote(request)
        return quote_document(quoted, frozenset(request.redeem))

    def sell(self, request: SaleRequest, caller: Caller, idempotency_key: str) -> Future[Document]:
        return self._once(caller, idempotency_key, _sale_fingerprint(request), lambda: self._sale_draft(request))

    def sale(self, sale_id: str) -> Document | None:
        record = self._loop.lookup.sale(sale_id)
        return None if record is None else self._sale_document(record)

    def refund(
        self, sale_id: str, lines: Sequence[Mapping[str, int]], caller: Caller, idempotency_key: str
    ) -> Future[Document]:
        wanted = [RefundLine(int(line["n"]), int(line["quantity_milli"])) for line in lines]
        fingerprint = {"refund": sale_id, "lines": [[line.n, line.quantity_milli] for line in wanted]}
        return self._once(caller, idempotency_key, fingerprint, lambda: self._refund_draft(sale_id, wanted))

    def void(self, sale_id: str, caller: Caller, idempotency_key: str) -> Future[Document]:
        return self._once(caller, idempotency_key, {"void": sale_id}, lambda: self._void_draft(sale_id))

    def sync_status(self) -> Document:
        return self._edges.sync.status()

    def sync_now(self) -> None:
        self._edges.sync.now()

    def metrics(self) -> Mapping[str, int]:
        counters = self._loop.counters
        readers = self._edges.readers.statuses()
        return {
            "posd_reads_total": counters.reads,
            "posd_reads_stale_total": counters.stale,
            "posd_entries_total": counters.entries,
            "posd_queue_depth": self._loop.facts.link.queue,
            **{f'posd_reads_refused_total{{reason="{why}"}}': n for why, n in counters.rejected.items()},
            **{f'posd_reader_up{{reader="{item.device}"}}': int(item.state.value == "ready") for item in readers},
            **self._edges.ledger.metrics(),
        }

    # What is decided, on the till thread.

    def _once(
        self, caller: Caller, key: str, fingerprint: Mapping[str, Any], make: Callable[[], Draft]
    ) -> Future[Document]:
        """The same key books once and answers the same for ever; the same key for something else is refused."""
        request = RequestKey.of(f"{caller.name}\n{key}", json.dumps(fingerprint, sort_keys=True).encode())

        def book() -> Document:
            try:
                known = self._edges.ledger.request(request)
                entry = known or self._edges.ledger.append(make(), request=request).result()
            except RequestConflict as error:
                raise Refused(
                    409, "idempotency_conflict", "this Idempotency-Key was used for another request; make a new key"
                ) from error
            except LedgerError as error:
                raise Refused(503, "ledger_unwritable", str(error), Words("sale.not_recorded")) from error
            if known is None:
                self._loop.booked(entry)
            return {**self._entry_document(entry), "repeated": known is not None}

        return self._loop.call(book)

    def _customer(self, *, member_id: str | None, phone: str | None, read_id: str | None) -> Customer | None:
        lookup = self._loop.lookup
        card: CardSeen | None = None
        standing: Standing | None = None
        if member_id is not None:
            standing = lookup.member(member_id)
        elif phone is not None:
            number = normalise_phone(phone, lookup.country)
            if isinstance(number, BadPhone):
                raise Refused(422, "bad_phone", "this is not a phone number", Words("enrol.phone_wrong"))
            standing = lookup.member_by_phone(number)
        elif read_id is not None:
            card = self._loop.read_card(read_id)
            if card is None:
                raise Refused(404, "read_gone", "this read is too old or unknown; present the card again")
            standing = lookup.member_by_card(card)
        return None if standing is None else Customer(standing, card)

    def _quote(self, request: SaleRequest) -> tuple[Customer | None, Quote, tuple[Line, ...]]:
        facts = self._loop.facts
        if request.currency != facts.currency:
            raise Refused(422, "wrong_currency", f"this till sells in {facts.currency}; send minor units of that")
        customer = self._customer(member_id=request.member_id, phone=None, read_id=request.read_id)
        if customer is None and (request.member_id or request.read_id):
            raise Refused(404, "member_unknown", "no member is known by this; sell without, or enrol first")
        lines = tuple(sale_line(n, line) for n, line in enumerate(request.lines, 1))
        view: MemberView | None = None if customer is None else member_view(customer, facts)
        try:
            basket = Basket(request.currency, lines, request.redeem if view is not None else {})
        except ValueError as error:
            raise Refused(422, "bad_basket", f"these lines are no sale: {error}") from error
        return customer, quote(facts.programs, view, basket, self._edges.clock.now().wall_ms), lines

    def _sale_draft(self, request: SaleRequest) -> Draft:
        customer, quoted, lines = self._quote(request)
        if request.expect_payable_minor not in (None, quoted.payable_minor):
            raise Refused(
                409, "quote_changed", f"the customer pays {quoted.payable_minor} now; show the new quote and ask again"
            )
        medium = None if customer is None or customer.card is None else customer.card.medium.value
        return sale_draft(
            self._edges.new_id(),
            self._edges.clock.now(),
            member=None if customer is None else customer.member_id,
            lines=lines,
            quote=quoted,
            context=SaleContext(
                cashier=request.cashier,
                medium=medium,
                offline=not self._loop.facts.online,
                register_ref=request.register_ref,
            ),
        )

    def _record(self, sale_id: str) -> SaleRecord:
        record = self._loop.lookup.sale(sale_id)
        if record is None:
            raise Refused(404, "sale_unknown", "this till has no such sale", Words("refund.not_found"))
        if record.voided:
            raise Refused(409, "sale_voided", "this sale was voided; nothing of it can come back")
        return record

    def _refund_draft(self, sale_id: str, wanted: Sequence[RefundLine]) -> Draft:
        record = self._record(sale_id)
        balances = self._loop.lookup.balances(record.draft.member)
        figures = refund_quote(record.draft.body, [item.body for item in record.returns], wanted, balances)
        if not isinstance(figures, RefundQuote):
            raise Refused(409, "refund_refused", "these lines cannot come back (any more)", figures)
        return refund_draft(self._edges.new_id(), self._edges.clock.now(), sale=record.draft, quote=figures)

    def _void_draft(self, sale_id: str) -> Draft:
        record = self._record(sale_id)
        draft = void_draft(self._edges.new_id(), self._edges.clock.now(), sale=record.draft, returns=record.returns)
        if not isinstance(draft, Draft):
            raise Refused(409, "void_refused", "something of this sale came back already; refund the rest", draft)
        return draft

    def _entry_document(self, entry: Entry) -> dict[str, Any]:
        draft = entry.draft
        standing = self._loop.lookup.member(draft.member) if draft.member else None
        balances = {} if standing is None else dict(standing.balances)
        name = None if standing is None else standing.row.name
        tier = None if standing is None else tier_named(self._loop.facts.programs, standing.row.tier)
        receipt = receipt_lines(draft, name=name, balances=balances, tier=None if tier is None else tier.name)
        return {
            "id": entry.entry_id.hex(),
            "kind": draft.kind.value,
            "sale_id": (draft.ref or draft.entry_id).hex(),
            "seq": entry.seq,
            "receipt_code": receipt_code(entry),
            "member_id": draft.member,
            "balances": balances,
            "body": dict(draft.body),
            "receipt": [words.as_json() for words in receipt],
        }

    def _sale_document(self, record: SaleRecord) -> dict[str, Any]:
        return {
            "sale_id": record.draft.entry_id.hex(),
            "member_id": record.draft.member,
            "voided": record.voided,
            "body": dict(record.draft.body),
            "returns": [
                {"id": item.entry_id.hex(), "kind": item.kind.value, "body": dict(item.body)} for item in record.returns
            ],
        }


def sale_line(n: int, line: Mapping[str, Any]) -> Line:
    """Line ``n`` of a register's sale; what it leaves out has the plain meaning."""
    return Line(
        n=n,
        amount_minor=line["amount_minor"],
        name=line.get("name", ""),
        sku=line.get("sku", ""),
        category=line.get("category", ""),
        quantity_milli=line.get("quantity_milli", PIECE),
    )


def _sale_fingerprint(request: SaleRequest) -> Mapping[str, Any]:
    plain = replace(request, expect_payable_minor=None)
    return {
        "currency": plain.currency,
        "lines": [dict(line) for line in plain.lines],
        "member": plain.member_id,
        "read": plain.read_id,
        "redeem": dict(plain.redeem),
        "ref": plain.register_ref,
    }
