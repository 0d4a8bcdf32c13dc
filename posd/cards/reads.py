"""What a read means before anybody asks who it is: tracks, a barcode, a chip, or a reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from posd.clock import Instant


class Medium(StrEnum):
    MAGSTRIPE = "magstripe"
    BARCODE = "barcode"
    CHIP = "chip"
    PHONE = "phone"
    """Typed in, not read: a member found by phone number."""


class RejectReason(StrEnum):
    """Why a read became nothing. The value is the end of a word key: ``card.unreadable`` and so on."""

    PAYMENT_CARD = "refused.payment"
    PARTIAL = "partial"
    UNREADABLE = "unreadable"
    BAD_CHECK = "unreadable.check"
    PRODUCT_BARCODE = "product_barcode"
    COUPON = "coupon"
    """A coupon or a refund receipt: worth money perhaps, but nobody's card."""
    OTHER_CLUB = "refused.other_club"
    REMOVED_EARLY = "removed_early"
    TWO_AT_ONCE = "two_at_once"
    NOT_GENUINE = "refused.not_genuine"
    """The chip could not prove that it is the club's: a wrong MAC, a wrong key, a copied link."""
    EMPTY_PHONE = "phone_no_pass"
    """A phone with a wallet that the shop reads, and no pass of the club came out of it."""
    NOISE = "noise"
    """Nothing a person needs to be told; counted and shown to the technician."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something that was read cannot be used. ``detail``: one line for the technician, nothing of the card."""

    reason: RejectReason
    detail: str = ""


def flaw(reason: RejectReason, detail: str = "") -> str:
    """What a driver writes into `posd.events.RawRead.flaw`: the reason's value and, after a colon, one line for the
    technician. ``detail`` must not carry anything of the card."""
    return f"{reason.value}: {detail}" if detail else reason.value


def parse_flaw(text: str) -> tuple[RejectReason, str]:
    """Inverse of `flaw`. A word that is no reason (a stranger's driver) means unreadable."""
    word, _, detail = text.partition(": ")
    try:
        return RejectReason(word), detail
    except ValueError:
        return RejectReason.UNREADABLE, text


@dataclass(frozen=True, slots=True)
class MagstripeRead:
    """Tracks without sentinels and LRC; None where the stripe carried none. Their repr never shows a digit.
    ``failed``: numbers of the tracks that are there but that the reader could not decode."""

    device: str
    read_at: Instant
    track1: str | None = field(default=None, repr=False)
    track2: str | None = field(default=None, repr=False)
    track3: str | None = field(default=None, repr=False)
    failed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BarcodeRead:
    """``symbology``: AIM symbology identifier such as ``]E0`` when the scanner sent it, else None."""

    device: str
    read_at: Instant
    data: str = field(repr=False)
    symbology: str | None = None


@dataclass(frozen=True, slots=True)
class ChipRead:
    """What a card script took from a chip: ``uid`` and named contents (``loyalty``: bytes of the loyalty file,
    ``ndef``: the NDEF message)."""

    device: str
    read_at: Instant
    atr: bytes
    uid: bytes | None = field(default=None, repr=False)
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)


CardRead = MagstripeRead | BarcodeRead | ChipRead


@dataclass(frozen=True, slots=True)
class RejectedRead:
    """A read that becomes nothing. Carries a reason and never a digit of the card."""

    device: str
    read_at: Instant
    medium: Medium
    reason: RejectReason
    detail: str = ""
    """One line for the technician, without card data."""
