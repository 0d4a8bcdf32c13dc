"""What a till can be in the middle of. The cashier's screen is a picture of this and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from posd.cards.reads import Medium
from posd.events import DeviceState, DeviceStatus
from posd.ledger.entries import Draft
from posd.ledger.members import MemberRow, Standing
from posd.loyalty.model import RefundQuote
from posd.loyalty.programs import Program
from posd.words import Words


class Tone(StrEnum):
    """One colour and one sound for each kind of result."""

    FOUND = "found"
    DONE = "done"
    DONE_OFFLINE = "done_offline"
    REFUSED = "refused"
    ERROR = "error"


class LinkState(StrEnum):
    """How the till stands with its club. NONE: it has none yet."""

    ONLINE = "online"
    OFFLINE = "offline"
    PAUSED = "paused"
    HALTED = "halted"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Link:
    """``queue``: entries that the club does not have yet; ``last_sync_ms``: wall clock, for people only."""

    state: LinkState = LinkState.NONE
    queue: int = 0
    last_sync_ms: int | None = None
    detail: str = ""


def as_missed(before: DeviceStatus | None, status: DeviceStatus) -> DeviceStatus:
    """How the shop sees a reader: one that went away stays lost until it is ready again, whatever is tried with it in
    between (the supervisor's own states follow one another in milliseconds). ``detail`` is of the last try."""
    away = before is not None and before.state is DeviceState.LOST and status.state is not DeviceState.READY
    return replace(status, state=DeviceState.LOST) if away else status


@dataclass(frozen=True, slots=True)
class CardSeen:
    """A card as the till may know it: its key, and at most four last characters for the cashier's eyes."""

    key: str
    medium: Medium
    tail: str = field(default="", repr=False)
    earn_only: bool = False


@dataclass(frozen=True, slots=True)
class Customer:
    """A member at the till, and the card that said so (None: found by phone)."""

    standing: Standing
    card: CardSeen | None = None

    @property
    def member_id(self) -> str:
        return self.standing.row.member_id


@dataclass(frozen=True, slots=True)
class SaleRecord:
    """A sale in the ledger with what came back of it since."""

    draft: Draft
    returns: tuple[Draft, ...] = ()
    name: str | None = None
    balances: Mapping[str, int] = field(default_factory=dict)
    """Of the member when the return began; for the warning that points of this sale are spent already."""

    @property
    def voided(self) -> bool:
        return any(entry.kind.value == "void" for entry in self.returns)


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing on the counter."""


@dataclass(frozen=True, slots=True)
class Selling:
    """A member, an amount, or both. ``use``: units the customer wants to spend. ``other``: a second card was read and
    waits for a decision; it never replaces the first by itself."""

    customer: Customer | None = None
    amount_minor: int | None = None
    use: frozenset[str] = frozenset()
    other: Customer | None = None


@dataclass(frozen=True, slots=True)
class Enrolling:
    """A new member, with the unknown card that brought us here or without one."""

    card: CardSeen | None = None
    amount_minor: int | None = None
    problem: Words | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A member is looked for by phone. ``card``: an unknown card that shall be linked to the account found."""

    amount_minor: int | None = None
    problem: Words | None = None


@dataclass(frozen=True, slots=True)
class BankCard:
    """A payment card was presented and refused. Nothing of it is here."""

    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Refunding:
    """What of ``sale`` comes back: line number → thousandths."""

    sale: SaleRecord
    chosen: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Committing:
    """An entry is on its way to the disk. No card and no key is taken until it is known to be there or not."""

    draft: Draft
    resume: State
    then: State
    provisional: MemberRow | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Booked. ``name``, ``tier``: the member's, None without a card; ``refund`` for a return."""

    draft: Draft
    name: str | None = None
    tier: str | None = None
    balances: Mapping[str, int] = field(default_factory=dict)
    receipt_code: str = ""
    refund: RefundQuote | None = None
    queued: bool = False


State = Idle | Selling | Enrolling | Finding | BankCard | Refunding | Committing | Done


@dataclass(frozen=True, slots=True)
class Notice:
    """One line over the present screen. ``tone``: ok, busy, warn or stop."""

    words: Words
    tone: str = "warn"
    code: str = ""


@dataclass(frozen=True, slots=True)
class Till:
    """All that a till remembers between two happenings. ``dismissed``: lost readers whose page the cashier closed."""

    state: State = field(default_factory=Idle)
    notice: Notice | None = None
    signals: int = 0
    tone: Tone | None = None
    language: str = "fa"
    dismissed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RecentSale:
    """One line of "last sales on this till"."""

    sale_id: str
    kind: str
    at_ms: int
    name: str | None
    amount_minor: int
    earned: Mapping[str, int]
    queued: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules may look at besides the till's own state; swapped as a whole, never changed."""

    currency: str
    shop: str
    programs: tuple[Program, ...] = ()
    link: Link = field(default_factory=Link)
    readers: tuple[DeviceStatus, ...] = ()
    recent: tuple[RecentSale, ...] = ()
    done_s: int = 3
    cashier: str = ""
    fault: str | None = None
    """Why the ledger takes nothing at the moment, or None."""

    @property
    def online(self) -> bool:
        return self.link.state is LinkState.ONLINE
