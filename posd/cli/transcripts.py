"""``posd record`` and ``posd replay``: what a reader says, masked; and what posd makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posd.cards.decode import decode
from posd.cards.reads import RejectedRead
from posd.cards.rules import CardRules, identify, parse_rules
from posd.cli.place import Place, expect_reader, json_option, pass_place, print_json
from posd.cli.till_client import refuse_while_till_runs
from posd.drivers.base import ReaderConfig
from posd.drivers.containment import contained
from posd.drivers.recording import RecordingDriver
from posd.drivers.registry import BrokenDriver, build_options, load_driver
from posd.drivers.transcript import parse_line
from posd.errors import ConfigError
from posd.machine import SystemClock


@click.command()
@click.argument("reader")
@pass_place
def record(place: Place, reader: str) -> None:
    """Write down what READER reads, until Ctrl-C. Numbers, names and UIDs are replaced by fakes that check the same."""
    configured = {item.reader_id: item for item in place.config.readers}
    expect_reader(reader, list(configured))
    refuse_while_till_runs(place.socket_file)
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
