"""What the HTTP routes ask of the till. The routes translate; the till (built in `posd/daemon.py`) decides.

Methods are called from the server's event loop and must not block it: what has to wait for the disk returns a Future.
Documents are JSON-able mappings, described at `/openapi.json`. Refusals are `Refused`, never other exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from posd.words import Words

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a token's name and scopes, or the peer of the Unix socket."""

    name: str
    scopes: frozenset[str]


class Refused(Exception):
    """The till says no. ``code`` is stable and never translated, ``status`` the HTTP status; ``detail`` says what to do
    next; ``words`` the same for people."""

    def __init__(self, status: int, code: str, detail: str, words: Words | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.words = words


@dataclass(frozen=True, slots=True)
class SaleRequest:
    """``POST /v1/sales`` and ``POST /v1/quotes``. Who: ``member_id``, or ``read_id`` of a ``card.read`` event, or
    neither (a sale without a card). ``redeem``: unit → at most how much. ``expect_payable_minor``: refuse with 409
    ``quote_changed`` when the till comes to another sum than the register showed."""

    currency: str
    lines: tuple[Mapping[str, Any], ...]
    member_id: str | None = None
    read_id: str | None = None
    redeem: Mapping[str, int] = field(default_factory=dict)
    expect_payable_minor: int | None = None
    register_ref: str | None = None
    cashier: str | None = None


class TillPort(Protocol):
    """The till as its API sees it."""

    def status(self) -> Document: ...
    def readers(self) -> Sequence[Document]: ...
    def check_reader(self, reader_id: str, level: str) -> Future[Sequence[Document]]:
        """UnifiedPOS CheckHealth; LookupError when there is no such reader."""
        ...

    def simulate(self, kind: str, data: str) -> None:
        """``kind``: swipe, scan or tap; ``data``: what the stripe, the barcode or the chip carries. Goes through the
        simulated reader and the real decoding path. Refused 422 when ``data`` cannot be presented so."""
        ...

    def view(self) -> Document: ...
    def act(self, action: Document, key: str = "") -> Future[Document]:
        """``key``: an action that comes again under the same one is done once; empty: every time."""
        ...

    def member(self, *, member_id: str | None, phone: str | None, read_id: str | None) -> Document | None: ...
    def quote(self, request: SaleRequest) -> Document: ...
    def sell(self, request: SaleRequest, caller: Caller, idempotency_key: str) -> Future[Document]: ...
    def sale(self, sale_id: str) -> Document | None: ...
    def refund(
        self, sale_id: str, lines: Sequence[Mapping[str, int]], caller: Caller, idempotency_key: str
    ) -> Future[Document]: ...
    def void(self, sale_id: str, caller: Caller, idempotency_key: str) -> Future[Document]: ...
    def sync_status(self) -> Document: ...
    def sync_now(self) -> None: ...
    def metrics(self) -> Mapping[str, int]:
        """Counters and gauges by Prometheus name, labels included; never an id of a card or member."""
        ...
