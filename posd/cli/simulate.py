"""``posd simulate``: present a card that is not there; it takes a real one's way, from key strokes or APDUs on."""

from __future__ import annotations

import click

from posd.cli.place import Place, pass_place
from posd.cli.till_client import TillClient


@click.group()
def simulate() -> None:
    """Present a card without a reader, through the real decoding path."""


def _present(place: Place, kind: str, data: str) -> None:
    TillClient(place.socket_file).post("/v1/simulated/reads", {"kind": kind, "data": data})


@simulate.command()
@click.argument("tracks")
@pass_place
def swipe(place: Place, tracks: str) -> None:
    """Swipe a stripe: posd simulate swipe ';9800123456789?'"""
    _present(place, "swipe", tracks)


@simulate.command()
@click.argument("code")
@pass_place
def scan(place: Place, code: str) -> None:
    """Scan a barcode: posd simulate scan 9800123456789"""
    _present(place, "scan", code)


@simulate.command()
@click.argument("content")
@pass_place
def tap(place: Place, content: str) -> None:
    """Hold a chip to the reader: a member number, or uid:04A2B3C4D5E680"""
    _present(place, "tap", content)
