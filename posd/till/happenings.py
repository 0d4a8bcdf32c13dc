"""What can happen to a till: cards that were understood, keys that were pressed, answers of the disk, time that passed.

Each comes with the instant it happened at and one fresh id, so that the rules need neither clock nor dice.
"""

from __future__ import annotations

from dataclasses import dataclass

from posd.cards.reads import Medium, RejectReason
from posd.clock import Instant
from posd.ledger.members import Standing
from posd.till.states import CardSeen, SaleRecord
from posd.words import Words


@dataclass(frozen=True, slots=True)
class CardPresented:
    """``standing`` is None when the card is not known here."""

    card: CardSeen
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class CardRejected:
    reason: RejectReason
    medium: Medium


@dataclass(frozen=True, slots=True)
class AmountTyped:
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class UseChosen:
    unit: str
    on: bool


@dataclass(frozen=True, slots=True)
class Confirmed:
    pass


@dataclass(frozen=True, slots=True)
class WentBack:
    pass


@dataclass(frozen=True, slots=True)
class Skipped:
    pass


@dataclass(frozen=True, slots=True)
class MemberSwitched:
    """The second card's member takes over the sale."""


@dataclass(frozen=True, slots=True)
class FindStarted:
    pass


@dataclass(frozen=True, slots=True)
class PhoneEntered:
    """``problem`` is set when it is no phone number; ``standing`` when a member has it."""

    standing: Standing | None
    problem: Words | None = None


@dataclass(frozen=True, slots=True)
class EnrolStarted:
    pass


@dataclass(frozen=True, slots=True)
class EnrolSubmitted:
    """What the cashier typed, already understood by the shell: ``phone_key`` and ``sealed`` hide the number, ``holder``
    is the member who has it already. ``link``: add the card to the holder's account."""

    phone_key: str
    phone_mask: str
    name: str
    consent: bool
    link: bool
    sealed: str
    holder: Standing | None
    problem: Words | None = None


@dataclass(frozen=True, slots=True)
class RefundStarted:
    """``sale`` is None when there is none to refund."""

    sale: SaleRecord | None


@dataclass(frozen=True, slots=True)
class RefundLineChosen:
    n: int
    quantity_milli: int


@dataclass(frozen=True, slots=True)
class RefundAllChosen:
    everything: bool


@dataclass(frozen=True, slots=True)
class UndoPressed:
    """``sale`` as it stands in the ledger now."""

    sale: SaleRecord | None


@dataclass(frozen=True, slots=True)
class LanguageChosen:
    language: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The entry is durable. ``receipt_code``: the first digits of its hash; ``standing``: the member after it."""

    entry_id: bytes
    receipt_code: str
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """The entry is certainly not in the ledger."""

    entry_id: bytes
    words: Words


@dataclass(frozen=True, slots=True)
class TimerFired:
    name: str


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """The club told something new about members; ``standing`` is the one on the screen."""

    standing: Standing | None


@dataclass(frozen=True, slots=True)
class WorldChanged:
    """Readers, link, programs or the ledger's health changed; the rules look at the new facts."""


@dataclass(frozen=True, slots=True)
class ActionMisunderstood:
    """The page asked for something that is not there."""


Happening = (
    CardPresented
    | CardRejected
    | AmountTyped
    | UseChosen
    | Confirmed
    | WentBack
    | Skipped
    | MemberSwitched
    | FindStarted
    | PhoneEntered
    | EnrolStarted
    | EnrolSubmitted
    | RefundStarted
    | RefundLineChosen
    | RefundAllChosen
    | UndoPressed
    | LanguageChosen
    | Committed
    | CommitFailed
    | TimerFired
    | MemberChanged
    | WorldChanged
    | ActionMisunderstood
)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A happening in its moment. ``fresh_id``: a UUIDv7 that nobody has used, for the entry this may lead to."""

    what: Happening
    at: Instant
    fresh_id: bytes
