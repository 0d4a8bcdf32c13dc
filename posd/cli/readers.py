"""``posd readers``: what is plugged in, which driver reads it, and why not."""

from __future__ import annotations

import json
from typing import Any

import click

from posd.cli.lazy import LazyGroup
from posd.cli.place import Place, json_option, pass_place, print_json
from posd.drivers.base import Candidate, ReaderConfig
from posd.drivers.discovery import Discovery, discover


@click.group(cls=LazyGroup, named={"calibrate": "posd.cli.calibrate:calibrate"}, invoke_without_command=True)
@click.option("--toml", "as_toml", is_flag=True, help="Print a [[reader]] table for each device not assigned yet.")
@json_option
@pass_place
@click.pass_context
def readers(context: click.Context, place: Place, as_toml: bool, as_json: bool) -> None:
    """List devices that could be readers, and what they are assigned to. Nothing is opened."""
    if context.invoked_subcommand is not None:
        return
    found = discover(place.config.readers)
    if as_json:
        print_json(_document(found))
    elif as_toml:
        for item in found.found:
            if item.reader_id is None:
                click.echo(_toml(item.candidate))
    else:
        _print(found, place.config.readers)


def _document(found: Discovery) -> dict[str, Any]:
    return {
        "devices": [
            {
                "driver": item.candidate.driver,
                "address": item.candidate.address,
                "identity": item.candidate.identity,
                "name": item.candidate.name,
                "device_class": item.candidate.device_class.value,
                "reader": item.reader_id,
            }
            for item in found.found
        ],
        "broken_drivers": [{"name": item.name, "detail": item.detail, "fix": item.fix} for item in found.broken],
    }


def _toml(candidate: Candidate) -> str:
    """JSON strings are TOML strings too."""
    return "\n".join(
        (
            "[[reader]]",
            f"id = {json.dumps(candidate.identity)}",
            f"name = {json.dumps(candidate.name)}",
            f"driver = {json.dumps(candidate.driver)}",
            f"device_class = {json.dumps(candidate.device_class.value)}",
            f"address = {json.dumps(candidate.address)}",
            "",
        )
    )


def _print(found: Discovery, configured: tuple[ReaderConfig, ...]) -> None:
    for item in found.found:
        state = f"reader {item.reader_id!r}" if item.reader_id else "not assigned"
        click.echo(f"{item.candidate.name}  ({item.candidate.driver}, {state})\n    {item.candidate.address}")
    for broken in found.broken:
        click.echo(f"driver {broken.name} is broken: {broken.detail}; {broken.fix}")
    if not found.found:
        click.echo("nothing that looks like a reader is plugged in")
    known = {item.reader_id for item in found.found}
    for reader in configured:
        if reader.reader_id not in known and reader.driver not in ("simulated", "replay"):
            click.echo(f"reader {reader.reader_id!r} is configured and not plugged in")
