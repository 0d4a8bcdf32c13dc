"""``posd support-bundle``: what support needs, without secrets, cards or people; it says what is inside before it
writes."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import click

import posd
from posd.cards.masking import mask_digits
from posd.cli.checks import all_checks
from posd.cli.place import Place, pass_place
from posd.cli.till_client import TillClient, TillNotRunning, TillRefused
from posd.ledger.reader import Reader
from posd.ledger.stats import stats
from posd.machine import SystemClock


@click.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("posd-support.tar.gz"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_place
def support_bundle(place: Place, output: Path, yes: bool) -> None:
    """Pack doctor's findings, the till's status, metrics and ledger figures."""
    parts = {name: text for name, text in _parts(place).items() if text}
    for name, text in parts.items():
        click.echo(f"{name:20} {len(text.encode())} bytes")
    click.echo("No card numbers, names, phone numbers, tokens or keys are inside.")
    if not yes:
        click.confirm(f"Write {output}?", abort=True, default=True)
    _write(output, parts)
    click.echo(f"wrote {output}")


def _parts(place: Place) -> dict[str, str]:
    return {
        "about.json": _json({"posd": posd.__version__}),
        "doctor.json": _json([check.as_json() for check in all_checks(place)]),
        "status.json": _ask(place, "/v1/status"),
        "metrics.txt": _ask(place, "/metrics"),
        "ledger.json": _ledger(place),
    }


def _ask(place: Place, path: str) -> str:
    try:
        return mask_digits(TillClient(place.socket_file, timeout_s=10).text(path))
    except (TillNotRunning, TillRefused) as error:
        return str(error)


def _ledger(place: Place) -> str:
    if not place.ledger_file.is_file():
        return ""
    reader = Reader(place.ledger_file)
    try:
        return _json(stats(reader).as_json())
    finally:
        reader.close()


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)


def _write(output: Path, parts: dict[str, str]) -> None:
    now_s = SystemClock().now().wall_ms // 1000
    with tarfile.open(output, "w:gz") as bundle:
        for name, text in parts.items():
            data = text.encode()
            item = tarfile.TarInfo(f"posd-support/{name}")
            item.size, item.mtime, item.mode = len(data), now_s, 0o600
            bundle.addfile(item, io.BytesIO(data))
