"""``posd run``: the till."""

from __future__ import annotations

import logging
import sys

import click

from posd.cli.place import Place, pass_place


@click.command()
@click.option(
    "--standalone", is_flag=True, help="With a club of its own on this machine (default while linked to none)."
)
@click.option("--sync", "sync_process", type=click.Choice(["thread", "separate"]), help="Who talks to the club.")
@click.option("--verbose", is_flag=True, help="Log more. Card numbers, phones and keys are never logged.")
@pass_place
def run(place: Place, standalone: bool, sync_process: str | None, verbose: bool) -> None:
    """Start the till and stay until Ctrl-C or SIGTERM."""
    from posd.daemon import Daemon  # noqa: PLC0415  # loads everything a till needs

    logging.basicConfig(
        stream=sys.stderr,
        level=log_level(verbose, sys.stderr.isatty()),
        format="%(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("urllib3").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    place.make_state_dir()
    daemon = Daemon(
        place.config,
        place.state_dir,
        socket_path=place.socket_file,
        standalone=standalone,
        sync_process=sync_process or place.config.sync.process,
        say=click.echo,
    )
    click.get_current_context().exit(daemon.run())


def log_level(verbose: bool, on_a_terminal: bool) -> int:
    """A person at a terminal is told the addresses and what needs him; a journal keeps the life cycle too."""
    if verbose:
        return logging.DEBUG
    return logging.WARNING if on_a_terminal else logging.INFO
