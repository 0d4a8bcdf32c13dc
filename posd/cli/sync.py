"""``posd enrol`` and ``posd sync``: the till and its club."""

from __future__ import annotations

import sys
from typing import Any

import click

from posd.cli.place import Place, json_option, pass_place, print_json
from posd.cli.till_client import TillClient


@click.command()
@click.argument("url", required=False)
@click.argument("invitation", required=False)
@click.option("--name", help="What the club calls this till (default: [shop] till).")
@click.option(
    "--ca-file", type=click.Path(exists=True, dir_okay=False), help="Certificate of a club that signs its own."
)
@click.option("--proxy", help="Web proxy through which the club is reached.")
@click.option("--rotate", is_flag=True, help="Give this till a new key; it stays linked.")
@pass_place
def enrol(
    place: Place,
    url: str | None,
    invitation: str | None,
    name: str | None,
    ca_file: str | None,
    proxy: str | None,
    rotate: bool,
) -> None:
    """Link this till to the club at URL with an INVITATION code from `posd club invite` ("-" reads it from standard
    input, where no other program sees it)."""
    from posd.sync.enrolment import enrol_till, rotate_key, words_of  # noqa: PLC0415  # loads the HTTP client

    if rotate:
        if url is not None:
            raise click.UsageError("--rotate needs no URL and no code: the till is linked already")
        rotate_key(place.state_dir)
        click.echo(
            "the till has a new key; use it with: systemctl restart posd (and posd-sync); until then both are good"
        )
        return
    if url is None or invitation is None:
        raise click.UsageError("write: posd enrol URL CODE")
    code = sys.stdin.readline() if invitation == "-" else invitation
    place.make_state_dir()
    linked = enrol_till(url, code, name or place.config.shop.till, place.state_dir, ca_file=ca_file, proxy=proxy)
    grant = linked.grant
    click.echo(
        f"linked to {grant.club_name} as till {grant.till_id}; now start it with: posd run\n\n"
        f"    {words_of(linked, code)}\n\n"
        "The club shows the same four words: posd club till list. If it shows others, somebody stands between the two;"
        f"\nthen shut this till out there: posd club till revoke {grant.till_id}"
    )


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
    if document["spending"] != "free":
        click.echo("this till's ledger has a copy: nothing is spent here until the owner has chosen (club page: Tills)")


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

    from posd.sync.process import run_sync  # noqa: PLC0415  # loads the HTTP client

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    click.get_current_context().exit(run_sync(place.socket_file, place.state_dir))
