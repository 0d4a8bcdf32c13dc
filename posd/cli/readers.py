"""``posd readers``: what is plugged in, which driver reads it, and why not."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import click

from posd.cli.lazy import LazyGroup
from posd.cli.place import Place, json_option, pass_place, print_json
from posd.cli.till_client import TillClient, TillNotRunning
from posd.drivers.base import Candidate, ReaderConfig
from posd.drivers.discovery import Discovery, discover
from posd.drivers.shelf import Device, devices_on_shelf, surroundings


@click.group(cls=LazyGroup, named={"calibrate": "posd.cli.calibrate:calibrate"}, invoke_without_command=True)
@click.option("--toml", "as_toml", is_flag=True, help="Print a [[reader]] table for each device not assigned yet.")
@json_option
@pass_place
@click.pass_context
def readers(context: click.Context, place: Place, as_toml: bool, as_json: bool) -> None:
    """List devices that could be readers, what they are assigned to, and why not. Nothing is opened."""
    if context.invoked_subcommand is not None:
        return
    found = discover(place.config.readers)
    devices = devices_on_shelf(found, surroundings())
    states = _states(place)
    if as_json:
        print_json(_document(devices, found, states))
    elif as_toml:
        taken = {reader.reader_id for reader in place.config.readers}
        for device in devices:
            if device.candidate is not None and device.reader_id is None:
                taken.add(reader_id := _free_id(device, taken))
                click.echo(_toml(reader_id, device.name, device.candidate))
    else:
        _print(devices, found, states)
        _print_missing(devices, place.config.readers)


def _states(place: Place) -> dict[str, dict[str, Any]]:
    """What the running till knows of its readers, by id; nothing when none runs."""
    try:
        return {item["id"]: item for item in TillClient(place.socket_file, timeout_s=10).get("/v1/readers")["readers"]}
    except TillNotRunning:
        return {}


def _document(devices: list[Device], found: Discovery, states: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "devices": [_device(device, states) for device in devices],
        "broken_drivers": [{"name": item.name, "detail": item.detail, "fix": item.fix} for item in found.broken],
        "running": list(states.values()),
    }


def _device(device: Device, states: dict[str, dict[str, Any]]) -> dict[str, Any]:
    candidate, state = device.candidate, states.get(device.reader_id or "", {})
    return {
        "name": device.name,
        "driver": device.driver,
        "address": candidate.address if candidate else None,
        "identity": candidate.identity if candidate else None,
        "device_class": candidate.device_class.value if candidate else None,
        "port": device.port,
        "usb_id": device.usb_id,
        "reader": device.reader_id,
        "state": state.get("state"),
        "last_read_age_s": state.get("last_read_age_s"),
        "why_not": device.why_not,
        "note": device.note,
    }


def _free_id(device: Device, taken: set[str]) -> str:
    """A short word by what it reads and its port; numbered where that is not enough."""
    assert device.candidate is not None, "only what a driver found gets a table"
    word = "-".join(part for part in (device.candidate.device_class.value, device.port) if part)
    return next(name for n in count(1) if (name := word if n == 1 else f"{word}-{n}") not in taken)


def _toml(reader_id: str, name: str, candidate: Candidate) -> str:
    """JSON strings are TOML strings too."""
    return "\n".join(
        (
            "[[reader]]",
            f"id = {json.dumps(reader_id)}",
            f"name = {json.dumps(name)}",
            f"driver = {json.dumps(candidate.driver)}",
            f"device_class = {json.dumps(candidate.device_class.value)}",
            f"address = {json.dumps(candidate.address)}",
            "",
        )
    )


def _print(devices: list[Device], found: Discovery, states: dict[str, dict[str, Any]]) -> None:
    for device in devices:
        where = " ".join(text for text in (device.usb_id, f"port {device.port}" if device.port else "") if text)
        click.echo(f"{device.name}  ({device.driver}{', ' if where else ''}{where})")
        if device.candidate is not None:
            click.echo(f"    {device.candidate.address}")
        if device.reader_id is not None:
            click.echo(f"    reader {device.reader_id!r}{_told(states.get(device.reader_id))}")
        for line in (device.why_not, device.note):
            if line:
                click.echo(f"    {line}")
    for broken in found.broken:
        click.echo(f"driver {broken.name} is broken: {broken.detail}; {broken.fix}")
    if not devices:
        click.echo("nothing that looks like a reader is plugged in")


def _told(state: dict[str, Any] | None) -> str:
    if state is None:
        return ""
    age_s = state["last_read_age_s"]
    read = "nothing read since posd started" if age_s is None else f"last read {age_s} s ago"
    return f": {state['state']}, {read}{'. ' if state['detail'] else ''}{state['detail']}"


def _print_missing(devices: list[Device], configured: tuple[ReaderConfig, ...]) -> None:
    there = {device.reader_id for device in devices}
    for reader in configured:
        if reader.reader_id not in there and reader.driver not in ("simulated", "replay"):
            click.echo(f"reader {reader.reader_id!r} is configured and not plugged in")
