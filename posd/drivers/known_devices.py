"""Readers known by their USB id: how they are called, which driver reads them and what is known to go wrong.

The table is `known_devices.toml` beside this file. It feeds `posd readers` and `posd doctor`, and `make tables` makes
the udev files and a table of docs/readers.md from it. An id is a hint: which report a device sends is decided by its
descriptor, never here.

>>> known_device(0x072F, 0x2200).kernel_module
'pn533_usb'
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

from posd.events import DeviceClass
from posd.tables import from_table

SUBSYSTEMS = {"hid_keyboard": "input", "hid_report": "hidraw", "serial_line": "tty", "msr_serial": "tty", "pcsc": ""}
"""Where Linux shows what a driver reads; pcscd itself holds the readers of chips."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """One row of the table; its head says what the fields mean. ``vendor`` and ``product`` are four lower-case hex
    digits, ``product`` may be a pattern."""

    vendor: str
    product: str
    name: str
    driver: str
    device_class: DeviceClass
    verified: bool
    when: str = ""
    note: str = ""
    trouble: str = ""
    fix: str = ""
    keyboard: bool = False
    kernel_module: str = ""
    subsystem: str = ""

    @property
    def node(self) -> str:
        """Subsystem of the device node that the driver opens; empty for readers that pcscd holds."""
        return self.subsystem or SUBSYSTEMS[self.driver]

    @property
    def udev_key(self) -> str:
        """Its name in udev's hardware database. Empty where udev has nothing to do for us: readers that pcscd holds,
        and keyboards, which stay as they are."""
        return f"posd:{self.node}:v{self.vendor}p{self.product}" if self.node and not self.keyboard else ""


@cache
def known_devices() -> tuple[KnownDevice, ...]:
    """The whole table, in its order."""
    text = files("posd.drivers").joinpath("known_devices.toml").read_text("utf-8")
    return tuple(
        from_table(KnownDevice, row, f"known device {n}") for n, row in enumerate(tomllib.loads(text)["device"])
    )


def known_device(vendor: int, product: int, driver: str = "") -> KnownDevice | None:
    """The row for a USB id; ``driver`` chooses among several with one id. None for a device nobody wrote down."""
    rows = [
        row for row in known_devices() if row.vendor == f"{vendor:04x}" and fnmatchcase(f"{product:04x}", row.product)
    ]
    return next((row for row in rows if row.driver == driver), rows[0] if rows else None)
