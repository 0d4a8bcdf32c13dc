"""The command line. Commands are imported when they are called, so that ``posd --version`` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from posd import __version__
from posd.cli.lazy import LazyGroup
from posd.errors import PosdError

COMMANDS = {
    "run": "posd.cli.run:run",
    "page": "posd.cli.page:page",
    "status": "posd.cli.status:status",
    "doctor": "posd.cli.doctor:doctor",
    "selftest": "posd.cli.selftest:selftest",
    "readers": "posd.cli.readers:readers",
    "record": "posd.cli.transcripts:record",
    "replay": "posd.cli.transcripts:replay",
    "simulate": "posd.cli.simulate:simulate",
    "card": "posd.cli.card:card",
    "enrol": "posd.cli.sync:enrol",
    "sync": "posd.cli.sync:sync",
    "ledger": "posd.cli.ledger:ledger",
    "program": "posd.cli.program:program",
    "pair": "posd.cli.pair:pair",
    "support-bundle": "posd.cli.support:support_bundle",
    "club": "posd.cli.club:club",
}


def default_state_dir() -> Path:
    """``$POSD_STATE_DIR``; else ``.state`` here, when a till was run from this checkout; else /var/lib/posd."""
    named = os.environ.get("POSD_STATE_DIR")
    if named:
        return Path(named)
    here = Path(".state")
    return here.resolve() if here.is_dir() else Path("/var/lib/posd")


@click.group(cls=LazyGroup, named=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="posd")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Where the ledger and the keys are.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Another posd.toml.")
@click.pass_context
def cli(context: click.Context, state_dir: Path | None, config_file: Path | None) -> None:
    """posd: loyalty cards at the till, a ledger that works offline, and a customer club."""
    from posd.cli.place import Place  # noqa: PLC0415  # reading the configuration costs; --version must not pay

    context.obj = Place(state_dir or default_state_dir(), config_file)


def main(args: list[str] | None = None) -> Any:
    """Entry point: errors of posd are one line that says what to do next, and a sysexits code."""
    try:
        return cli.main(args=args, prog_name="posd", standalone_mode=False) or 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return 64
    except PosdError as error:
        click.echo(f"posd: {error}", err=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
