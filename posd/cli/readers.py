"""``posd readers``, ``selftest``, ``record``, ``replay``: what is plugged in, whether it works, what it says."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from posd.cards.decode import decode
from posd.cards.reads import RejectedRead
from posd.cards.rules import CardRules, identify, parse_rules
from posd.cli.lazy import LazyGroup
from posd.cli.place import Place, json_option, pass_place, print_json
from posd.cli.till_client import TillClient, TillNotRunning
from posd.drivers.base import Candidate, HealthLevel, ReaderConfig
from posd.drivers.containment import contained
from posd.drivers.discovery import Discovery, discover
from posd.drivers.recording import RecordingDriver
from posd.drivers.registry import BrokenDriver, build_options, load_driver
from posd.drivers.selftest import check_readers
from posd.drivers.transcript import parse_line
from posd.errors import ConfigError, DeviceBusy
from posd.machine import SystemClock
from posd.tables import nearest


@click.group(cls=LazyGroup, named={"calibrate": "posd.cli.calibrate:calibrate"}, invoke_without_command=True)
@click.option("--toml", "as_toml", is_flag=True, help="Print a [[reader]] table for each device not assigned yet.")
@json_option
@pass_place
@click.pass_context
def readers(context: click.Context, place: Place, as_toml: bool, as_json: bool) -> None:
    """List devices that could be readers, and what they are assigned to. Nothing is opened."""
    if context.invoked_subcommand is not None:
        return
    found = discover(place.config.readers)
    if as_json:
        print_json(_document(found))
    elif as_toml:
        for item in found.found:
            if item.reader_id is None:
                click.echo(_toml(item.candidate))
    else:
        _print(found, place.config.readers)


def _document(found: Discovery) -> dict[str, Any]:
    return {
        "devices": [
            {
                "driver": item.candidate.driver,
                "address": item.candidate.address,
                "identity": item.candidate.identity,
                "name": item.candidate.name,
                "device_class": item.candidate.device_class.value,
                "reader": item.reader_id,
            }
            for item in found.found
        ],
        "broken_drivers": [{"name": item.name, "detail": item.detail, "fix": item.fix} for item in found.broken],
    }


def _toml(candidate: Candidate) -> str:
    """JSON strings are TOML strings too."""
    return "\n".join(
        (
            "[[reader]]",
            f"id = {json.dumps(candidate.identity)}",
            f"name = {json.dumps(candidate.name)}",
            f"driver = {json.dumps(candidate.driver)}",
            f"device_class = {json.dumps(candidate.device_class.value)}",
            f"address = {json.dumps(candidate.address)}",
            "",
        )
    )


def _print(found: Discovery, configured: tuple[ReaderConfig, ...]) -> None:
    for item in found.found:
        state = f"reader {item.reader_id!r}" if item.reader_id else "not assigned"
        click.echo(f"{item.candidate.name}  ({item.candidate.driver}, {state})\n    {item.candidate.address}")
    for broken in found.broken:
        click.echo(f"driver {broken.name} is broken: {broken.detail}; {broken.fix}")
    if not found.found:
        click.echo("nothing that looks like a reader is plugged in")
    known = {item.reader_id for item in found.found}
    for reader in configured:
        if reader.reader_id not in known and reader.driver not in ("simulated", "replay"):
            click.echo(f"reader {reader.reader_id!r} is configured and not plugged in")


@click.command()
@click.argument("reader", required=False)
@click.option(
    "--level", type=click.Choice([level.value for level in HealthLevel]), default="external", show_default=True
)
@json_option
@pass_place
def selftest(place: Place, reader: str | None, level: str, as_json: bool) -> None:
    """Check one reader, or all. Interactive: present a card when asked. Exit 1 when a check failed."""
    reports = _by_the_till(place, reader, level) or _by_ourselves(place, reader, level)
    if as_json:
        print_json(reports)
    else:
        for report in reports:
            click.echo(report["reader"])
            for check in report["checks"]:
                click.echo(f"  {'✓' if check['ok'] else '✗'} {check['name']}: {check['detail']}")
                if check["fix"]:
                    click.echo(f"      {check['fix']}")
    failed = any(not check["ok"] for report in reports for check in report["checks"])
    click.get_current_context().exit(1 if failed else 0)


def _by_the_till(place: Place, reader: str | None, level: str) -> list[dict[str, Any]]:
    """A running till holds its readers, so it does the checking."""
    client = TillClient(place.socket_file, timeout_s=60)
    try:
        known = [item["id"] for item in client.get("/v1/readers")["readers"]]
    except TillNotRunning:
        return []
    wanted = known if reader is None else [_expect(reader, known)]
    return [
        {"reader": name, "checks": client.post(f"/v1/readers/{name}/check", {"level": level})["checks"]}
        for name in wanted
    ]


def _by_ourselves(place: Place, reader: str | None, level: str) -> list[dict[str, Any]]:
    configured = [item for item in place.config.readers if reader in (None, item.reader_id)]
    if reader is not None and not configured:
        _expect(reader, [item.reader_id for item in place.config.readers])
    return [
        {
            "reader": report.reader_id,
            "checks": [
                {"ok": item.ok, "name": item.name, "detail": item.detail, "fix": item.fix} for item in report.checks
            ],
        }
        for report in check_readers(configured, HealthLevel(level))
    ]


def _expect(reader: str, known: list[str]) -> str:
    if reader not in known:
        raise ConfigError(f"no reader {reader!r} is configured{nearest(reader, known)}")
    return reader


@click.command()
@click.argument("reader")
@pass_place
def record(place: Place, reader: str) -> None:
    """Write down what READER reads, until Ctrl-C. Numbers, names and UIDs are replaced by fakes that check the same."""
    configured = {item.reader_id: item for item in place.config.readers}
    _expect(reader, list(configured))
    with suppress(TillNotRunning):
        TillClient(place.socket_file).get("/v1/status")
        raise DeviceBusy("the running till holds its readers; stop it first: sudo systemctl stop posd")
    _record(configured[reader], parse_rules(place.config.cards).own_prefixes)


def _record(config: ReaderConfig, keep: tuple[str, ...]) -> None:
    spec = load_driver(config.driver)
    if isinstance(spec, BrokenDriver):
        raise ConfigError(f"{spec.detail}; {spec.fix}")
    clock = SystemClock()
    options = build_options(spec, config)
    device = contained(spec.name, lambda: spec.open(config.reader_id, options, clock))
    kind = config.device_class or spec.device_class
    recording = RecordingDriver(device, config.reader_id, kind, clock, click.echo, keep)
    try:
        while True:
            contained(spec.name, recording.read)
    except KeyboardInterrupt:
        click.echo("recorded; check it and send it on", err=True)
    finally:
        recording.close()


@click.command()
@click.argument("transcript", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@pass_place
def replay(place: Place, transcript: Path, as_json: bool) -> None:
    """Say what posd makes of each line of a recording."""
    rules = parse_rules(place.config.cards)
    rows = [row for line in transcript.read_text("utf-8").splitlines() if (row := _replayed(line, rules))]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['at_ms'] / 1000:8.3f}  {row['reader']:12}  {row['kind']:6}  {row['result']}")


def _replayed(line: str, rules: CardRules) -> dict[str, Any] | None:
    exchange = parse_line(line)
    if exchange is None:
        return None
    row = {"at_ms": exchange.at_ms, "reader": exchange.reader, "kind": exchange.kind, "result": "device lost"}
    if exchange.kind == "lost":
        return row
    read = decode(exchange.as_read(exchange.reader, SystemClock().now()), rules)
    found = read if isinstance(read, RejectedRead) else identify(read, rules)
    if isinstance(found, RejectedRead):
        return {**row, "result": f"refused: {found.reason.value} {found.detail}".strip()}
    return {**row, "result": f"{found.scheme} ending in {found.tail}"}
