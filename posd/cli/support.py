"""``posd support-bundle``: what support needs, without secrets, cards or people; it says what is inside before it
writes."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import posd
from posd.cards.masking import mask_digits
from posd.cards.rules import CardRules, parse_rules
from posd.cli.checks import all_checks
from posd.cli.device_facts import device_facts
from posd.cli.place import Place, pass_place
from posd.cli.till_client import TillClient, TillNotRunning, TillRefused
from posd.drivers.base import HealthLevel, ReaderConfig
from posd.drivers.discovery import discover
from posd.drivers.known_devices import known_devices
from posd.drivers.selftest import SelfTest
from posd.drivers.shelf import devices_on_shelf, surroundings
from posd.drivers.usb import usb_devices
from posd.errors import ConfigError
from posd.ledger.reader import Reader
from posd.ledger.stats import stats
from posd.machine import SystemClock

LOG_LINES = 500
_MODULES = {"usbhid", "hid_generic", "cdc_acm", "ftdi_sio", "cp210x", "pl2303", "ch341"}
_SECRET = re.compile(r"key|secret|token|password|pin|psk", re.IGNORECASE)


@click.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("posd-support.tar.gz"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_place
def support_bundle(place: Place, output: Path, yes: bool) -> None:
    """Pack doctor's findings, readers and their self-test, configuration, the till's status, figures and log."""
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
        "machine.json": _json(_machine()),
        **_of_config(place),
        "log.txt": _log(),
    }


def _of_config(place: Place) -> dict[str, str]:
    """What needs a configuration that can be read; doctor tells when there is none."""
    try:
        config, rules = place.config, parse_rules(place.config.cards)
    except ConfigError:
        return {}
    return {
        "config.json": _json(without_secrets(asdict(config))),
        "readers.json": _json(
            [asdict(device) for device in devices_on_shelf(discover(config.readers), surroundings())]
        ),
        "selftest.json": _json(_selftest(config.readers, rules)),
    }


def without_secrets(value: Any) -> Any:
    """The document with a mark in place of whatever is called a key, a secret or the like, and without card numbers."""
    if isinstance(value, Mapping):
        return {
            name: "(removed)" if _SECRET.search(str(name)) and value[name] else without_secrets(value[name])
            for name in value
        }
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return mask_digits(value) if isinstance(value, str) else value


def _selftest(readers: Sequence[ReaderConfig], rules: CardRules) -> list[dict[str, Any]]:
    """Without opening anything: a running till goes on undisturbed."""
    return [asdict(report) for report in SelfTest(SystemClock(), rules).check_all(readers, HealthLevel.INTERNAL)]


def _machine() -> dict[str, Any]:
    facts = device_facts([])
    meddlers = {known.kernel_module for known in known_devices() if known.kernel_module}
    return {
        "usb": [asdict(device) for device in usb_devices()],
        "kernel_modules": sorted(facts.modules & (_MODULES | meddlers)),
        "pcscd": facts.pcscd,
        "polkit_rule": facts.polkit,
        "udev_rules": facts.rules is not None,
    }


def _ask(place: Place, path: str) -> str:
    try:
        return mask_digits(TillClient(place.socket_file, timeout_s=10).text(path))
    except (TillNotRunning, TillRefused, ConfigError) as error:
        return str(error)


def _ledger(place: Place) -> str:
    if not place.ledger_file.is_file():
        return ""
    reader = Reader(place.ledger_file)
    try:
        return _json(stats(reader).as_json())
    finally:
        reader.close()


def _log() -> str:
    """The newest lines of posd's journal; empty where systemd does not keep one or does not show it to us."""
    command = [
        "journalctl",
        "--unit",
        "posd",
        "--lines",
        str(LOG_LINES),
        "--no-pager",
        "--quiet",
        "--output",
        "short-iso",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603  # fixed words
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return mask_digits(done.stdout)


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
