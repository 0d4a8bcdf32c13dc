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
        level=logging.DEBUG if verbose else logging.INFO,
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
