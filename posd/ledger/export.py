"""The journal for others: JSON Lines that anyone can verify, CSV for a spreadsheet. Both are streams of text.

JSON Lines: first ``{"format": "posd-journal-1", "till": …}``, then one line per entry with the payload as the exact
text that was hashed, last ``{"head": …}``, so that a file that was cut off is noticed. A journal whose beginning is in
an archive says in its first line ``"after"`` which entry it follows, and then in a line per account what that held.
After the head may come ``{"signed": [key, signature]}``: the till vouches for that head, and so for all that it chains.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from posd.errors import LedgerError
from posd.ledger.connection import snapshot
from posd.ledger.entries import BEGINNING, Entry, Head
from posd.ledger.reader import Reader
from posd.ledger.rows import cut_of, opening_of

FORMAT = "posd-journal-1"
PAGE = 500
BOM = "\ufeff"
COLUMNS = ("seq", "epoch", "id", "kind", "at", "member", "ref", "account", "unit", "amount")


@dataclass(frozen=True, slots=True)
class Signed:
    """Who vouches for a head, and by what: Ed25519 public key and signature of `posd.sync.identity.journal_head`, as
    hex."""

    key: str
    signature: str


Sign = Callable[[str, Head], Signed]
"""How a till vouches for a head of its journal."""


def export_json_lines(reader: Reader, out: TextIO, through: int | None = None, sign: Sign | None = None) -> int:
    """Write the journal, up to the entry ``through``; returns the number of entries. Sales go on meanwhile: what comes
    later is not in it. ``sign`` vouches for the till's head. Raises `LedgerError` when its beginning is archived
    meanwhile."""
    with snapshot(reader.db):
        start, opening = cut_of(reader.db), opening_of(reader.db)
    out.write(opening_line(reader.till_id(), start))
    for (account, unit), amount in sorted(opening.items()):
        out.write(account_line(account, unit, amount))
    head = start
    for entry in _journal(reader, start.seq, through):
        out.write(entry_line(entry))
        head = Head(entry.epoch, entry.seq, entry.hash)
    out.write(head_line(head))
    if sign is not None:
        out.write(signed_line(sign(reader.till_id(), head)))
    return head.seq - start.seq


def export_csv(reader: Reader, out: TextIO, *, bom: bool = False) -> int:
    """Write one row per leg (an entry without legs has one row); returns the number of entries.

    ``at`` is UTC. ``bom``: begin with a byte order mark, by which spreadsheet programs know UTF-8. Open the file with
    ``newline=""``.
    """
    if bom:
        out.write(BOM)
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    count = 0
    for entry in _journal(reader, reader.cut().seq):
        rows.writerows(_csv_rows(entry))
        count += 1
    return count


def opening_line(till: str, start: Head) -> str:
    """``start``: the entry that the journal follows."""
    after = {} if start == BEGINNING else {"after": _position(start)}
    return _line({"format": FORMAT, "till": till, **after})


def account_line(account: str, unit: str, amount: int) -> str:
    return _line({"opening": [account, unit, amount]})


def entry_line(entry: Entry) -> str:
    place = {"seq": entry.seq, "epoch": entry.epoch, "id": entry.entry_id.hex()}
    chain = {"prev": entry.prev.hex(), "hash": entry.hash.hex()}
    return _line({"entry": {**place, **chain, "payload": entry.payload.decode()}})


def head_line(head: Head) -> str:
    return _line({"head": _position(head)})


def signed_line(signed: Signed) -> str:
    return _line({"signed": [signed.key, signed.signature]})


def _position(head: Head) -> dict[str, Any]:
    return {"epoch": head.epoch, "seq": head.seq, "hash": head.hash.hex()}


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def _journal(reader: Reader, after: int, through: int | None = None) -> Iterator[Entry]:
    """In pages, so that a slow reader of the stream holds no snapshot and the log can be cleared."""
    last = reader.head().seq if through is None else through
    while after < last:
        page = reader.entries(after, min(PAGE, last - after))
        if not page or page[0].seq != after + 1:
            raise LedgerError(f"entry {after + 1} was archived meanwhile; export again")
        yield from page
        after = page[-1].seq


def _csv_rows(entry: Entry) -> Iterator[tuple[object, ...]]:
    draft = entry.draft
    at = datetime.fromtimestamp(draft.at.wall_ms / 1000, UTC).isoformat(timespec="milliseconds")
    ref = draft.ref.hex() if draft.ref else ""
    fact = (entry.seq, entry.epoch, entry.entry_id.hex(), draft.kind.value, at, draft.member or "", ref)
    if not draft.legs:
        yield (*fact, "", "", "")
    for leg in draft.legs:
        yield (*fact, leg.account, leg.unit, leg.amount)
