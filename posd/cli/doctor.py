"""``posd doctor``: which reader, file, permission or connection is at fault, and the command that mends it."""

from __future__ import annotations

from collections.abc import Iterable

import click

from posd.cli.checks import all_checks
from posd.cli.place import Place, json_option, pass_place, print_json
from posd.cli.verdicts import Check, Verdict

SCHEMA_VERSION = 1
_MARKS = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.FAILED: "✗", Verdict.INFO: "·"}


@click.command()
@click.option("--section", "sections", multiple=True, help="Only these: setup, ledger, readers, devices, club.")
@click.option("--strict", is_flag=True, help="Exit 2 when there are warnings.")
@json_option
@pass_place
def doctor(place: Place, sections: tuple[str, ...], strict: bool, as_json: bool) -> None:
    """Check this till. Exit 0 when nothing failed, 1 when something did."""
    checks = [check for check in all_checks(place) if not sections or check.section in sections]
    if as_json:
        print_json({"schema": SCHEMA_VERSION, "checks": [check.as_json() for check in checks]})
    else:
        _print(checks)
    click.get_current_context().exit(_exit_code(checks, strict))


def _print(checks: Iterable[Check]) -> None:
    section = ""
    for check in checks:
        if check.section != section:
            section = check.section
            click.echo(f"\n{section}")
        click.echo(f"  {_MARKS[check.status]} {check.name}: {check.detail}")
        if check.fix and check.status is not Verdict.OK:
            click.echo(f"      {check.fix}")


def _exit_code(checks: Iterable[Check], strict: bool) -> int:
    verdicts = {check.status for check in checks}
    if Verdict.FAILED in verdicts:
        return 1
    return 2 if strict and Verdict.WARNING in verdicts else 0
