"""``posd enrol`` and ``posd sync``: the till and its club."""

from __future__ import annotations

from typing import Any

import click

from posd.cli.place import Place, json_option, pass_place, print_json
from posd.cli.till_client import TillClient


@click.command()
@click.argument("url")
@click.argument("invitation")
@click.option("--name", help="What the club calls this till (default: [shop] till).")
@click.option(
    "--ca-file", type=click.Path(exists=True, dir_okay=False), help="Certificate of a club that signs its own."
)
@click.option("--proxy", help="Web proxy through which the club is reached.")
@pass_place
def enrol(place: Place, url: str, invitation: str, name: str | None, ca_file: str | None, proxy: str | None) -> None:
    """Link this till to the club at URL with an invitation code from `posd club invite`."""
    from posd.sync.enrolment import enrol_till  # noqa: PLC0415  # loads the HTTP client

    place.make_state_dir()
    linked = enrol_till(url, invitation, name or place.config.shop.till, place.state_dir, ca_file=ca_file, proxy=proxy)
    click.echo(f"linked to {linked.grant.club_name} as till {linked.grant.till_id}; now start it with: posd run")


@click.group()
def sync() -> None:
    """What waits for the club, and how the connection stands."""


@sync.command()
@json_option
@pass_place
def status(place: Place, as_json: bool) -> None:
    """State of the link, queue, what to do."""
    document: dict[str, Any] = TillClient(place.socket_file).get("/v1/sync")
    if as_json:
        print_json(document)
        return
    click.echo(f"{document['state']}, {document['queue']} waiting, club has everything up to {document['acked_seq']}")
    if document["detail"]:
        click.echo(document["detail"])


@sync.command()
@pass_place
def now(place: Place) -> None:
    """Try at once instead of at the next planned attempt."""
    TillClient(place.socket_file).post("/v1/sync/now", {})
    click.echo("trying now; see: posd sync status")


@sync.command()
@json_option
@pass_place
def parked(place: Place, as_json: bool) -> None:
    """Entries that the club has but did not post: somebody must look at them there."""
    from posd.cli.ledger import reading  # noqa: PLC0415  # SQLite only here

    with reading(place) as reader:
        rows = reader.parked()
    if as_json:
        print_json([{"seq": row.seq, "id": row.entry_id.hex(), "reason": row.reason} for row in rows])
        return
    for row in rows:
        click.echo(f"{row.seq:>8}  {row.entry_id.hex()}  {row.reason}")
    if not rows:
        click.echo("nothing is parked")


@sync.command()
@pass_place
def run(place: Place) -> None:
    """Synchronise as a process of its own (posd-sync.service), beside `posd run --sync separate`."""
    import logging  # noqa: PLC0415
    import sys  # noqa: PLC0415

    from posd.sync.process import run_sync  # noqa: PLC0415  # loads the HTTP client

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    click.get_current_context().exit(run_sync(place.socket_file, place.state_dir))
