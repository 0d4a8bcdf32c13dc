"""`posd doctor` about devices: each finding from facts, each with a command that mends it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from posd.cli.device_checks import device_checks, missing_keys
from posd.cli.device_facts import DeviceFacts, Node, device_facts
from posd.cli.verdicts import Check, Verdict
from posd.drivers.base import ReaderConfig
from posd.drivers.usb import UsbDevice

ROOT = Path(__file__).resolve().parent.parent
HWDB = (ROOT / "udev/71-posd.hwdb").read_text("utf-8")
WELL = DeviceFacts(
    nodes=[Node("desk", "/dev/posd/scanner", "posd-dev", may_open=True)],
    rules="rules",
    rules_here="rules",
    hwdb=HWDB,
    modules=frozenset({"usbhid"}),
    programs=frozenset({"systemd"}),
    polkit=True,
)
DESK = ReaderConfig("desk", "hid_keyboard", "Desk", None, {"address": "/dev/posd/scanner"})
LINE = ReaderConfig("line", "serial_line", "Line", None, {"address": "/dev/ttyACM0"})
DOOR = ReaderConfig("door", "pcsc", "Door", None, {})
ACR122U = UsbDevice("1-4", 0x072F, 0x2200, "ACS ACR122U")


def found(facts: DeviceFacts, *readers: ReaderConfig) -> dict[str, Check]:
    checks = list(device_checks(readers or (DESK, LINE, DOOR), facts))
    for check in checks:
        assert (check.status is Verdict.OK) == (not check.fix), f"{check.name}: what is wrong has a fix"
    return {check.name: check for check in checks}


def test_a_till_that_is_well_is_told_so() -> None:
    assert {check.status for check in found(WELL).values()} == {Verdict.OK}


def test_a_machine_without_readers_is_asked_nothing() -> None:
    assert list(device_checks([], DeviceFacts(pcscd=False, programs=frozenset({"ModemManager"})))) == []


def test_permissions() -> None:
    def node(group: str, *, may_open: bool) -> Check:
        desk = Node("desk", "/dev/posd/scanner", group, may_open=may_open)
        return found(replace(WELL, nodes=[desk]))["desk, permission"]

    assert node("posd-dev", may_open=False).status is Verdict.OK, "the service is in the group, whoever asks is not"
    assert node("input", may_open=True).status is Verdict.WARNING
    closed = node("input", may_open=False)
    assert closed.status is Verdict.FAILED and "udevadm" in closed.fix
    assert "desk, permission" not in found(replace(WELL, nodes=[Node("desk", "/dev/none")]))
    stranger = replace(WELL, as_root=False, user="mina", groups=frozenset({"mina"}))
    assert "usermod --append --groups posd-dev mina" in found(stranger)["group"].fix
    assert "groupadd" in found(replace(WELL, group_exists=False))["group"].fix


def test_a_program_that_holds_a_reader_is_named() -> None:
    held = Node("desk", "/dev/posd/scanner", "posd-dev", may_open=True, holders=("posd (7)", "Xorg (812)"))
    check = found(replace(WELL, nodes=[held]))["desk, grabs"]
    assert check.status is Verdict.WARNING
    assert "Xorg (812)" in check.detail and "posd (7)" not in check.detail


def test_udev_rules_that_lack_or_are_old() -> None:
    assert "not installed" in found(replace(WELL, rules=None))["udev rules"].detail
    assert "not installed" in found(replace(WELL, hwdb=None))["udev rules"].detail
    assert "not those of this posd" in found(replace(WELL, rules="older"))["udev rules"].detail
    assert found(replace(WELL, rules_here=None))["udev rules"].status is Verdict.OK, "an installed posd has no checkout"
    old = HWDB.replace("posd:hidraw:v0801p0002", "posd:hidraw:v0801p9999")
    assert missing_keys(old) == ["posd:hidraw:v0801p0002"]
    assert "1 known readers" in found(replace(WELL, hwdb=old))["udev rules"].detail


def test_pcscd_and_polkit() -> None:
    assert "enable --now pcscd.socket" in found(replace(WELL, pcscd=False))["pcscd"].fix
    assert "posd.polkit" in found(replace(WELL, polkit=False))["pcscd, polkit"].fix
    assert "pcscd, polkit" not in found(replace(WELL, polkit=None)), "Debian 12 does not ask polkit"
    assert "pcscd" not in found(replace(WELL, pcscd=False), DESK), "nobody reads chips here"


def test_programs_that_open_serial_scanners() -> None:
    busy = replace(WELL, programs=frozenset({"ModemManager", "brltty"}))
    assert {"brltty"} == {"brltty", "ModemManager"} & found(busy).keys(), "our rules keep ModemManager off"
    assert "ModemManager" in found(replace(busy, rules=None))
    assert "brltty" not in found(busy, DESK, DOOR)


def test_a_kernel_module_that_takes_the_reader() -> None:
    holding = replace(WELL, usb=[replace(ACR122U, kernel_drivers=("pn533_usb",))])
    name = "ACS ACR122U at port 1-4"
    assert found(holding)[name].status is Verdict.FAILED
    assert "modprobe" in found(holding)[name].fix
    loaded = replace(WELL, usb=[ACR122U], modules=frozenset({"pn533_usb"}))
    assert found(loaded)[name].status is Verdict.WARNING
    assert name not in found(replace(WELL, usb=[ACR122U])), "not loaded, no harm"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A file system as device_facts looks at it, with one program that holds a device."""
    for path, text in {
        "proc/1/comm": "systemd\n",
        "proc/812/comm": "Xorg\n",
        "proc/self/comm": "not a process\n",
        "proc/modules": "pn533_usb 20480 0 - Live 0x0\nusbhid 1 2 - Live 0x0\n",
        "etc/udev/rules.d/71-posd.rules": "local",
        "usr/lib/udev/rules.d/71-posd.rules": "packaged",
        "usr/lib/udev/hwdb.d/71-posd.hwdb": HWDB,
        "usr/share/polkit-1/actions/org.debian.pcsc-lite.policy": "<policy/>",
        "usr/share/polkit-1/rules.d/50-posd.rules": (ROOT / "systemd/posd.polkit").read_text("utf-8"),
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "proc/812/fd").mkdir()
    (tmp_path / "proc/812/fd/3").symlink_to("/dev/null")
    return tmp_path


def test_facts_are_read_where_linux_keeps_them(machine: Path) -> None:
    readers = [ReaderConfig("desk", "hid_keyboard", "Desk", None, {"address": "/dev/null", "also": ("/dev/nothing",)})]
    facts = device_facts([*readers, DOOR], machine)
    assert facts.nodes == [
        Node("desk", "/dev/null", "root", may_open=True, holders=("Xorg (812)",)),
        Node("desk", "/dev/nothing"),
    ]
    assert facts.programs == {"systemd", "Xorg"}
    assert facts.modules == {"pn533_usb", "usbhid"}
    assert (facts.rules, facts.hwdb, facts.polkit) == ("local", HWDB, True)
    assert facts.rules_here == (ROOT / "udev/71-posd.rules").read_text("utf-8")
    (machine / "usr/share/polkit-1/rules.d/50-posd.rules").unlink()
    assert device_facts([], machine).polkit is False


def test_a_file_that_this_process_holds_is_no_finding() -> None:
    with Path("/dev/zero").open("rb"):
        (node,) = device_facts([ReaderConfig("z", "serial_line", "Z", None, {"address": "/dev/zero"})]).nodes
    assert not any(f"({os.getpid()})" in holder for holder in node.holders)
