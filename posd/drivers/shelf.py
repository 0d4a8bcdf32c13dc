"""The devices on the shelf: each once, with the driver that would read it, and the reason why it does not.

Several drivers may find the same device (a scanner types, and is a serial line as well); the port tells that it is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from posd.drivers.base import Candidate
from posd.drivers.discovery import Discovery, Found
from posd.drivers.known_devices import KnownDevice, known_device
from posd.drivers.refusal import UDEV_FIX
from posd.drivers.registry import driver_names
from posd.drivers.usb import UsbDevice, usb_devices, usb_port

UNASSIGNED = "not assigned; posd readers --toml prints its table"
MAYBE_A_KEYBOARD = "it types and may be the cashier's keyboard: posd leaves it alone unless a [[reader]] table names it"
KEYBOARD = "people type on it: posd leaves it alone unless a [[reader]] table names it"
PCSCD_BLIND = "pcscd does not list it; install libccid, then: sudo systemctl restart pcscd"


@dataclass(frozen=True, slots=True)
class Device:
    """``candidate`` is None where no driver sees the device. ``why_not``: why posd does not read it, and what to do;
    empty when it does. ``note``: what is known of this model."""

    name: str
    driver: str
    candidate: Candidate | None
    reader_id: str | None
    port: str = ""
    usb_id: str = ""
    why_not: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What has to be looked up about a device, so that the judgement below is pure."""

    usb: Sequence[UsbDevice]
    port_of: Callable[[str], str | None]
    may_open: Callable[[str], bool]
    installed: Sequence[str]


def surroundings() -> Surroundings:
    """Of this machine."""
    return Surroundings(usb_devices(), usb_port, _may_open, driver_names())


def devices_on_shelf(found: Discovery, around: Surroundings) -> list[Device]:
    """What drivers found, each for one driver; behind it known readers that no driver sees."""
    by_port: dict[str, list[Found]] = {}
    for item in found.found:
        port = around.port_of(item.candidate.address)
        by_port.setdefault(port or item.candidate.identity, []).append(item)
    on_usb = {device.port: device for device in around.usb}
    seen = [
        _seen(item, on_usb.get(port), around)
        for port, group in by_port.items()
        for item in _for_one_driver(group, on_usb.get(port))
    ]
    return [*seen, *_unseen([device for device in around.usb if device.port not in by_port], seen, around)]


def _for_one_driver(group: list[Found], usb: UsbDevice | None) -> list[Found]:
    """What is assigned; else what the driver found that the table of known devices names. An adapter with several lines
    stays several readers."""
    known = known_device(usb.vendor, usb.product) if usb else None
    first = min(group, key=lambda item: (item.reader_id is None, not known or item.candidate.driver != known.driver))
    return [item for item in group if item.candidate.driver == first.candidate.driver]


def _seen(item: Found, usb: UsbDevice | None, around: Surroundings) -> Device:
    candidate = item.candidate
    known = known_device(usb.vendor, usb.product, candidate.driver) if usb else None
    return Device(
        name=known.name if known else candidate.name,
        driver=candidate.driver,
        candidate=candidate,
        reader_id=item.reader_id,
        port=usb.port if usb else "",
        usb_id=usb.usb_id if usb else "",
        why_not="" if item.reader_id else _why_not(candidate, known, around),
        note=known.note if known else "",
    )


def _why_not(candidate: Candidate, known: KnownDevice | None, around: Surroundings) -> str:
    if known and known.keyboard:
        return KEYBOARD
    if candidate.driver == "hid_keyboard" and known is None:
        return MAYBE_A_KEYBOARD
    if not around.may_open(candidate.address):
        return f"no permission for {candidate.address}; {UDEV_FIX}"
    return UNASSIGNED


def _unseen(devices: Iterable[UsbDevice], seen: list[Device], around: Surroundings) -> list[Device]:
    chips = any(device.driver == "pcsc" for device in seen)
    unseen = []
    for usb in devices:
        known = known_device(usb.vendor, usb.product)
        if known is None:
            continue
        why_not = _why_unseen(usb, known, around)
        if known.driver != "pcsc" or not chips or known.kernel_module in usb.kernel_drivers:
            device = Device(known.name, known.driver, None, None, usb.port, usb.usb_id, why_not, known.note)
            unseen.append(device)
    return unseen


def _why_unseen(usb: UsbDevice, known: KnownDevice, around: Surroundings) -> str:
    if known.kernel_module and known.kernel_module in usb.kernel_drivers:
        return f"{known.kernel_module} of the kernel holds it; {known.fix}"
    if known.driver not in around.installed:
        return f"driver {known.driver} is not installed; install the package that brings it"
    if known.driver == "pcsc":
        return PCSCD_BLIND
    return f"driver {known.driver} does not see it; {known.fix or 'plug it in again, then: posd doctor'}"


def _may_open(address: str) -> bool:
    """True for what is no node: the names of PC/SC readers."""
    return not address.startswith("/") or os.access(address, os.R_OK)
