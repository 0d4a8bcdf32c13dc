"""The journal for others: JSON Lines that anyone can verify, CSV for a spreadsheet. Both are streams of text.

JSON Lines: first ``{"format": "posd-journal-1", "till": …}``, then one line per entry with the payload as the exact
text that was hashed, last ``{"head": …}``, so that a file that was cut off is noticed.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from posd.ledger.entries import GENESIS, Entry, Head
from posd.ledger.reader import Reader

FORMAT = "posd-journal-1"
PAGE = 500
BOM = "\ufeff"
COLUMNS = ("seq", "epoch", "id", "kind", "at", "member", "ref", "account", "unit", "amount")


def export_json_lines(reader: Reader, out: TextIO) -> int:
    """Write the whole journal; returns the number of entries. Sales go on meanwhile: what comes later is not in it."""
    _write(out, {"format": FORMAT, "till": reader.till_id()})
    head = Head(0, 0, GENESIS)
    for entry in _journal(reader):
        _write(out, _line(entry))
        head = Head(entry.epoch, entry.seq, entry.hash)
    _write(out, {"head": {"epoch": head.epoch, "seq": head.seq, "hash": head.hash.hex()}})
    return head.seq


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
    for entry in _journal(reader):
        rows.writerows(_csv_rows(entry))
        count += 1
    return count


def opening_till(document: Mapping[str, Any]) -> str:
    """The till whose journal begins with this line. Raises ValueError when none does."""
    if document.get("format") != FORMAT:
        raise ValueError(f"this is not a journal of {FORMAT}")
    return str(document["till"])


def entry_of(document: Mapping[str, Any]) -> Entry:
    """Inverse of a line. Raises KeyError, TypeError or ValueError for anything else."""
    line = document["entry"]
    return Entry(
        seq=int(line["seq"]),
        epoch=int(line["epoch"]),
        entry_id=bytes.fromhex(line["id"]),
        payload=line["payload"].encode(),
        prev=bytes.fromhex(line["prev"]),
        hash=bytes.fromhex(line["hash"]),
    )


def closing_head(document: Mapping[str, Any]) -> Head:
    """The position that the last line names."""
    head = document["head"]
    return Head(int(head["epoch"]), int(head["seq"]), bytes.fromhex(head["hash"]))


def _journal(reader: Reader) -> Iterator[Entry]:
    """In pages, so that a slow reader of the stream holds no snapshot and the log can be cleared."""
    last, after = reader.head().seq, 0
    while after < last:
        page = reader.entries(after, min(PAGE, last - after))
        yield from page
        after = page[-1].seq


def _line(entry: Entry) -> dict[str, Any]:
    place = {"seq": entry.seq, "epoch": entry.epoch, "id": entry.entry_id.hex()}
    chain = {"prev": entry.prev.hex(), "hash": entry.hash.hex()}
    return {"entry": {**place, **chain, "payload": entry.payload.decode()}}


def _write(out: TextIO, document: Mapping[str, Any]) -> None:
    out.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")


def _csv_rows(entry: Entry) -> Iterator[tuple[object, ...]]:
    draft = entry.draft
    at = datetime.fromtimestamp(draft.at.wall_ms / 1000, UTC).isoformat(timespec="milliseconds")
    ref = draft.ref.hex() if draft.ref else ""
    fact = (entry.seq, entry.epoch, entry.entry_id.hex(), draft.kind.value, at, draft.member or "", ref)
    if not draft.legs:
        yield (*fact, "", "", "")
    for leg in draft.legs:
        yield (*fact, leg.account, leg.unit, leg.amount)
