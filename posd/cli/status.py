"""``posd status``: the running till on one screen."""

from __future__ import annotations

from typing import Any

import click

from posd.cli.place import Place, json_option, pass_place, print_json
from posd.cli.till_client import TillClient


@click.command()
@json_option
@pass_place
def status(place: Place, as_json: bool) -> None:
    """What the till is doing: readers, ledger, club, queue."""
    document = TillClient(place.socket_file).get("/v1/status")
    print_json(document) if as_json else _print(document)


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415  # only people need it
    from rich.table import Table  # noqa: PLC0415

    console = Console(highlight=False)
    console.print(f"till   {document['till']} of {document['shop']}, posd {document['version']}")
    link = document["link"]
    detail = f" ({link['detail']})" if link["detail"] else ""
    console.print(f"club   {link['state']}{detail}, {link['queue']} waiting to be sent")
    console.print(f"ledger {document['ledger']['fault'] or 'fine'}")
    table = Table("reader", "kind", "state", "last read", "detail", box=None, pad_edge=False)
    for reader in document["readers"]:
        age_s = reader["last_read_age_s"]
        last_read = "" if age_s is None else f"{age_s} s ago"
        table.add_row(reader["name"], reader["device_class"], reader["state"], last_read, reader["detail"])
    console.print(table)
