"""``posd ledger``: look into the ledger, check it, take a copy, close a period, archive what is old.

What only reads may run while the till sells. `close` asks a running till; `archive` needs it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from posd.cli.place import Place, json_option, pass_place, print_json
from posd.cli.till_client import TillClient, TillNotRunning
from posd.errors import ConfigError, LedgerBroken, LedgerUnwritable
from posd.ledger.backup import back_up
from posd.ledger.closing import closed_document
from posd.ledger.entries import Draft, Entry, Kind
from posd.ledger.export import Sign, Signed, export_csv, export_json_lines
from posd.ledger.reader import Reader
from posd.ledger.retention import Old, closed_before_ms, closed_before_seq
from posd.ledger.retention import archive as archive_old
from posd.ledger.stats import stats as ledger_stats
from posd.ledger.stats import trial_balance
from posd.ledger.store import Store
from posd.ledger.verify import Report, verify_journal, verify_ledger
from posd.machine import SystemClock, Uuid7Source
from posd.sync.key_file import load_seed


@click.group()
def ledger() -> None:
    """The till's journal: verify, show, balance, export, stats, backup, close, archive."""


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


JOURNAL = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@ledger.command()
@click.option("--journal", "journals", type=JOURNAL, multiple=True, help="An export or archive; several, oldest first.")
@click.option("--archive", "archives", type=JOURNAL, multiple=True, help="This ledger's archives too, oldest first.")
@click.option("--key", help="With --journal: the till's public key, by which the last one must be signed.")
@json_option
@pass_place
def verify(
    place: Place, journals: tuple[Path, ...], archives: tuple[Path, ...], key: str | None, as_json: bool
) -> None:
    """Check every promise; name the first entry that breaks one."""
    if key is not None and not journals:
        raise click.UsageError("--key is for an exported journal: name one with --journal")
    report = _verify(place, journals, archives)
    if report.ok:
        _check_signature(report, key)
    if as_json:
        print_json(_report(report))
    if not report.ok:
        raise LedgerBroken(str(report.broken))
    if not as_json:
        click.echo(f"fine: {report.head.seq} entries, head {report.head.hash.hex()[:16]}")


def _verify(place: Place, journals: Sequence[Path], archives: Sequence[Path]) -> Report:
    with ExitStack() as opened:
        files = [opened.enter_context(path.open(encoding="utf-8", newline="\n")) for path in journals or archives]
        if journals:
            return verify_journal(*files)
        opened.enter_context(reading(place))
        return verify_ledger(place.ledger_file, files)


def _check_signature(report: Report, key: str | None) -> None:
    """Raises `LedgerBroken` when a signature is wrong, or is not there although its ``key`` was named."""
    from posd.sync.identity import vouches  # noqa: PLC0415  # loads the cryptography

    signed = report.signed
    if signed is not None and not vouches(signed.key, signed.signature, report.till_id, report.head):
        raise LedgerBroken("the signature is not of this journal: it was changed after the till signed it")
    if key is not None and (signed is None or signed.key != key.strip().lower()):
        by = "nobody" if signed is None else f"the key {signed.key}"
        raise LedgerBroken(
            f"the journal is signed by {by}; ask the club for the till's key: posd club till list --json"
        )


def _signing(place: Place) -> Sign | None:
    """How this till vouches for its journal; None when it has no key."""
    from posd.sync.identity import SigningKey, journal_head  # noqa: PLC0415  # loads the cryptography

    seed = load_seed(place.state_dir)
    if not seed:
        return None
    key = SigningKey.of(bytes.fromhex(seed))
    return lambda till, head: Signed(key.public, key.sign(journal_head(till, head)).hex())


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
    if draft.kind is Kind.CLOSE:
        return f"entries {draft.body['first']} to {draft.body['last']}"
    if draft.kind is Kind.CHECKPOINT:
        return f"the ledger may be cut after entry {draft.body['through']['seq']}"
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
    """Write the whole journal to standard output: JSON Lines that anyone can verify, signed by the till, or CSV."""
    with reading(place) as reader:
        if as_csv:
            count = export_csv(reader, sys.stdout, bom=excel)
        else:
            count = export_json_lines(reader, sys.stdout, sign=_signing(place))
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


@ledger.command()
@click.argument("file", type=NEW_FILE)
@pass_place
def backup(place: Place, file: Path) -> None:
    """Copy the ledger to FILE while the till sells, and check the copy."""
    with reading(place):
        report = back_up(place.ledger_file, file)
    click.echo(f"{file}: {report.head.seq} entries, head {report.head.hash.hex()[:16]}, checked")


@ledger.command()
@json_option
@pass_place
def close(place: Place, as_json: bool) -> None:
    """Close the day: state in the journal what was booked since the close before. Twice is the same as once."""
    try:
        document = TillClient(place.socket_file).post("/v1/ledger/close", {})
    except TillNotRunning:
        with writing(place) as store:
            document = closed_document(store.close_period(Uuid7Source()(), SystemClock().now()))
    if as_json:
        print_json(document)
        return
    body = document["body"]
    click.echo(f"closed entries {body['first']} to {body['last']} with entry {document['seq']}, {document['hash'][:8]}")
    for kind, units in body["totals"].items():
        click.echo(f"{kind:12}  {body['entries'][kind]:>8}")
        for unit, groups in units.items():
            for group, amount in groups.items():
                click.echo(f"{'':22}  {group:20}  {amount:>16} {unit}")


@ledger.command()
@click.argument("file", type=NEW_FILE)
@click.option("--before", required=True, help="A day (2026-03-21) or an entry's number.")
@pass_place
def archive(place: Place, file: Path, before: str) -> None:
    """Move closed periods that the club has into FILE, a journal that anyone can verify. Keep that file."""
    old = _old(before)
    with writing(place) as store:
        now, sign = SystemClock().now(), _signing(place)
        taken = archive_old(store, file, old, entry_id=Uuid7Source()(), at=now, sign=sign)
    click.echo(f"{file}: entries {taken.first} to {taken.last}; the ledger goes on after them")


def _old(before: str) -> Old:
    if before.isdecimal():
        return closed_before_seq(int(before))
    try:
        day = datetime.fromisoformat(before)
    except ValueError:
        raise click.BadParameter(f"{before!r} is no day (2026-03-21) and no number of an entry") from None
    return closed_before_ms(int(day.astimezone().timestamp()) * 1000)


@contextmanager
def writing(place: Place) -> Iterator[Store]:
    """The ledger of a till that does not run. Raises `LedgerInUse` when it does."""
    with reading(place):
        pass
    with closing(Store.open(place.ledger_file, clock=SystemClock())) as store:
        if store.fault is not None:
            raise LedgerUnwritable(store.fault)
        yield store
