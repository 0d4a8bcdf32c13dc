"""The texts in a read that a rule looks at."""

from __future__ import annotations

from collections.abc import Iterator

from posd.cards import ndef
from posd.cards.barcode import Scan, normalise_gtin, why_goods
from posd.cards.card_rule import CardRule, Misfit, Source
from posd.cards.chip import APPLE_VAS, DESFIRE, LOYALTY, NDEF, SMART_TAP, SUN
from posd.cards.gsrn import member_number
from posd.cards.loyalty_file import LoyaltyFile, parse_loyalty_file
from posd.cards.reads import BarcodeRead, CardRead, ChipRead, MagstripeRead, Refusal, RejectReason
from posd.cards.symbologies import EAN, GS1_CARRIERS, INTERLEAVED

Candidate = str | Misfit | Refusal
"""A text that may hold the number; why the rule has none here; or why no rule should look any further."""

_TRACKS = {Source.TRACK1: 1, Source.TRACK2: 2, Source.TRACK3: 3}
_TEXTS = {Source.DESFIRE: DESFIRE, Source.SMART_TAP: SMART_TAP, Source.APPLE_VAS: APPLE_VAS}
"""Source → name of a chip's content that is text."""


def candidates(read: CardRead, rule: CardRule) -> Iterator[Candidate]:
    """What ``rule`` finds in ``read``; nothing if the read is of another medium or has none of it."""
    match read:
        case MagstripeRead():
            yield from _track(read, rule.read)
        case BarcodeRead() if rule.read is Source.BARCODE:
            yield _barcode(read, rule)
        case ChipRead():
            yield from (text for text in _chip_texts(read, rule) if text)


def is_random_uid(uid: bytes) -> bool:
    """Four bytes that begin with 08 are drawn anew at each tap (ISO/IEC 14443-3 §6.5.4): phones, many bank cards."""
    return len(uid) == 4 and uid[0] == 0x08


def _track(read: MagstripeRead, source: Source) -> Iterator[Candidate]:
    track = _TRACKS.get(source)
    if track in read.failed:
        # The number may stand on the track that did not decode: taking another one would make two members of one.
        yield Refusal(RejectReason.UNREADABLE, "the track that carries the number did not decode")
    elif track and (text := (read.track1, read.track2, read.track3)[track - 1]):
        yield text


def _barcode(read: BarcodeRead, rule: CardRule) -> Candidate:
    symbology = read.symbology
    if rule.symbologies and symbology not in rule.symbologies:
        return Misfit(f"symbology {symbology or 'not told'}; the rule wants {', '.join(rule.symbologies)}")
    if symbology is not None and symbology.startswith(INTERLEAVED) and not rule.has_one_length:
        return Misfit("Interleaved 2 of 5 may be read in part; give the one right length in the rule")
    number = member_number(read.data, symbology)
    if number is not None:
        return number
    if not rule.has_form and symbology in GS1_CARRIERS:
        return Misfit("a GS1 code without a member's number (AI 8018)")
    if not rule.has_form and why_goods(Scan(read.data, symbology)):
        return Misfit("goods, coupons and receipts are for rules with a pattern or a mask")
    text = read.data.strip()
    # In another symbol, twelve digits are twelve digits, whatever their check digit.
    return normalise_gtin(text) if symbology is None or symbology.startswith(EAN) else text


def _chip_texts(read: ChipRead, rule: CardRule) -> Iterator[str | None]:
    match rule.read:
        case Source.LOYALTY:
            yield _loyalty_text(read.contents.get(LOYALTY, b""), rule)
        case Source.LOYALTY_HEX:
            yield read.contents.get(LOYALTY, b"").hex().upper()
        case Source.NDEF:
            yield from _ndef_texts(read.contents.get(NDEF, b""))
        case Source.DESFIRE | Source.SMART_TAP | Source.APPLE_VAS:
            yield read.contents.get(_TEXTS[rule.read], b"").decode("utf-8", "replace")
        case Source.SUN:
            yield read.contents.get(SUN, b"").hex().upper()
        case Source.UID if read.uid is not None and not is_random_uid(read.uid):
            yield read.uid.hex().upper()


def _loyalty_text(data: bytes, rule: CardRule) -> str | None:
    file = parse_loyalty_file(data)
    if isinstance(file, LoyaltyFile):
        return file.number if not rule.issuers or file.issuer in rule.issuers else None
    # A misread file of our own layout is no text; another layout is the pattern's business.
    return data.strip(b"\0\xff ").decode("latin-1") if rule.pattern and file is RejectReason.UNREADABLE else None


def _ndef_texts(message: bytes) -> Iterator[str | None]:
    try:
        records = ndef.parse_message(message)
    except ndef.NdefError:
        return
    for record in records:
        text = record.text or ""
        if record.type == ndef.URI:
            yield text.removeprefix("posd:") if text.startswith("posd:") else _number_in_link(text)
        else:
            yield text


def _number_in_link(uri: str) -> str | None:
    number = member_number(uri)
    return number if isinstance(number, str) else None
