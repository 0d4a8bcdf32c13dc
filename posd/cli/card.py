"""``posd card decode``: what posd makes of a card, and why. Numbers are shown masked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from posd.cards.decode import decode as decode_read
from posd.cards.identity import Identity
from posd.cards.masking import mask_digits
from posd.cards.reads import BarcodeRead, CardRead, ChipRead, MagstripeRead, RejectedRead
from posd.cards.rules import CardRules, explain, identify, parse_rules
from posd.cards.symbologies import symbology_name
from posd.cli.place import Place, json_option, pass_place, print_json
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock


@click.group()
def card() -> None:
    """Understand cards without a till."""


@card.command()
@click.argument("text")
@json_option
@pass_place
def decode(place: Place, text: str, as_json: bool) -> None:
    """Decode the text of a swipe (with sentinels) or of a barcode by this shop's rules."""
    rules = parse_rules(place.config.cards)
    kind = DeviceClass.MSR if text[:1] in "%;+" else DeviceClass.SCANNER
    read = decode_read(RawRead("command line", kind, text.encode(), SystemClock().now()), rules)
    found = read if isinstance(read, RejectedRead) else identify(read, rules)
    verdicts = _verdicts(read, rules)
    document = {"read": _read(read), "identity": _identity(found)}
    if as_json:
        print_json(document | {"rules": verdicts})
        return
    for part in document.values():
        for key, value in part.items():
            click.echo(f"{key:10} {value}")
    for verdict in verdicts:
        click.echo(f"rule       {verdict['rule']}: {verdict['why_not'] or 'fits'}")


def _read(read: CardRead | RejectedRead) -> dict[str, Any]:
    match read:
        case MagstripeRead():
            tracks = {"track1": read.track1, "track2": read.track2, "track3": read.track3}
            return {"medium": "magstripe", **{name: mask_digits(text) for name, text in tracks.items() if text}}
        case BarcodeRead():
            return {"medium": "barcode", "symbology": _symbology(read.symbology), "data": mask_digits(read.data)}
        case ChipRead():
            return {"medium": "chip", "contents": ", ".join(sorted(read.contents))}
        case RejectedRead():
            return {"medium": read.medium.value, "refused": read.reason.value, "detail": read.detail}


def _symbology(identifier: str | None) -> str:
    return f"{identifier} {symbology_name(identifier)}" if identifier else "not told"


def _verdicts(read: CardRead | RejectedRead, rules: CardRules) -> list[dict[str, Any]]:
    """What became of each rule that was tried; nothing where the read itself was refused."""
    return [] if isinstance(read, RejectedRead) else [asdict(verdict) for verdict in explain(read, rules)]


def _identity(found: Identity | RejectedRead) -> dict[str, Any]:
    if isinstance(found, RejectedRead):
        return {"refused": found.reason.value, "detail": found.detail}
    return {"scheme": found.scheme, "tail": found.tail, "earn only": "yes" if found.earn_only else "no"}
