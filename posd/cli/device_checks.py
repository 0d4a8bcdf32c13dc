"""What is wrong around the readers: permissions, other programs, udev, pcscd, kernel modules. Pure: facts in, findings
out, each with a command to paste. A section speaks only where it matters for a reader that is plugged in or configured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from posd.cli.device_facts import DEVICE_GROUP, DeviceFacts, Node
from posd.cli.verdicts import Check, Verdict
from posd.drivers.base import ReaderConfig
from posd.drivers.known_devices import KnownDevice, known_device, known_devices
from posd.drivers.refusal import UDEV_FIX
from posd.drivers.usb import UsbDevice

SECTION = "devices"
LET_IN = (
    "sudo install -m 644 systemd/posd.polkit /etc/polkit-1/rules.d/50-posd.rules && sudo systemctl restart polkit pcscd"
)
_HWDB_KEY = re.compile(r"^posd:\S+", re.MULTILINE)
_LINE_DRIVERS = {"serial_line", "msr_serial"}


def device_checks(readers: Sequence[ReaderConfig], facts: DeviceFacts) -> Iterator[Check]:
    """Every check in order."""
    plugged = [(usb, known) for usb in facts.usb if (known := known_device(usb.vendor, usb.product))]
    drivers = {reader.driver for reader in readers} | {known.driver for _, known in plugged}
    yield from _permissions(facts)
    for node in facts.nodes:
        yield from _node(node)
    if facts.nodes or plugged:
        yield _udev(facts)
    if "pcsc" in drivers:
        yield from _pcscd(facts)
    if drivers & _LINE_DRIVERS:
        yield from _meddlers(facts)
    for usb, known in plugged:
        yield from _trouble(usb, known, facts)


def _permissions(facts: DeviceFacts) -> Iterator[Check]:
    if not facts.nodes:
        return
    if not facts.group_exists:
        fix = f"sudo groupadd --system {DEVICE_GROUP}; then: {UDEV_FIX}"
        yield _check(
            "group", Verdict.WARNING, f"there is no group {DEVICE_GROUP}, to which readers would be given", fix
        )
    elif not facts.as_root and DEVICE_GROUP not in facts.groups:
        fix = f"sudo usermod --append --groups {DEVICE_GROUP} {facts.user}; then log in again"
        detail = f"{facts.user} is not in group {DEVICE_GROUP} and cannot run posd by hand; the service can"
        yield _check("group", Verdict.INFO, detail, fix)


def _node(node: Node) -> Iterator[Check]:
    if not node.there:
        return  # the section of the readers says so
    name = f"{node.reader_id}, permission"
    if node.group == DEVICE_GROUP:
        yield _check(name, Verdict.OK, f"{node.address} belongs to group {DEVICE_GROUP}")
    elif node.may_open:
        detail = f"{node.address} belongs to group {node.group}: you may open it, the service may not"
        yield _check(name, Verdict.WARNING, detail, UDEV_FIX)
    else:
        yield _check(
            name, Verdict.FAILED, f"{node.address} belongs to group {node.group} and is closed to you", UDEV_FIX
        )
    others = [holder for holder in node.holders if not holder.startswith("posd ")]
    if others:
        detail = f"{node.address} is also open in {', '.join(others)}"
        fix = f"end that program, or keep it off the device: sudo fuser -v {node.address}"
        yield _check(f"{node.reader_id}, grabs", Verdict.WARNING, detail, fix)
    else:
        yield _check(f"{node.reader_id}, grabs", Verdict.OK, f"no other program has {node.address} open")


def _udev(facts: DeviceFacts) -> Check:
    if facts.rules is None or facts.hwdb is None:
        return _check("udev rules", Verdict.WARNING, "not installed: readers belong to nobody in particular", UDEV_FIX)
    lacking = missing_keys(facts.hwdb)
    if lacking:
        detail = f"older than this posd: {len(lacking)} known readers are not in the hardware database"
        return _check("udev rules", Verdict.WARNING, detail, UDEV_FIX)
    if facts.rules_here not in (None, facts.rules):
        return _check("udev rules", Verdict.WARNING, "not those of this posd", UDEV_FIX)
    return _check("udev rules", Verdict.OK, "installed and those of this posd")


def missing_keys(hwdb: str) -> list[str]:
    """Keys of known readers that stand in no line of ``hwdb``. Keyboards and readers of pcscd have none."""
    there = set(_HWDB_KEY.findall(hwdb))
    wanted = dict.fromkeys(known.udev_key for known in known_devices() if known.udev_key)
    return [key for key in wanted if key not in there]


def _pcscd(facts: DeviceFacts) -> Iterator[Check]:
    if not facts.pcscd:
        yield _check("pcscd", Verdict.FAILED, "its socket is not there", "sudo systemctl enable --now pcscd.socket")
        return
    yield _check("pcscd", Verdict.OK, "its socket is there")
    if facts.polkit is False:
        detail = "pcscd asks polkit, and no rule lets a service in"
        yield _check("pcscd, polkit", Verdict.WARNING, detail, LET_IN)


def _meddlers(facts: DeviceFacts) -> Iterator[Check]:
    """Programs that are known to open serial scanners. Our rules keep ModemManager off; nothing keeps brltty off."""
    for name in ("ModemManager", "brltty"):
        if name in facts.programs and (name == "brltty" or facts.rules is None):
            fix = f"sudo systemctl disable --now {name}" if name == "brltty" else UDEV_FIX
            yield _check(name, Verdict.WARNING, f"{name} runs and may open serial scanners", fix)


def _trouble(usb: UsbDevice, known: KnownDevice, facts: DeviceFacts) -> Iterator[Check]:
    """What is known to go wrong with this model. A module of the kernel does harm only while it is loaded."""
    if not known.trouble:
        return
    where = f"{known.name} at port {usb.port}"
    if not known.kernel_module:
        yield _check(where, Verdict.INFO, known.trouble, known.fix)
    elif known.kernel_module in usb.kernel_drivers:
        yield _check(where, Verdict.FAILED, f"{known.kernel_module} of the kernel holds it", known.fix)
    elif known.kernel_module in facts.modules:
        detail = f"{known.kernel_module} is loaded and takes it when it is plugged in again"
        yield _check(where, Verdict.WARNING, detail, known.fix)


def _check(name: str, status: Verdict, detail: str, fix: str = "") -> Check:
    return Check(SECTION, name, status, detail, fix)
