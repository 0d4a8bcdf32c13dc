"""What `posd doctor` looks at. Each check says what it found and, where something is wrong, a command to paste."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posd.cards.rules import CardRules, parse_rules
from posd.cli.device_checks import device_checks
from posd.cli.device_facts import device_facts
from posd.cli.place import Place
from posd.cli.till_client import TillClient, TillNotRunning
from posd.cli.verdicts import Check, Verdict
from posd.config import Config
from posd.drivers.base import HealthLevel
from posd.drivers.discovery import discover
from posd.drivers.selftest import SelfTest
from posd.drivers.shelf import devices_on_shelf, surroundings
from posd.errors import ConfigError, PosdError
from posd.ledger.verify import verify_ledger
from posd.machine import SystemClock

FREE_BYTES_LEAST = 200 * 1024 * 1024


def all_checks(place: Place) -> Iterator[Check]:
    """Every check in order. A broken configuration ends it early: the rest would be guesses."""
    try:
        config, rules = place.config, parse_rules(place.config.cards)
    except ConfigError as error:
        yield Check(
            "setup", "configuration", Verdict.FAILED, str(error), "correct the file, then run posd doctor again"
        )
        return
    yield Check("setup", "configuration", Verdict.OK, f"{len(config.readers)} readers configured")
    yield from _setup(place)
    yield from _ledger(place)
    yield from _readers(config, rules, running := _status(place))
    yield from device_checks(config.readers, device_facts(config.readers))
    yield from _club(running)


def _setup(place: Place) -> Iterator[Check]:
    yield _state_dir(place.state_dir)
    yield _secrets(place.state_dir)


def _state_dir(path: Path) -> Check:
    if not path.is_dir():
        return Check("setup", "state directory", Verdict.FAILED, f"{path} does not exist", "posd run")
    if not os.access(path, os.W_OK):
        return Check(
            "setup",
            "state directory",
            Verdict.FAILED,
            f"{path} cannot be written",
            f"sudo chown -R {os.getuid()} {path}",
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return Check("setup", "state directory", Verdict.WARNING, f"{path} is open to others", f"chmod 700 {path}")
    free = shutil.disk_usage(path).free
    if free < FREE_BYTES_LEAST:
        return Check("setup", "disk", Verdict.WARNING, f"{free // 2**20} MiB free at {path}", "sudo apt-get clean")
    return Check("setup", "state directory", Verdict.OK, f"{path}, {free // 2**20} MiB free")


def _secrets(path: Path) -> Check:
    names = ("club.json", "page.key", "tokens.json", "till.key")
    loose = [n for n in names if (path / n).exists() and stat.S_IMODE((path / n).stat().st_mode) & 0o077]
    if loose:
        files = " ".join(str(path / name) for name in loose)
        return Check(
            "setup", "secrets", Verdict.FAILED, f"readable by others: {', '.join(loose)}", f"chmod 600 {files}"
        )
    return Check("setup", "secrets", Verdict.OK, "readable by their owner only")


def _ledger(place: Place) -> Iterator[Check]:
    if not place.ledger_file.exists():
        yield Check("ledger", "journal", Verdict.INFO, "none yet; the first posd run makes it")
        return
    try:
        report = verify_ledger(place.ledger_file)
    except PosdError as error:
        yield Check("ledger", "journal", Verdict.FAILED, str(error), "posd ledger verify")
        return
    if report.ok:
        yield Check("ledger", "journal", Verdict.OK, f"{report.head.seq} entries keep every promise")
    else:
        yield Check("ledger", "journal", Verdict.FAILED, str(report.broken), "posd ledger export > journal.jsonl")


def _status(place: Place) -> dict[str, Any] | None:
    try:
        status: dict[str, Any] = TillClient(place.socket_file, timeout_s=10).get("/v1/status")
    except (TillNotRunning, OSError):
        return None
    return status


def _readers(config: Config, rules: CardRules, running: dict[str, Any] | None) -> Iterator[Check]:
    """What the running till knows; without one, each reader is looked at from outside."""
    if running is not None:
        yield from (_reader_status(reader) for reader in running["readers"])
    else:
        for report in SelfTest(SystemClock(), rules).check_all(config.readers, HealthLevel.INTERNAL):
            for item in report.checks:
                verdict = Verdict.OK if item.ok else Verdict.FAILED
                yield Check("readers", f"{report.name}, {item.name}", verdict, item.detail, item.fix)
    if not config.readers:
        yield Check("readers", "configured", Verdict.INFO, "none; simulated readers serve until one is", "posd readers")
    yield from _unassigned(config)


def _reader_status(reader: dict[str, Any]) -> Check:
    verdict = Verdict.OK if reader["state"] == "ready" else Verdict.FAILED
    detail, _, fix = reader["detail"].partition("; ")
    return Check("readers", reader["name"], verdict, f"{reader['state']} {detail}".strip(), fix)


def _unassigned(config: Config) -> Iterator[Check]:
    found = discover(config.readers)
    for device in devices_on_shelf(found, surroundings()):
        detail, _, fix = device.why_not.partition("; ")
        if device.candidate is None:
            yield Check("readers", device.name, Verdict.WARNING, detail, fix)
        elif device.reader_id is None:
            where = f"{device.candidate.address} is plugged in; {detail}"
            yield Check("readers", device.name, Verdict.INFO, where, "posd readers --toml")
    for broken in found.broken:
        yield Check("readers", f"driver {broken.name}", Verdict.FAILED, broken.detail, broken.fix)


def _club(running: dict[str, Any] | None) -> Iterator[Check]:
    if running is None:
        yield Check("club", "till", Verdict.INFO, "no till is running here", "posd run")
        return
    link = running["link"]
    verdict = {"online": Verdict.OK, "offline": Verdict.WARNING}.get(link["state"], Verdict.FAILED)
    detail = f"{link['state']}, {link['queue']} waiting to be sent. {link['detail']}".strip()
    yield Check("club", "link", verdict, detail, "posd sync now")
