"""`posd selftest --all` against every family of readers, by itself and by a running till that keeps the evidence."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from posd.cards.rules import CardRules
from posd.cli.main import main
from posd.config import load_config, parse_config
from posd.drivers import simulated
from posd.drivers.base import HealthLevel
from posd.drivers.key_events import DEAF_NS
from posd.drivers.selftest import SelfTest
from posd.drivers.simulated_card import loyalty_card
from posd.machine import SystemClock
from tests.fakes import hidraw_devices as hid
from tests.fakes.input_devices import Wedge, link
from tests.fakes.pcscd import process_pcscd
from tests.fakes.running_till import RunningTill, wait_for
from tests.fakes.serial_port import SerialPort
from tests.fakes.virtual_card import Slot

pytestmark = pytest.mark.slow

NUMBER = "9800000000012345"
WEDGE, STRIPE, SCANNER = 7, 20, 21
LISTENS_S = 4 * DEAF_NS / 1e9
"""So long after it was asked for a card, any of these readers is open and hears."""


class Counter:
    """A till's counter with a reader of every family on it."""

    def __init__(self, folder: Path, bench: hid.HidBench) -> None:
        self.bench, self.folder = bench, folder
        self.line = SerialPort(folder / "line")
        self.slot = Slot(process_pcscd().ports[0])
        self.config = folder / "posd.toml"
        readers = {
            "wedge": f'driver = "hid_keyboard"\naddress = "{link(WEDGE)}"',
            "stripe": f'driver = "hid_report"\naddress = "{hid.link(STRIPE)}"',
            "pos": f'driver = "hid_report"\ndevice_class = "scanner"\naddress = "{hid.link(SCANNER, "scanner")}"',
            "line": f'driver = "serial_line"\naddress = "{self.line.path}"',
            "chips": 'driver = "pcsc"',
            "paper": 'driver = "simulated"\nkind = "swipe"',
        }
        self.config.write_text("".join(f'[[reader]]\nid = "{name}"\n{rest}\n' for name, rest in readers.items()))
        for number in (WEDGE, STRIPE, SCANNER):
            bench.plug(number)

    @property
    def cards(self) -> dict[str, Callable[[], object]]:
        """How a person presents the test card to each of them."""
        card = loyalty_card(NUMBER)
        return {
            "wedge": lambda: self.bench.type(WEDGE, f"{NUMBER}\r", gap_us=2000),
            "stripe": lambda: self.bench.report(STRIPE, hid.magtek_report("", f";{NUMBER}?")),
            "pos": lambda: self.bench.report(SCANNER, *hid.scan_reports(NUMBER.encode(), b"]C0")),
            "line": lambda: self.line.send(f"{NUMBER}\r".encode()),
            "chips": lambda: self.slot.insert(card.atr, card),
            "paper": lambda: simulated.feed("paper", f";{NUMBER}?"),
        }

    def posd(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
        code = main(["--state-dir", str(self.folder), "--config", str(self.config), *arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    devices = (
        Wedge(WEDGE),
        hid.HidReader(STRIPE),
        hid.HidReader(SCANNER, hid.POS_SCANNER, "Scanner", vendor=0x0C2E, product=0x0B61, role="scanner"),
    )
    with hid.HidBench(*devices) as bench:
        counter = Counter(tmp_path, bench)
        yield counter
        counter.line.close()
        counter.slot.remove()


def test_every_family_is_checked_at_once(counter: Counter, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = counter.posd(capsys, "selftest", "--all")
    assert {report["reader"]: report["ok"] for report in document["readers"]} == dict.fromkeys(counter.cards, True)
    assert (code, document["level"], document["recorded"]) == (0, "external", False)
    counter.bench.unplug(STRIPE)
    code, document = counter.posd(capsys, "selftest", "--all", "--level", "internal")
    assert code == 1
    (stripe,) = [report for report in document["readers"] if not report["ok"]]
    assert stripe["reader"] == "stripe" and stripe["checks"][-1]["fix"]


def test_every_family_explains_a_card_and_shows_no_number(counter: Counter) -> None:
    test = SelfTest(SystemClock(), CardRules())
    for reader in load_config(counter.config).readers:
        person = threading.Timer(LISTENS_S, counter.cards[reader.reader_id])
        person.start()
        report = test.check(reader, HealthLevel.INTERACTIVE)
        person.join()
        assert report.ok, report
        assert report.checks[-1].name == "card rule"
        assert NUMBER not in repr(report)


def test_the_tables_for_what_is_not_assigned_can_be_pasted(
    counter: Counter, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--state-dir", str(counter.folder), "--config", str(counter.config), "readers", "--toml"])
    assert "/dev/hidraw" not in capsys.readouterr().out, "all that is fake is assigned"
    alone = counter.folder / "alone.toml"
    alone.write_text("")
    main(["--state-dir", str(counter.folder), "--config", str(alone), "readers", "--toml"])
    pasted = capsys.readouterr().out
    readers = parse_config([("pasted", pasted)]).readers
    assert {link(WEDGE), hid.link(STRIPE)} <= {reader.options["address"] for reader in readers}
    assert len({reader.reader_id for reader in readers}) == len(readers)


def test_what_is_plugged_in_is_listed_with_its_reader(counter: Counter, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = counter.posd(capsys, "readers")
    assert code == 0 and document["broken_drivers"] == []
    assigned = {device["reader"] for device in document["devices"] if device["reader"]}
    assert assigned == {"wedge", "stripe", "pos", "chips"}, "a pty is no device of the machine"


def ready(till: RunningTill) -> list[dict[str, Any]]:
    return [reader for reader in till.client.get("/v1/readers")["readers"] if reader["state"] == "ready"]


@pytest.mark.complaint(23)
def test_the_till_checks_its_own_readers_and_keeps_the_evidence(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "line")
    config = f'[[reader]]\nid = "line"\ndriver = "serial_line"\naddress = "{port.path}"\n'
    with RunningTill(tmp_path, config=config) as till:
        wait_for(lambda: len(ready(till)) == 4, "the readers")
        port.send(f"{NUMBER}\r".encode())
        wait_for(lambda: any(reader["last_read_age_s"] is not None for reader in ready(till)), "a read")
        done = till.posd("selftest", "--all", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["recorded"] is True
        till.wait_queue(0)
        shown = {row["summary"] for row in till.journal() if row["kind"] == "reader_check"}
        verified = till.posd("ledger", "verify")
    assert "line  external passed" in shown
    assert len(shown) == 4
    assert verified.returncode == 0, verified.stderr
    port.close()
