"""``posd page``: the addresses of the cashier's and the owner's page. They hold keys: show them to the right people."""

from __future__ import annotations

import json
import subprocess

import click

from posd.api.page_key import PageKey
from posd.cli.place import Place, json_option, pass_place, print_json
from posd.embedded_club import posd_command


@click.command()
@json_option
@pass_place
def page(place: Place, as_json: bool) -> None:
    """Print the address of the cashier page, and of the owner's page when the club is on this machine."""
    addresses = {"cashier": PageKey.of(place.state_dir).address(place.config.api.port)}
    if place.club_dir.is_dir():
        addresses["club"] = _owner_page(place)
    if as_json:
        print_json(addresses)
        return
    for who, address in addresses.items():
        click.echo(f"{who} page  {address}")


def _owner_page(place: Place) -> str:
    """Asked of the club's own command: a till does not load the club's libraries."""
    command = [*posd_command(place.state_dir), "club", "page", "--port", str(place.config.club.port), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # our own program
    address: str = json.loads(done.stdout)["page"]
    return address
