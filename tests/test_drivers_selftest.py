"""The self-test: what an interactive check says of a card, and that it says nothing more."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from posd.cards.chip import ChipContents, encode_chip
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file
from posd.cards.reads import RejectReason
from posd.cards.rules import CardRules
from posd.clock import Instant
from posd.drivers import simulated
from posd.drivers.base import Health, HealthLevel, ReaderConfig
from posd.drivers.key_events import DEAF_NS
from posd.drivers.read_filter import ReadOptions
from posd.drivers.read_report import report_of
from posd.drivers.selftest import ReaderReport, SelfTest
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock
from tests.fakes.input_devices import InputBench, Wedge, link
from tests.fakes.plugin import install
from tests.fakes.serial_port import SerialPort

NUMBER = "9800000000012345"
BANK = "4111111111111111"
ATR = bytes.fromhex("3B8F8001804F0CA000000306030003000000000068")


def told(
    payload: str | bytes, kind: DeviceClass = DeviceClass.SCANNER, flaw: str | None = None, layout: str | None = None
) -> dict[str, Health]:
    data = payload.encode() if isinstance(payload, str) else payload
    checks = report_of(RawRead("desk", kind, data, Instant(0, "boot", 0), flaw), CardRules(), layout=layout)
    for check in checks:
        assert check.ok or check.fix, f"{check.name} says what to do"
        assert not re.search(r"\d{5,}", f"{check.detail} {check.fix}"), "no number is told"
    return {check.name: check for check in checks}


def test_a_swipe_is_told_by_tracks_and_rule() -> None:
    found = told(f"%L{NUMBER}^DOE/JANE?\r;{NUMBER}=77?", DeviceClass.MSR)
    assert [name for name, check in found.items() if check.ok] == ["reads", "track 1", "track 2", "card rule"]
    assert found["track 2"].detail == "19 characters"
    assert found["card rule"].detail.startswith("1 default (track2) fits: a number of 16 characters ending in 2345")
    assert not any("DOE" in check.detail for check in found.values())


def test_a_track_that_did_not_decode_is_named() -> None:
    found = told(f"%E?;{NUMBER}?", DeviceClass.MSR)
    assert (found["track 1"].ok, found["track 2"].ok) == (False, True)
    assert "LRC" in found["track 1"].detail


def test_a_scan_is_told_by_symbology_length_and_check_digit() -> None:
    found = told("]E04006381333931")
    assert found["symbology"].detail == "]E0"
    assert found["data"].detail == "13 characters; check digit: GS1"
    assert not found["card"].ok, "a product is no card"
    assert "AIM" in told("ABC-4711-XYZ")["symbology"].detail


def test_a_chip_is_told_by_kind_and_contents() -> None:
    file = encode_loyalty_file(LoyaltyFile("POSD", NUMBER))
    found = told(encode_chip(ChipContents(ATR, bytes(range(7)), {"loyalty": file})), DeviceClass.SMARTCARD)
    assert found["chip"].detail == "contactless, storage card 0003"
    assert found["uid"].detail == "7 bytes, fixed"
    assert found["contents"].detail.startswith("loyalty (")
    assert found["card rule"].ok


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (f"%B{BANK}^DOE/JANE^30121010000?;{BANK}=30121010000?", DeviceClass.MSR),
        (f";{BANK}=3012", DeviceClass.MSR),
        (BANK, DeviceClass.SCANNER),
        (encode_chip(ChipContents(refusal=RejectReason.PAYMENT_CARD)), DeviceClass.SMARTCARD),
    ],
)
def test_a_payment_card_proves_the_reader_and_is_refused(payload: str | bytes, kind: DeviceClass) -> None:
    found = told(payload, kind)
    assert found["payment card"].ok
    assert set(found) == {"reads", "payment card"}


@pytest.mark.parametrize("reason", list(RejectReason))
def test_every_flaw_has_a_way_out(reason: RejectReason) -> None:
    found = told(b"", flaw=f"{reason.value}: it happened")
    assert "reads" not in found


def interactive(reader: ReaderConfig, patience_s: float = 5) -> ReaderReport:
    return SelfTest(SystemClock(), CardRules(), patience_s).check(reader, HealthLevel.INTERACTIVE)


def names(report: ReaderReport) -> list[tuple[str, bool]]:
    return [(check.name, check.ok) for check in report.checks]


def test_a_person_presents_a_card_and_is_told_what_came(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "scanner")
    desk = ReaderConfig("desk", "serial_line", "Desk", None, {"address": str(port.path)}, ReadOptions(strip_prefix="*"))
    present = threading.Timer(0.2, port.send, [f"*{NUMBER}\r".encode()])
    present.start()
    report = interactive(desk)
    present.join()
    opened = [("configured", True), ("present", True), ("permitted", True), ("answers", True)]
    assert names(report) == [*opened, ("reads", True), ("symbology", True), ("data", True), ("card rule", True)]
    assert NUMBER not in repr(report)
    assert names(interactive(desk, patience_s=0.05)) == [*opened, ("reads", False)]
    port.close()
    assert names(interactive(desk)) == [("configured", True), ("present", False)]


def test_a_simulated_reader_is_asked_like_any_other() -> None:
    stripe = ReaderConfig("stripe", "simulated", "Stripe", None, {"kind": "swipe"})
    results: list[ReaderReport] = []
    checking = threading.Thread(target=lambda: results.append(interactive(stripe)))
    checking.start()
    while checking.is_alive():
        try:
            simulated.feed("stripe", f";{NUMBER}=77?")
        except LookupError:  # not open yet
            checking.join(0.01)
        else:
            checking.join(1)
    assert names(results[0])[-1] == ("card rule", True)


@pytest.mark.complaint(2)
def test_a_wrong_layout_is_suspected() -> None:
    found = told(",(*)))))))))!@#$%M", DeviceClass.MSR, layout="us")
    assert "but one in fr" in found["layout"].detail
    assert "calibrate" in found["layout"].fix
    assert told(f";{NUMBER}?", DeviceClass.MSR, layout="us")["layout"].ok


def test_a_reader_that_types_is_told_how_fast() -> None:
    with InputBench(Wedge(7)) as bench:
        bench.plug(7)
        desk = ReaderConfig("desk", "hid_keyboard", "Desk", None, {"address": link(7)})
        results: list[ReaderReport] = []
        checking = threading.Thread(target=lambda: results.append(interactive(desk)))
        checking.start()
        while checking.is_alive():
            if bench.grabbed(7):
                checking.join(3 * DEAF_NS / 1e9)
                bench.type(7, f"{NUMBER}\r", gap_us=2000)
                checking.join(1)
    timing = {check.name: check.detail for check in results[0].checks}["key timing"]
    assert timing.startswith("16 characters, ")
    assert NUMBER not in repr(results)


def test_a_driver_that_crashes_while_it_reads_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    broken = "class D(Quiet):\n    def read(self): raise KeyError('{0}')\nSPEC = spec('selfcrash', open=D)"
    install(tmp_path, "selfcrash", broken.format(NUMBER))
    report = interactive(ReaderConfig("bad", "selfcrash", "Bad", None, {}))
    assert names(report) == [("configured", True), ("reads", False)]
    assert NUMBER not in repr(report)
