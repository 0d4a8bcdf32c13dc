"""The till thread: take what happened, ask `step`, do what it says, draw the view. It owns all state of the till, and
no decision about points is taken on any other thread."""

from __future__ import annotations

import heapq
import logging
import queue
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from posd.api.port import Refused
from posd.cards.decode import decode
from posd.cards.identity import Identity
from posd.cards.reads import RejectedRead
from posd.cards.rules import CardRules, identify
from posd.clock import Clock, Instant
from posd.errors import LedgerError, PosdError
from posd.events import DeviceStatus, RawRead
from posd.ledger.entries import Draft, Entry
from posd.ledger.members import MemberRow
from posd.loyalty.programs import Program
from posd.till.actions import Action, understand
from posd.till.effects import CancelTimer, Commit, Effect, StartTimer
from posd.till.happenings import (
    CardPresented,
    CardRejected,
    CommitFailed,
    Committed,
    Happening,
    MemberChanged,
    Occurrence,
    TimerFired,
    WorldChanged,
)
from posd.till.lookup import Lookup
from posd.till.states import CardSeen, Facts, Link, Selling, Till, as_missed
from posd.till.step import step
from posd.till.view import Frame, member_document, view_of
from posd.words import Words

log = logging.getLogger(__name__)
T = TypeVar("T")

STALE_NS = 5_000_000_000
"""A read that waited longer than this is shown to nobody as fresh: the customer is gone."""
FAULT_LOOK_S = 1.0
"""How often a till whose ledger refuses looks whether it is well again: it heals without anybody selling."""
READS_KEPT = 64
KEYS_KEPT = 64
RECENT_SHOWN = 3


class Ledger(Protocol):
    """The part of `posd.ledger.store.Store` that the till thread uses."""

    def append(self, draft: Draft, *, provisional: MemberRow | None = None) -> Future[Entry]: ...
    @property
    def fault(self) -> str | None: ...


Publish = Callable[[str, Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The sync worker's view of the club."""

    link: Link


@dataclass(frozen=True, slots=True)
class ClubTold:
    """Changes of the club were applied: members, perhaps programs."""

    programs: tuple[Program, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Act:
    action: Action
    reply: Future[Mapping[str, Any]]
    key: str


@dataclass(frozen=True, slots=True)
class _Job:
    run: Callable[[], Any]
    reply: Future[Any]


class _Stop:
    pass


@dataclass
class Counters:
    """What `/metrics` tells; never an id."""

    reads: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    stale: int = 0
    entries: int = 0


class LastKeys:
    """The last ``size`` keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: OrderedDict[str, None] = OrderedDict()

    def add(self, key: str) -> bool:
        """Whether ``key`` is new."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)
        return True


class TillLoop:
    """Owns the till. Other threads only put things into ``inbox`` or call the methods marked thread-safe."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        lookup: Lookup,
        card_rules: CardRules,
        facts: Facts,
        frame: Frame,
        clock: Clock,
        new_id: Callable[[], bytes],
        publish: Publish,
        language: str,
        inbox: queue.Queue[Any],
        every_turn: Callable[[], None] | None = None,
        turn_s: float | None = None,
    ) -> None:
        self._ledger = ledger
        self.lookup = lookup
        self._card_rules = card_rules
        self.facts = facts
        self._frame = frame
        self._clock = clock
        self._new_id = new_id
        self._publish = publish
        self._inbox = inbox
        self._every_turn = every_turn or (lambda: None)
        self._turn_s = turn_s
        self._till = Till(language=language)
        self._timers: list[tuple[int, str]] = []
        self._reads: OrderedDict[str, CardSeen] = OrderedDict()
        self._pressed = LastKeys(KEYS_KEPT)
        self._version = 0
        self._view: Mapping[str, Any] = {}
        self.counters = Counters()
        self.on_devices: Callable[[], None] = lambda: None
        self._devices: dict[str, DeviceStatus] = {status.device: status for status in facts.readers}

    # Thread-safe: may be called from anywhere.

    def view(self) -> Mapping[str, Any]:
        """The newest view; never blocks."""
        return self._view

    def act(self, action: Action, key: str = "") -> Future[Mapping[str, Any]]:
        """Do what the cashier's page asks; the Future is the view after it. ``key``: of this press of a key; a browser
        that repeats a request by itself does not press it twice."""
        reply: Future[Mapping[str, Any]] = Future()
        self._inbox.put(_Act(action, reply, key))
        return reply

    def call(self, run: Callable[[], T]) -> Future[T]:
        """Run ``run`` on the till thread, between two happenings."""
        reply: Future[T] = Future()
        self._inbox.put(_Job(run, reply))
        return reply

    def tell(self, news: LinkChanged | ClubTold) -> None:
        self._inbox.put(news)

    def stop(self) -> None:
        self._inbox.put(_Stop())

    # The till thread.

    def start_up(self) -> None:
        """Draw the first view; called before the thread and the API start."""
        self._look_around()
        self._draw()

    def run(self) -> None:
        """Until `stop`."""
        while True:
            item = self._next()
            if isinstance(item, _Stop):
                return
            if item is not None:
                self._take(item)
            self._ask_after_the_ledger()
            self._fire_timers()
            self._draw()
            if isinstance(item, _Act):
                item.reply.set_result(self._view)
            self._every_turn()

    def _next(self) -> Any:
        try:
            return self._inbox.get(timeout=self._patience_s())
        except queue.Empty:
            return None

    def _patience_s(self) -> float | None:
        """How long to sleep: until the next timer, the watchdog's turn, a look at an ailing ledger, or for ever."""
        waits = [] if self._turn_s is None else [self._turn_s]
        if self._timers:
            waits.append(max(0, self._timers[0][0] - self._clock.now().mono_ns) / 1_000_000_000)
        if self.facts.fault is not None:
            waits.append(FAULT_LOOK_S)
        return min(waits, default=None)

    def _take(self, item: Any) -> None:
        match item:
            case RawRead():
                self._read(item)
            case DeviceStatus():
                self._device(item)
            case _Act():
                if not item.key or self._pressed.add(item.key):
                    self._happen(understand(item.action, self._till, self.lookup))
            case _Job():
                _answer(item)
            case LinkChanged():
                self.facts = replace(self.facts, link=item.link)
                self._look_around()
                self._happen(WorldChanged())
            case ClubTold():
                self._club_told(item)

    def _read(self, raw: RawRead) -> None:
        """Bytes become a card, a card becomes a key, and only the key goes on."""
        self.counters.reads += 1
        if self._clock.now().mono_ns - raw.read_at.mono_ns > STALE_NS:
            self.counters.stale += 1
            return
        read = decode(raw, self._card_rules)
        found = read if isinstance(read, RejectedRead) else identify(read, self._card_rules)
        if isinstance(found, RejectedRead):
            self._refuse(found)
        else:
            self._recognise(raw, found)

    def _refuse(self, read: RejectedRead) -> None:
        reason = read.reason.value
        self.counters.rejected[reason] = self.counters.rejected.get(reason, 0) + 1
        log.info("read on %s refused: %s", read.device, reason)
        self._publish("card.refused", {"reader": read.device, "medium": read.medium.value, "reason": reason})
        self._happen(CardRejected(read.reason, read.medium))

    def _recognise(self, raw: RawRead, identity: Identity) -> None:
        card = self.lookup.card(identity)
        standing = self.lookup.member_by_card(card)
        read_id = self._new_id().hex()
        self._reads[read_id] = card
        while len(self._reads) > READS_KEPT:
            self._reads.popitem(last=False)
        self._publish(
            "card.read",
            {
                "read_id": read_id,
                "reader": raw.device,
                "medium": card.medium.value,
                "known": standing is not None,
                "member_id": None if standing is None else standing.row.member_id,
                "tail": card.tail,
            },
        )
        self._happen(CardPresented(card, standing))

    def read_card(self, read_id: str) -> CardSeen | None:
        """The card behind a ``card.read`` event; only the last few are remembered."""
        return self._reads.get(read_id)

    def _device(self, status: DeviceStatus) -> None:
        self._devices[status.device] = as_missed(self._devices.get(status.device), status)
        self.facts = replace(self.facts, readers=tuple(self._devices.values()))
        self._publish("reader.status", {"reader": status.device, "state": status.state.value, "detail": status.detail})
        self._happen(WorldChanged())
        self.on_devices()

    def _club_told(self, news: ClubTold) -> None:
        if news.programs is not None:
            self.facts = replace(self.facts, programs=news.programs)
        self._look_around()
        state = self._till.state
        if isinstance(state, Selling) and state.customer is not None:
            self._happen(MemberChanged(self.lookup.member(state.customer.member_id)))

    def _ask_after_the_ledger(self) -> None:
        if self.facts.fault != self._ledger.fault:
            self._look_around()

    def _look_around(self) -> None:
        self.facts = replace(self.facts, recent=self.lookup.recent(RECENT_SHOWN), fault=self._ledger.fault)

    def _happen(self, what: Happening) -> None:
        """One turn of the rules and of everything they bring about."""
        result = step(self._till, self._occurrence(what), self.facts)
        self._till = result.till
        for effect in result.effects:
            self._perform(effect)

    def _occurrence(self, what: Happening) -> Occurrence:
        return Occurrence(what, self._clock.now(), self._new_id())

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Commit():
                self._happen(self._commit(effect))
            case StartTimer():
                self._drop_timer(effect.name)
                due = self._clock.now().mono_ns + effect.seconds * 1_000_000_000
                heapq.heappush(self._timers, (due, effect.name))
            case CancelTimer():
                self._drop_timer(effect.name)

    def _commit(self, effect: Commit) -> Happening:
        try:
            entry = self.book(effect.draft, effect.provisional)
        except LedgerError:
            log.exception("entry %s was not booked", effect.draft.entry_id.hex())
            self._look_around()
            return CommitFailed(effect.draft.entry_id, Words("sale.not_recorded"))
        standing = self.lookup.member(effect.draft.member) if effect.draft.member else None
        return Committed(entry.entry_id, receipt_code(entry), standing)

    def book(self, draft: Draft, provisional: MemberRow | None = None) -> Entry:
        """Write and wait for the disk; till thread only. Raises `LedgerError` when it is certainly not booked."""
        entry = self._ledger.append(draft, provisional=provisional).result()
        self.booked(entry)
        return entry

    def booked(self, entry: Entry) -> None:
        """An entry is durable: count it, tell it, and show it among the recent ones."""
        self.counters.entries += 1
        draft = entry.draft
        log.info("booked %s %s seq %d", draft.kind.value, entry.entry_id.hex(), entry.seq)
        self._publish("entry.booked", {"id": entry.entry_id.hex(), "kind": draft.kind.value, "seq": entry.seq})
        link = replace(self.facts.link, queue=self.facts.link.queue + 1)
        self.facts = replace(self.facts, link=link)
        self._look_around()

    def _drop_timer(self, name: str) -> None:
        self._timers = [timer for timer in self._timers if timer[1] != name]
        heapq.heapify(self._timers)

    def _fire_timers(self) -> None:
        while self._timers and self._timers[0][0] <= self._clock.now().mono_ns:
            self._happen(TimerFired(heapq.heappop(self._timers)[1]))

    def _draw(self) -> None:
        drawn = view_of(self._till, self.facts, self._frame, self._now().wall_ms)
        if drawn != {key: value for key, value in self._view.items() if key != "version"}:
            self._version += 1
            self._view = {**drawn, "version": self._version}
            self._publish("view", self._view)

    def _now(self) -> Instant:
        return self._clock.now()

    def document(self, customer: Any) -> dict[str, Any]:
        return member_document(customer, self.facts)


def receipt_code(entry: Entry) -> str:
    """Eight hex digits of the entry's hash for the receipt: proof that the journal was not rewritten since."""
    digits = entry.hash.hex()[:8].upper()
    return f"{digits[:4]} {digits[4:]}"


def _answer(job: _Job) -> None:
    """A refusal belongs to the one who asked; anything else is a fault of ours and ends the process at its top."""
    if not job.reply.set_running_or_notify_cancel():
        return
    try:
        result = job.run()
    except (PosdError, Refused, LookupError, ValueError) as error:
        job.reply.set_exception(error)
    else:
        job.reply.set_result(result)
