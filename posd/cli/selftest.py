"""``posd selftest``: does this reader work, and what does it make of a card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from posd.cards.rules import parse_rules
from posd.cli.place import Place, expect_reader, json_option, pass_place, print_json
from posd.cli.till_client import TillClient, TillNotRunning
from posd.drivers.base import HealthLevel
from posd.drivers.checks import PATIENCE_S
from posd.drivers.selftest import SelfTest
from posd.machine import SystemClock

SCHEMA_VERSION = 1
_LEVELS = [level.value for level in HealthLevel]


@click.command()
@click.argument("reader", required=False)
@click.option("--all", "every", is_flag=True, help="Every reader; the same as naming none.")
@click.option("--level", type=click.Choice(_LEVELS), default="external", show_default=True)
@json_option
@pass_place
def selftest(place: Place, reader: str | None, every: bool, level: str, as_json: bool) -> None:
    """Check one reader, or all. Interactive: present a card when asked. Exit 1 when a check failed.

    A running till checks its own readers and keeps the results, without anything of a card, in its journal.
    """
    if reader and every:
        raise click.UsageError("name a reader or say --all, not both")
    till = TillClient(place.socket_file, timeout_s=60)
    running = _readers_of(till)
    reports = []
    source = _by_ourselves(place, reader, level) if running is None else _by_the_till(till, running, reader, level)
    for report in source:
        reports.append({**report, "ok": all(check["ok"] for check in report["checks"])})
        if not as_json:
            _print(reports[-1])
    if as_json:
        print_json({"schema": SCHEMA_VERSION, "level": level, "recorded": running is not None, "readers": reports})
    elif running is None:
        click.echo("No till is running here: the result is not kept in its journal.", err=True)
    click.get_current_context().exit(0 if all(report["ok"] for report in reports) else 1)


def _readers_of(till: TillClient) -> list[str] | None:
    try:
        return [item["id"] for item in till.get("/v1/readers")["readers"]]
    except TillNotRunning:
        return None


def _by_the_till(till: TillClient, known: list[str], reader: str | None, level: str) -> Iterator[dict[str, Any]]:
    """A running till holds its readers, so it does the checking."""
    for name in known if reader is None else [expect_reader(reader, known)]:
        _ask_for_a_card(name, level)
        yield {"reader": name, "checks": till.post(f"/v1/readers/{name}/check", {"level": level})["checks"]}


def _by_ourselves(place: Place, reader: str | None, level: str) -> Iterator[dict[str, Any]]:
    configured = {item.reader_id: item for item in place.config.readers}
    test = SelfTest(SystemClock(), parse_rules(place.config.cards))
    for name in configured if reader is None else [expect_reader(reader, list(configured))]:
        _ask_for_a_card(name, level)
        report = test.check(configured[name], HealthLevel(level))
        yield {"reader": name, "checks": [asdict(check) for check in report.checks]}


def _ask_for_a_card(name: str, level: str) -> None:
    if level == HealthLevel.INTERACTIVE:
        click.echo(f"{name}: swipe, scan or tap the test card now ({PATIENCE_S} s)", err=True)


def _print(report: dict[str, Any]) -> None:
    click.echo(report["reader"])
    for check in report["checks"]:
        click.echo(f"  {'✓' if check['ok'] else '✗'} {check['name']}: {check['detail']}")
        if check["fix"]:
            click.echo(f"      {check['fix']}")
