"""From the bytes of a reader to what they mean, or why not. The payment-card guard stands here, in front of everything
else: what `decode` returns may go on to the till; what it was given may not.

A keyboard wedge may send swipes and scans; the sentinel decides, not the class of the device.
"""

from __future__ import annotations

from posd.cards import ndef, payment
from posd.cards.barcode import NO_READ, Scan, parse_scan, unproven_parts, why_goods
from posd.cards.chip import DESFIRE, NDEF, ChipContents, decode_chip
from posd.cards.iso7813 import is_swipe, parse_swipe
from posd.cards.masking import mask_digits
from posd.cards.reads import (
    BarcodeRead,
    CardRead,
    ChipRead,
    MagstripeRead,
    Medium,
    Refusal,
    RejectedRead,
    RejectReason,
    parse_flaw,
)
from posd.cards.rules import CardRules
from posd.cards.symbologies import HOST_COMMAND
from posd.events import DeviceClass, RawRead

_MEDIA = {
    DeviceClass.MSR: Medium.MAGSTRIPE,
    DeviceClass.SCANNER: Medium.BARCODE,
    DeviceClass.SMARTCARD: Medium.CHIP,
}
LONGEST_SCAN = 4096
"""Characters; a QR code holds 2,953 bytes."""


def decode(raw: RawRead, rules: CardRules) -> CardRead | RejectedRead:
    """The meaning of one read. Never raises, whatever the payload."""
    if raw.flaw is not None:
        reason, detail = parse_flaw(raw.flaw)
        return _rejected(raw, reason, mask_digits(detail))
    if raw.device_class is DeviceClass.SMARTCARD:
        return _decode_chip(raw, rules)
    try:
        text = raw.payload.decode("utf-8")
    except UnicodeDecodeError:
        return _rejected(raw, RejectReason.UNREADABLE, "not UTF-8: check the encoding that the reader is set to")
    return _decode_swipe(raw, text, rules) if is_swipe(text) else _decode_scan(raw, text, rules)


def is_payment_card(raw: RawRead, own: tuple[str, ...] = ()) -> bool:
    """Would `decode` refuse it as one? For those who write reads down before anybody decodes them."""
    read = decode(raw, CardRules(own_prefixes=own))
    return isinstance(read, RejectedRead) and read.reason is RejectReason.PAYMENT_CARD


def _decode_swipe(raw: RawRead, text: str, rules: CardRules) -> CardRead | RejectedRead:
    swipe = parse_swipe(text)
    if isinstance(swipe, Refusal):
        # A bank card that was swiped badly is still a bank card: say so.
        if payment.in_text(text, rules.own_prefixes):
            return _rejected(raw, RejectReason.PAYMENT_CARD, medium=Medium.MAGSTRIPE)
        return _rejected(raw, swipe.reason, swipe.detail, Medium.MAGSTRIPE)
    if payment.in_tracks(swipe.tracks, rules.own_prefixes):
        return _rejected(raw, RejectReason.PAYMENT_CARD, medium=Medium.MAGSTRIPE)
    tracks = (swipe.tracks.get(1), swipe.tracks.get(2), swipe.tracks.get(3))
    return MagstripeRead(raw.device, raw.read_at, *tracks, failed=swipe.failed)


def _decode_scan(raw: RawRead, text: str, rules: CardRules) -> CardRead | RejectedRead:
    scan = parse_scan(text, rules.code_ids_of(raw.device))
    if any(payment.in_text(part, rules.own_prefixes) for part in unproven_parts(scan)):
        # 13 digits of a product can look like a card's; the cashier is told the likelier thing, and either way no.
        likelier = why_goods(scan) or Refusal(RejectReason.PAYMENT_CARD)
        return _rejected(raw, likelier.reason, likelier.detail, Medium.BARCODE)
    if why := _no_scan(scan):
        return _rejected(raw, RejectReason.NOISE, why, Medium.BARCODE)
    if len(scan.data) > LONGEST_SCAN:
        return _rejected(raw, RejectReason.UNREADABLE, "longer than any bar code", Medium.BARCODE)
    return BarcodeRead(raw.device, raw.read_at, scan.data, scan.symbology)


def _no_scan(scan: Scan) -> str:
    if scan.symbology == HOST_COMMAND:
        return "the scanner's answer to a host command"
    if not scan.data.strip():
        return "an empty scan"
    return "the scanner reports that it read nothing" if scan.data.strip().upper() in NO_READ else ""


def _decode_chip(raw: RawRead, rules: CardRules) -> CardRead | RejectedRead:
    try:
        chip = decode_chip(raw.payload)
    except ValueError:
        return _rejected(raw, RejectReason.UNREADABLE, "the driver did not send the contents of a chip")
    if chip.refusal is not None:
        return _rejected(raw, chip.refusal, chip.detail)
    own = rules.own_prefixes
    # A number that the club's own key vouches for is nobody's bank card.
    unproven = [data for name, data in chip.contents.items() if name != DESFIRE]
    in_files = any(payment.in_bytes(data, own) for data in unproven)
    if in_files or any(payment.in_text(text, own) for text in _ndef_texts(chip)):
        return _rejected(raw, RejectReason.PAYMENT_CARD)
    return ChipRead(raw.device, raw.read_at, chip.atr, chip.uid, chip.contents)


def _ndef_texts(chip: ChipContents) -> list[str]:
    try:
        return [record.text for record in ndef.parse_message(chip.contents.get(NDEF, b"")) if record.text]
    except ndef.NdefError:
        return []


def _rejected(raw: RawRead, reason: RejectReason, detail: str = "", medium: Medium | None = None) -> RejectedRead:
    return RejectedRead(raw.device, raw.read_at, medium or _MEDIA[raw.device_class], reason, detail)
