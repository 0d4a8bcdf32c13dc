"""Finding drivers: bundled and strangers', whole and broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from posd.cards.rules import CardRules
from posd.drivers.base import DriverSpec, HealthLevel, ReaderConfig
from posd.drivers.discovery import discover
from posd.drivers.registry import BrokenDriver, build_options, driver_names, load_driver
from posd.drivers.selftest import SelfTest
from posd.errors import ConfigError
from posd.events import DeviceClass
from posd.machine import SystemClock
from tests.fakes.plugin import install

SELF_TEST = SelfTest(SystemClock(), CardRules())
BUNDLED = ["hid_keyboard", "hid_report", "msr_serial", "pcsc", "replay", "serial_line", "simulated"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def reader(driver: str, device_class: DeviceClass | None = None, **options: object) -> ReaderConfig:
    return ReaderConfig("desk", driver, "Desk", device_class, options)


def loaded(name: str) -> DriverSpec:
    spec = load_driver(name)
    assert isinstance(spec, DriverSpec)
    return spec


def test_bundled_drivers_come_through_the_same_door_as_strangers(site: Path) -> None:
    assert driver_names() == BUNDLED
    for name in BUNDLED:
        assert loaded(name).name == name
    install(site, "stranger", "SPEC = spec('stranger')")
    assert "stranger" in driver_names()
    assert loaded("stranger").name == "stranger"


def test_an_unknown_driver_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'hid_keyboard'"):
        load_driver("hid_keybord")


@pytest.mark.parametrize(
    "source",
    [
        "import a_library_that_nobody_has",
        "1 / 0",
        "raise SystemExit(3)",
        "def (",
        "SPEC = 'not a spec'",
        "NO_SPEC = 1",
    ],
)
def test_a_broken_plug_in_is_named_and_everything_else_goes_on(site: Path, source: str) -> None:
    install(site, f"broken{abs(hash(source))}", source)
    name = f"broken{abs(hash(source))}"
    broken = load_driver(name)
    assert isinstance(broken, BrokenDriver)
    assert name in f"{broken.detail} {broken.fix}"
    assert "pip install" in broken.fix
    assert name in [item.name for item in discover().broken]
    (check,) = SELF_TEST.check(reader(name), HealthLevel.INTERNAL).checks
    assert (check.ok, check.fix) == (False, broken.fix)
    assert loaded("simulated").name == "simulated"


def test_two_packages_with_one_name_are_a_fault_and_not_a_lottery(site: Path) -> None:
    install(site, "twin", "SPEC = spec('twin')")
    other = site / "other"
    other.mkdir()
    sys.path.insert(0, str(other))
    try:
        install(other, "twin2", "SPEC = spec('twin')")
        entry_points = other / "twin2-1.0.dist-info" / "entry_points.txt"
        entry_points.write_text("[posd.drivers]\ntwin = twin2:SPEC\n")
        broken = load_driver("twin")
    finally:
        sys.path.remove(str(other))
    assert isinstance(broken, BrokenDriver)
    assert "twin, twin2" in broken.detail


def test_a_crashing_probe_is_named(site: Path) -> None:
    install(site, "crashes", "def probe(): raise RuntimeError('6331940000012345')\nSPEC = spec('crashes', probe=probe)")
    (broken,) = [item for item in discover().broken if item.name == "crashes"]
    assert "RuntimeError" in broken.detail
    assert "crashes.py:" in broken.detail
    assert "6331940000012345" not in broken.detail


def test_options_are_read_strictly() -> None:
    spec = loaded("serial_line")
    with pytest.raises(ConfigError, match="did you mean 'baud'"):
        build_options(spec, reader("serial_line", address="/dev/ttyACM0", baudd=9600))
    with pytest.raises(ConfigError, match="'address' is missing"):
        build_options(spec, reader("serial_line"))
    with pytest.raises(ConfigError, match="did you mean 'crlf'"):
        build_options(spec, reader("serial_line", address="/dev/ttyACM0", suffix="crfl"))
    with pytest.raises(ConfigError, match="parity"):
        build_options(spec, reader("serial_line", address="/dev/ttyACM0", parity="mark"))
    with pytest.raises(ConfigError, match="layout"):
        build_options(loaded("hid_keyboard"), reader("hid_keyboard", address="/dev/input/event0", layout="xx"))


def test_the_device_class_goes_to_drivers_that_serve_several() -> None:
    options = build_options(loaded("hid_keyboard"), reader("hid_keyboard", DeviceClass.MSR, address="/dev/posd/msr"))
    assert options.device_class is DeviceClass.MSR
    with pytest.raises(ConfigError, match="smartcard only"):
        build_options(loaded("pcsc"), reader("pcsc", DeviceClass.SCANNER))


def test_the_self_test_reports_every_reader(site: Path) -> None:
    readers = [reader("simulated", kind="scan"), reader("serial_line", address="/dev/nowhere"), reader("nonsense")]
    good, missing, unknown = SELF_TEST.check_all(readers, HealthLevel.EXTERNAL)
    assert good.ok
    assert not missing.ok
    assert not unknown.ok
    assert all(check.fix for report in (missing, unknown) for check in report.checks if not check.ok)
    install(site, "unwell", "SPEC = spec('unwell', check=lambda *_: 1 / 0)")
    configured, crashed = SELF_TEST.check(reader("unwell"), HealthLevel.EXTERNAL).checks
    assert (configured.ok, crashed.ok) == (True, False)
    wrong = SELF_TEST.check(reader("serial_line", adress="x"), HealthLevel.EXTERNAL).checks
    assert "address" in wrong[0].detail


def test_a_driver_is_imported_only_when_a_reader_needs_it() -> None:
    script = (
        "import sys; from posd.drivers.registry import load_driver; import posd.drivers.supervisor;"
        "load_driver('simulated'); print([m for m in ('evdev', 'serial', 'smartcard', 'pyudev') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
