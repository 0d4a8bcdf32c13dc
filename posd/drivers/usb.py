"""What is plugged into USB, from sysfs alone: looking opens nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SYS = Path("/sys")
_PORT = re.compile(r"/(\d+-\d+(?:\.\d+)*)(?=/|$)")
_SUBSYSTEMS = ("input", "tty", "hidraw")


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """``port``: the kernel's name of the socket, hubs included (``1-2.4``). ``kernel_drivers``: modules that hold its
    interfaces."""

    port: str
    vendor: int
    product: int
    name: str
    kernel_drivers: tuple[str, ...] = ()

    @property
    def usb_id(self) -> str:
        return f"{self.vendor:04x}:{self.product:04x}"


def usb_devices(sys: Path = SYS) -> list[UsbDevice]:
    """Every device but the root hubs, by port."""
    found = [_device(entry) for entry in sorted((sys / "bus/usb/devices").glob("[0-9]*-*")) if ":" not in entry.name]
    return [device for device in found if device is not None]


def usb_port(address: str, sys: Path = SYS) -> str | None:
    """The port that the device behind a node of /dev hangs on; None for what is not on USB."""
    node = Path(address).resolve().name
    for subsystem in _SUBSYSTEMS:
        entry = sys / "class" / subsystem / node
        if entry.exists():
            return port_in(str(entry.resolve()))
    return None


def port_in(path: str) -> str | None:
    """The port in a path below /sys/devices: the innermost one, because hubs stand in it too."""
    ports = _PORT.findall(path)
    return ports[-1] if ports else None


def _device(entry: Path) -> UsbDevice | None:
    """None for a device that goes away while it is looked at."""
    try:
        vendor, product = (int(_text(entry / name), 16) for name in ("idVendor", "idProduct"))
    except (OSError, ValueError):
        return None
    names = [text for name in ("manufacturer", "product") if (text := _text_or_none(entry / name))]
    drivers = {link.resolve().name for link in entry.glob(f"{entry.name}:*/driver")}
    return UsbDevice(entry.name, vendor, product, " ".join(names), tuple(sorted(drivers)))


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace").strip()


def _text_or_none(path: Path) -> str | None:
    try:
        return _text(path)
    except OSError:
        return None
