"""The unit files as systemd reads them: valid to the last key, and confined as promised."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UNITS = sorted([*(ROOT / "systemd").glob("*.service"), *(ROOT / "systemd").glob("*.socket")])


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Copies whose program exists here: systemd checks that, and /opt/posd is made by the package."""
    copies = []
    for unit in UNITS:
        text = unit.read_text("utf-8")
        copies.append(tmp_path / unit.name)
        copies[-1].write_text(text.replace("/opt/posd/bin/posd ", "/bin/true "), "utf-8")
    return copies


def verify(files: list[Path]) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_understands_every_key(units: list[Path]) -> None:
    result = verify(units)
    assert result.returncode == 0, result.stderr
    ours = [line for line in result.stderr.splitlines() if "posd" in line]
    assert not ours, result.stderr


def test_a_wrong_key_is_found(units: list[Path]) -> None:
    """Positive control: plain verify forgives this; ours must not."""
    service = next(unit for unit in units if unit.name == "posd.service")
    service.write_text(service.read_text().replace("RestartSec=1", "RestartSecs=1"))
    assert verify(units).returncode != 0


@pytest.mark.parametrize(
    ("name", "most"), [("posd.service", 0.9), ("posd-sync.service", 1.1), ("posd-club.service", 1.1)]
)
def test_exposure(units: list[Path], name: str, most: float) -> None:
    unit = next(unit for unit in units if unit.name == name)
    command = ["systemd-analyze", "security", "--offline=true", str(unit)]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"exposure level for \S+: ([0-9.]+)", text)
    assert found, text
    assert float(found[1]) <= most


def test_the_till_daemon_may_not_open_internet_sockets() -> None:
    text = (ROOT / "systemd/posd.service").read_text()
    families = re.search(r"^RestrictAddressFamilies=(.*)$", text, re.MULTILINE)
    assert families and set(families[1].split()) == {"AF_UNIX", "AF_NETLINK"}
