"""A read in words for the technician (``posd card decode``, ``posd selftest``): what was there, never which digits."""

from __future__ import annotations

from posd.cards.barcode import Scan, is_product
from posd.cards.identity import Identity
from posd.cards.reads import BarcodeRead, CardRead, ChipRead, MagstripeRead, RejectedRead
from posd.cards.rules import is_random_uid, medium_of

Row = tuple[str, str]
"""Label and text."""


def describe(read: CardRead | RejectedRead, identity: Identity | RejectedRead | None = None) -> list[Row]:
    """Rows for people: what was read, and what the club's rules made of it. No digits but an identity's tail."""
    if isinstance(read, RejectedRead):
        return _describe_rejection(read)
    rows = [("medium", medium_of(read).value), *_describe_read(read)]
    if isinstance(identity, RejectedRead):
        return rows + _describe_rejection(identity)[1:]
    return rows if identity is None else rows + _describe_identity(identity)


def _describe_rejection(rejected: RejectedRead) -> list[Row]:
    rows = [("medium", rejected.medium.value), ("rejected", rejected.reason.value)]
    return [*rows, ("because", rejected.detail)] if rejected.detail else rows


def _describe_read(read: CardRead) -> list[Row]:
    if isinstance(read, MagstripeRead):
        return _describe_tracks(read)
    if isinstance(read, BarcodeRead):
        kind = "product" if is_product(Scan(read.data, read.symbology)) else "no product"
        return [("symbology", read.symbology or "not sent"), ("data", f"{_shape(read.data)}, {kind}")]
    return _describe_chip(read)


def _describe_tracks(read: MagstripeRead) -> list[Row]:
    tracks = {1: read.track1, 2: read.track2, 3: read.track3}
    shown = {number: _shape(data) for number, data in tracks.items() if data is not None}
    shown |= dict.fromkeys(read.failed, "did not decode")
    return [(f"track {number}", shown[number]) for number in sorted(shown)]


def _describe_chip(read: ChipRead) -> list[Row]:
    rows = [("ATR", read.atr.hex(" ").upper() or "none")]
    if read.uid is not None:
        rows.append(("UID", f"{len(read.uid)} bytes" + (", random" if is_random_uid(read.uid) else "")))
    return rows + [(name, f"{len(data)} bytes") for name, data in read.contents.items()]


def _describe_identity(identity: Identity) -> list[Row]:
    return [
        ("scheme", identity.scheme),
        ("number", f"{len(identity.value)} characters" + (f", ends in {identity.tail}" if identity.tail else "")),
        ("may", "collect only" if identity.earn_only else "collect and spend"),
    ]


def _shape(data: str) -> str:
    if data.isascii() and data.isdigit():
        return f"{len(data)} digits"
    return f"{len(data)} characters"
