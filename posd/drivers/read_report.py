"""What an interactive check tells of the card that a person presented: enough to see whether reader, layout and rules
fit together, and never a number. The read goes nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

from posd.cards.atr import parse_atr
from posd.cards.candidates import is_random_uid
from posd.cards.checks import gs1_ok, luhn_ok
from posd.cards.decode import decode
from posd.cards.layout_suspicion import layout_suspicion
from posd.cards.reads import BarcodeRead, CardRead, ChipRead, MagstripeRead, RejectedRead, RejectReason
from posd.cards.rules import CardRules, explain, identify
from posd.cards.wedge import KeyTiming
from posd.drivers.base import Health
from posd.events import RawRead

_TRY_AGAIN = "present it again; if that stays, try another card and clean the reader"
_FIXES = {
    RejectReason.PARTIAL: "swipe at one even speed; compare suffix, strip_prefix and strip_suffix with the reader",
    RejectReason.OTHER_CLUB: "take a card of the club, or write a [[cards.rule]] for this kind (docs/cards.md)",
    RejectReason.PRODUCT_BARCODE: "the reader works; take a card instead of a product",
    RejectReason.EMPTY_PHONE: "unlock the phone and choose the club's pass; see Phones in docs/cards.md",
    RejectReason.NOISE: "present one card, once",
}


def report_of(
    raw: RawRead, rules: CardRules, timing: KeyTiming | None = None, layout: str | None = None
) -> list[Health]:
    """The findings about one read, the most general first. ``timing`` and ``layout``: of a reader that types."""
    read = decode(raw, rules)
    told = [*_arrived(raw), *_timing(timing), *_layout(raw, layout)]
    if isinstance(read, RejectedRead):
        return [*told, _refused(read)]
    found = identify(read, rules)
    rule = explain(read, rules)[-1]
    told += _parts(read)
    if isinstance(found, RejectedRead):
        return [*told, _refused(found)]
    spends = "earns only" if found.earn_only else "earns and spends"
    number = f"a number of {len(found.value)} characters ending in {found.tail}, scheme {found.scheme}, {spends}"
    return [*told, Health(True, "card rule", f"{rule.rule} fits: {number}")]


def _arrived(raw: RawRead) -> list[Health]:
    return [] if raw.flaw is not None else [Health(True, "reads", f"a read of {len(raw.payload)} bytes came")]


def _timing(timing: KeyTiming | None) -> list[Health]:
    if timing is None:
        return []
    gaps = f"{timing.median_gap_ms:.1f} ms apart, at most {timing.longest_gap_ms:.1f} ms"
    return [Health(True, "key timing", f"{timing.characters} characters, {gaps}")]


def _layout(raw: RawRead, layout: str | None) -> list[Health]:
    if layout is None or raw.flaw is not None:
        return []
    suspicion = layout_suspicion(raw.payload.decode("utf-8", "replace"), layout)
    if suspicion is None:
        return [Health(True, "layout", f"nothing speaks against the layout {layout!r}")]
    detail, _, fix = suspicion.partition("; ")
    return [Health(False, "layout", detail, fix)]


def _refused(read: RejectedRead) -> Health:
    """A payment card proves the reader as well as any other, and must be refused."""
    if read.reason is RejectReason.PAYMENT_CARD:
        return Health(True, "payment card", "recognised and refused, as on every medium; nothing of it was kept")
    detail = f"{read.reason.value}: {read.detail}" if read.detail else read.reason.value
    return Health(False, "card", detail, _FIXES.get(read.reason, _TRY_AGAIN))


def _parts(read: CardRead) -> Iterator[Health]:
    if isinstance(read, MagstripeRead):
        yield from _tracks(read)
    elif isinstance(read, BarcodeRead):
        yield from _barcode(read)
    else:
        yield from _chip(read)


def _tracks(read: MagstripeRead) -> Iterator[Health]:
    for number, track in enumerate((read.track1, read.track2, read.track3), 1):
        if number in read.failed:
            detail = "the reader could not decode it (parity or LRC)"
            yield Health(False, f"track {number}", detail, "clean the head; try another card")
        elif track is not None:
            yield Health(True, f"track {number}", f"{len(track)} characters")


def _barcode(read: BarcodeRead) -> Iterator[Health]:
    symbology = read.symbology or "not sent; AIM identifiers can be switched on in the scanner"
    yield Health(True, "symbology", symbology)
    checks = [name for name, holds in (("GS1", gs1_ok(read.data)), ("Luhn", luhn_ok(read.data))) if holds]
    yield Health(
        True, "data", f"{len(read.data)} characters; check digit: {' and '.join(checks) or 'none that posd knows'}"
    )


def _chip(read: ChipRead) -> Iterator[Health]:
    atr = parse_atr(read.atr)
    kind = "contactless" if atr.contactless else "contact"
    storage = "" if atr.storage_card is None else f", storage card {atr.storage_card:04X}"
    yield Health(True, "chip", f"{kind}{storage}")
    if read.uid is not None:
        drawn = "drawn anew at each tap, so no number of a card" if is_random_uid(read.uid) else "fixed"
        yield Health(True, "uid", f"{len(read.uid)} bytes, {drawn}")
    contents = ", ".join(f"{name} ({len(data)} bytes)" for name, data in read.contents.items())
    yield Health(True, "contents", contents or "none that posd reads")
