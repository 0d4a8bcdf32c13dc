"""`verify` names the first broken entry and the promise that it breaks, in a file and in an exported journal."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from posd.errors import LedgerBroken
from posd.ledger.entries import Head, chained, parse_payload
from posd.ledger.export import BOM, export_csv, export_json_lines
from posd.ledger.reader import Reader
from posd.ledger.store import Store
from posd.ledger.verify import verify_journal, verify_ledger
from tests.fakes.sales import back, enrolment, member, new_id, open_store, sale

COUNT = 8


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Eight entries: 1 acknowledged, 3 voided by 4, 5 an enrolment."""
    with open_store(tmp_path, till_id="t") as store:
        sold = sale()
        first = store.append(sale()).result()
        for draft in (sale(), sold, back(sold)):
            store.append(draft).result()
        store.append(enrolment("m2"), provisional=member("m2")).result()
        for _ in range(3):
            store.append(sale("m2")).result()
        store.acknowledge(1, first.hash).result()
    return tmp_path / "ledger.db"


def tamper(path: Path, *statements: str) -> None:
    """As somebody with a database tool would: triggers out of the way first."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma foreign_keys = off")
    for (name,) in connection.execute("select name from sqlite_schema where type = 'trigger'").fetchall():
        connection.execute(f"drop trigger {name}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_good_ledger_is_good(ledger: Path) -> None:
    """The positive control of all that follows."""
    tamper(ledger)
    report = verify_ledger(ledger)
    assert (report.ok, report.till_id, report.head.seq) == (True, "t", COUNT)


@pytest.mark.parametrize(
    ("statement", "seq", "promise"),
    [
        ("delete from entry where seq = 6", 6, "I2"),
        ("delete from entry where seq = 1", 1, "I2"),
        ("update entry set hash = zeroblob(32) where seq = 2", 2, "I2"),
        ("update entry set prev = zeroblob(32) where seq = 2", 2, "I2"),
        ("update entry set payload = cast(replace(payload, '100000', '100001') as blob) where seq = 7", 7, "I2"),
        ("update entry set epoch = 1 where seq = 2", 2, "I2"),
        ("update entry set id = randomblob(16) where seq = 3", 3, "I2"),
        ("update till_state set till_id = 'clone'", 1, "I2"),
        ("update entry set kind = 'refund' where seq = 4", 4, "payload"),
        ("update entry set member = 'thief' where seq = 8", 8, "payload"),
        ("update leg set amount = amount * 2 where seq = 6", 6, "I3"),
        ("update leg set account = 'member:thief' where seq = 8 and account = 'member:m2'", 8, "I3"),
        ("delete from leg where seq = 2 and n = 1", 2, "I3"),
        ("insert into leg values (5, 0, 'a', 'PTS', 1)", 5, "I3"),
        ("delete from outbox where seq = 7", 7, "I7"),
        ("insert into outbox (seq) values (1)", 1, "I7"),
        ("update till_state set acked_hash = zeroblob(32)", 1, "I8"),
        ("update till_state set acked_seq = 99", 99, "I8"),
        ("insert into leg values (77, 0, 'a', 'PTS', 1)", 0, "file"),
    ],
)
def test_every_broken_promise_is_named(ledger: Path, statement: str, seq: int, promise: str) -> None:
    tamper(ledger, statement)
    broken = verify_ledger(ledger).broken
    assert broken is not None
    assert (broken.seq, broken.promise) == (seq, promise)


@pytest.mark.parametrize(("seq", "same_id", "promise"), [(2, True, "I4"), (4, False, "I5")])
def test_what_was_booked_or_resolved_twice_is_named(ledger: Path, seq: int, same_id: bool, promise: str) -> None:
    """The chain is whole around the double, so only its own check can find it."""
    tamper(ledger)
    book_again(ledger, seq, same_id=same_id)
    broken = verify_ledger(ledger).broken
    assert broken is not None
    assert (broken.seq, broken.promise) == (COUNT + 1, promise)


def book_again(path: Path, seq: int, *, same_id: bool) -> None:
    """Entry ``seq`` once more as the last one, under the same or another id, in a copy of the table that a tool made
    and that lacks its constraints."""
    connection = sqlite3.connect(path, isolation_level=None)
    payload, kind, who, ref = connection.execute(
        "select payload, kind, member, ref from entry where seq = ?", (seq,)
    ).fetchone()
    head = Head(*connection.execute("select epoch, seq, hash from entry order by seq desc limit 1").fetchone())
    draft = parse_payload(payload)
    if not same_id:
        draft = replace(draft, entry_id=new_id())
    entry = chained(draft, head, "t")
    connection.execute("create table copy as select * from entry")
    connection.execute("drop table entry")
    connection.execute("alter table copy rename to entry")
    row = (entry.seq, 0, entry.entry_id, kind, who, ref, entry.payload, entry.prev, entry.hash)
    connection.execute("insert into entry values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.execute(
        "insert into leg select ?, n, account, unit, amount from leg where seq = ? order by n", (entry.seq, seq)
    )
    connection.execute("insert into outbox (seq) values (?)", (entry.seq,))
    connection.close()


def test_a_damaged_page_is_found(ledger: Path) -> None:
    with ledger.open("r+b") as file:
        file.seek(4096 * 2 + 8)
        file.write(b"\xff" * 64)
    with pytest.raises(LedgerBroken, match="Copy the file"):
        verify_ledger(ledger)


def exported(path: Path) -> list[str]:
    reader, out = Reader(path), io.StringIO()
    assert export_json_lines(reader, out) == COUNT
    reader.close()
    return out.getvalue().splitlines(keepends=True)


def test_an_exported_journal_verifies_without_the_ledger(ledger: Path) -> None:
    report = verify_journal(exported(ledger))
    assert (report.ok, report.till_id, report.head.seq) == (True, "t", COUNT)


def without(lines: list[str], index: int) -> list[str]:
    return lines[:index] + lines[index + 1 :]


def test_a_journal_that_was_tampered_with_names_its_first_broken_entry(ledger: Path) -> None:
    lines = exported(ledger)
    changed = [*lines[:3], lines[3].replace("100000", "100001"), *lines[4:]]
    swapped = [*lines[:4], lines[5], lines[4], *lines[6:]]
    for journal, seq, promise in (
        (without(lines, 6), 6, "I2"),
        (changed, 3, "I2"),
        (swapped, 4, "I2"),
        (lines[:-1], COUNT + 1, "I2"),
        (without(lines, COUNT), COUNT, "I2"),
        ([*lines[:5], "{half a line", *lines[5:]], 5, "payload"),
        (lines[1:], 1, "payload"),
        ([], 1, "I2"),
    ):
        broken = verify_journal(journal).broken
        assert broken is not None
        assert (broken.seq, broken.promise) == (seq, promise)


@pytest.mark.parametrize(("seq", "same_id", "promise"), [(2, True, "I4"), (4, False, "I5")])
def test_a_journal_with_a_double_names_it(ledger: Path, seq: int, same_id: bool, promise: str) -> None:
    lines = exported(ledger)
    head = Head(0, COUNT, bytes.fromhex(json.loads(lines[-1])["head"]["hash"]))
    draft = parse_payload(json.loads(lines[seq])["entry"]["payload"].encode())
    entry = chained(draft if same_id else replace(draft, entry_id=new_id()), head, "t")
    line = {"seq": entry.seq, "epoch": 0, "id": entry.entry_id.hex(), "prev": entry.prev.hex()}
    line |= {"hash": entry.hash.hex(), "payload": entry.payload.decode()}
    broken = verify_journal([*lines[:-1], json.dumps({"entry": line}), lines[-1]]).broken
    assert broken is not None
    assert (broken.seq, broken.promise) == (COUNT + 1, promise)


def test_csv_has_a_row_per_leg_and_a_byte_order_mark_when_asked(ledger: Path) -> None:
    reader, out = Reader(ledger), io.StringIO(newline="")
    assert export_csv(reader, out, bom=True) == COUNT
    reader.close()
    text = out.getvalue()
    assert text.startswith(BOM)
    rows = list(csv.DictReader(io.StringIO(text.removeprefix(BOM), newline="")))
    assert sum(int(row["amount"]) for row in rows if row["unit"] == "PTS") == 0
    assert [row["account"] for row in rows if row["seq"] == "5"] == [""], "an enrolment moves nothing"
    assert {row["at"] for row in rows} == {"2025-11-13T02:13:20.000+00:00"}
    void = next(row for row in rows if row["kind"] == "void")
    assert void["ref"] == next(row for row in rows if row["seq"] == "3")["id"]


def test_exporting_goes_on_while_sales_do(tmp_path: Path) -> None:
    """More than a page of entries; what is booked meanwhile is not in the export, and it still verifies."""
    with open_store(tmp_path) as store:
        for future in [store.append(sale()) for _ in range(1200)]:
            future.result()
        out = SellingMeanwhile(store)
        assert export_json_lines(store.reader(), out) == 1200
        assert store.reader().head().seq > 1200
    assert verify_journal(out.getvalue().splitlines()).ok


class SellingMeanwhile(io.StringIO):
    """A file that takes so long that the till sells while it is written."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store

    def write(self, text: str) -> int:
        if '"seq":600' in text:
            self.store.append(sale()).result()
        return super().write(text)
