"""Evidence of a reader check for the journal: which device was tested, how far, with what result. Nothing of a card."""

from __future__ import annotations

from collections.abc import Sequence

from posd.clock import Instant
from posd.ledger.entries import Draft, Kind


def reader_check_draft(
    entry_id: bytes,
    at: Instant,
    *,
    reader: str,
    driver: str,
    identity: str,
    level: str,
    results: Sequence[tuple[str, bool]],
) -> Draft:
    """``identity``: port and serial of the device. ``results``: name of each check and whether it passed; what a check
    says in words may describe a card and stays out."""
    body = {
        "reader": reader,
        "driver": driver,
        "identity": identity,
        "level": level,
        "results": [{"name": name, "ok": ok} for name, ok in results],
    }
    return Draft(entry_id, Kind.READER_CHECK, at, None, (), body)
