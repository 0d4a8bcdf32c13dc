"""``posd ledger``: look into the ledger, check it, take a copy. Reads only; the till may go on selling meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from posd.cli.place import Place, json_option, pass_place, print_json
from posd.errors import ConfigError, LedgerBroken
from posd.ledger.entries import Draft, Entry, Kind
from posd.ledger.export import export_csv, export_json_lines
from posd.ledger.reader import Reader
from posd.ledger.stats import stats as ledger_stats
from posd.ledger.stats import trial_balance
from posd.ledger.verify import Report, verify_journal, verify_ledger


@click.group()
def ledger() -> None:
    """The till's journal: verify, show, balance, export, stats."""


@contextmanager
def reading(place: Place) -> Iterator[Reader]:
    """A read-only view of the ledger file. Raises `ConfigError` when there is none."""
    if not place.ledger_file.is_file():
        raise ConfigError(f"there is no ledger in {place.state_dir}; name the right place with --state-dir")
    reader = Reader(place.ledger_file)
    try:
        yield reader
    finally:
        reader.close()


@ledger.command()
@click.option("--journal", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An exported journal.")
@json_option
@pass_place
def verify(place: Place, journal: Path | None, as_json: bool) -> None:
    """Check every promise; name the first entry that breaks one."""
    report = _verify(place, journal)
    if as_json:
        print_json(_report(report))
    if not report.ok:
        raise LedgerBroken(str(report.broken))
    if not as_json:
        click.echo(f"fine: {report.head.seq} entries, head {report.head.hash.hex()[:16]}")


def _verify(place: Place, journal: Path | None) -> Report:
    if journal is None:
        with reading(place):
            return verify_ledger(place.ledger_file)
    with journal.open(encoding="utf-8") as lines:
        return verify_journal(lines)


def _report(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "epoch": report.head.epoch,
        "seq": report.head.seq,
        "hash": report.head.hash.hex(),
        "broken": None if report.broken is None else str(report.broken),
    }


@ledger.command()
@click.option("--last", default=20, show_default=True, help="How many entries.")
@json_option
@pass_place
def show(place: Place, last: int, as_json: bool) -> None:
    """The newest entries."""
    with reading(place) as reader:
        head = reader.head().seq
        entries = reader.entries(max(0, head - last), last)
    documents = [entry_document(entry) for entry in entries]
    if as_json:
        print_json(documents)
        return
    for document in documents:
        click.echo(f"{document['seq']:>8}  {document['at']}  {document['kind']:12}  {document['summary']}")


def entry_document(entry: Entry) -> dict[str, Any]:
    draft = entry.draft
    return {
        "seq": entry.seq,
        "id": entry.entry_id.hex(),
        "at": datetime.fromtimestamp(draft.at.wall_ms // 1000, UTC).isoformat(),
        "kind": draft.kind.value,
        "member": draft.member,
        "summary": _summary(draft),
    }


def _summary(draft: Draft) -> str:
    if draft.kind is Kind.READER_CHECK:
        failed = [result["name"] for result in draft.body["results"] if not result["ok"]]
        result = f"failed: {', '.join(failed)}" if failed else "passed"
        return " ".join((draft.body["reader"], draft.body["identity"], draft.body["level"], result))
    return "  ".join(f"{leg.account} {leg.amount:+d} {leg.unit}" for leg in draft.legs)


@ledger.command()
@json_option
@pass_place
def balance(place: Place, as_json: bool) -> None:
    """Every account of this till's journal; each unit sums to zero."""
    with reading(place) as reader:
        accounts = trial_balance(reader)
    if as_json:
        print_json(accounts)
        return
    for account, units in sorted(accounts.items()):
        click.echo(f"{account:40}  " + "  ".join(f"{amount:>16} {unit}" for unit, amount in sorted(units.items())))


@ledger.command()
@click.option("--csv", "as_csv", is_flag=True, help="One row per leg, for a spreadsheet.")
@click.option("--excel", is_flag=True, help="With --csv: a mark by which Excel knows UTF-8.")
@pass_place
def export(place: Place, as_csv: bool, excel: bool) -> None:
    """Write the whole journal to standard output: JSON Lines that anyone can verify, or CSV."""
    with reading(place) as reader:
        count = export_csv(reader, sys.stdout, bom=excel) if as_csv else export_json_lines(reader, sys.stdout)
    click.echo(f"{count} entries", err=True)


@ledger.command()
@json_option
@pass_place
def stats(place: Place, as_json: bool) -> None:
    """How big, how far, how old."""
    with reading(place) as reader:
        document = ledger_stats(reader).as_json()
    if as_json:
        print_json(document)
        return
    for key, value in document.items():
        click.echo(f"{key:20} {value}")
