"""A machine as udev sees it: real udevadm, the system's real rules and ours, over a sysfs made of plain files.

    room = UdevRoom(tmp_path)
    wedge = room.plug_wedge("1-2", 0x0801, 0x0001)
    (verdict,) = room.ask(wedge)
    verdict.group == "posd-dev"

Runs in namespaces of its own, as any user; nothing of the machine's own udev is touched. Where the kernel gives an
ordinary user no namespaces, the test is skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

UDEV = Path(__file__).resolve().parents[2] / "udev"
GROUP_ID = 977
KEYS = "e080ffdf01cfffff fffffffffffffffe"

_SCRIPT = """
mount --bind "$1/etc/udev" /etc/udev && mount --bind "$1/group" /etc/group && mount --bind "$1/sys" /sys &&
  mount --bind "$1/run" /run && mount --bind "$1/dev" /dev || exit 99
shift
for device; do echo "@@@"; udevadm test "$device" 2>&1; done
"""


@dataclass(frozen=True)
class Verdict:
    """What udev made of one device node. ``group`` and ``mode`` are empty where no rule of ours set them."""

    properties: Mapping[str, str]
    group: str
    mode: str
    complaints: tuple[str, ...]

    @property
    def posd_links(self) -> list[str]:
        return sorted(link for link in self.properties.get("DEVLINKS", "").split() if link.startswith("/dev/posd/"))

    @property
    def tags(self) -> set[str]:
        return set(self.properties.get("CURRENT_TAGS", "").split(":")) - {""}


class UdevRoom:
    def __init__(self, folder: Path) -> None:
        self._folder, self._sys = folder, folder / "sys"
        for name in ("etc/udev/rules.d", "etc/udev/hwdb.d", "dev", "run", "sys/class/input"):
            (folder / name).mkdir(parents=True)
        (folder / "group").write_text(f"{Path('/etc/group').read_text()}\nposd-dev:x:{GROUP_ID}:\n")
        for file in UDEV.iterdir():
            kind = file.suffix.removeprefix(".")
            if kind in ("rules", "hwdb"):
                (folder / f"etc/udev/{kind}.d" / file.name).write_bytes(file.read_bytes())
        self._pci = self._device("devices/pci0000:00/0000:00:14.0", "pci")
        self._hub = self._device(f"{self._pci}/usb1", "usb", "DEVTYPE=usb_device")

    def add(self, file: str, text: str) -> None:
        """A file of the shop's own below /etc/udev."""
        (self._folder / "etc/udev" / file).write_text(text)

    def plug_wedge(self, port: str, vendor: int, product: int, keys: str = KEYS) -> str:
        """A reader that types; its input node."""
        hid = self._hid(port, vendor, product)
        node = self._device(f"{hid}/input/input5", "input", "PRODUCT=3/0/0/0")
        self._write(node, {"name": "A reader", "capabilities/ev": "120013", "capabilities/key": keys})
        self._write(node, {"capabilities/abs": "0", "capabilities/rel": "0", "properties": "0", "id/bustype": "0003"})
        return self._device(f"{node}/event5", "input", "MAJOR=13", "MINOR=69", "DEVNAME=input/event5")

    def plug_hid(self, port: str, vendor: int, product: int) -> str:
        """A reader with reports of its own; its raw node."""
        hid = self._hid(port, vendor, product)
        return self._device(f"{hid}/hidraw/hidraw0", "hidraw", "MAJOR=240", "MINOR=0", "DEVNAME=hidraw0")

    def plug_modem(self, port: str, vendor: int, product: int, serial: str = "") -> str:
        """A reader on USB CDC; its line."""
        interface = self._interface(port, vendor, product, "02", serial)
        return self._device(f"{interface}/tty/ttyACM0", "tty", "MAJOR=166", "MINOR=0", "DEVNAME=ttyACM0")

    def plug_adapter(self, port: str, vendor: int, product: int, lines: int = 1, serial: str = "") -> list[str]:
        """A serial adapter; its lines."""
        interface = self._interface(port, vendor, product, "ff", serial)
        nodes = []
        for n in range(lines):
            line = self._device(f"{interface}/ttyUSB{n}", "usb-serial")
            self._write(line, {"port_number": str(n)})
            nodes.append(self._device(f"{line}/tty/ttyUSB{n}", "tty", "MAJOR=188", f"MINOR={n}", f"DEVNAME=ttyUSB{n}"))
        return nodes

    def ask(self, *nodes: str) -> list[Verdict]:
        """What udev says of each node."""
        subprocess.run(["systemd-hwdb", f"--root={self._folder}", "--strict", "update"], check=True)
        command = ["unshare", "--map-root-user", "--mount", "sh", "-c", _SCRIPT, "sh", str(self._folder)]
        done = subprocess.run(
            [*command, *(f"/sys/{node}" for node in nodes)],
            env={"PATH": os.environ["PATH"] + ":/sbin", "SYSTEMD_DEVICE_VERIFY_SYSFS": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 99 or "unshare" in done.stderr:
            pytest.skip(f"no namespaces for this user: {done.stderr.strip()}")
        return [_verdict(part) for part in done.stdout.split("@@@\n")[1:]]

    def _hid(self, port: str, vendor: int, product: int) -> str:
        return self._device(f"{self._interface(port, vendor, product, '03', '')}/0003:0000:0000.0001", "hid")

    def _interface(self, port: str, vendor: int, product: int, usb_class: str, serial: str) -> str:
        usb = self._device(f"{self._hub}/{port}", "usb", "DEVTYPE=usb_device", f"PRODUCT={vendor:x}/{product:x}/100")
        self._write(usb, {"idVendor": f"{vendor:04x}", "idProduct": f"{product:04x}", "bcdDevice": "0100"})
        if serial:
            self._write(usb, {"serial": serial})
        interface = self._device(f"{usb}/{port}:1.0", "usb", "DEVTYPE=usb_interface")
        self._write(interface, {"bInterfaceNumber": "00", "bInterfaceClass": usb_class})
        self._write(interface, {"bInterfaceSubClass": "01", "bInterfaceProtocol": "01"})
        return interface

    def _device(self, path: str, subsystem: str, *uevent: str) -> str:
        folder = self._sys / path
        folder.mkdir(parents=True, exist_ok=True)
        self._write(path, {"uevent": "\n".join(uevent)})
        home = self._sys / ("class" if subsystem in ("input", "hidraw", "tty") else "bus") / subsystem
        home.mkdir(parents=True, exist_ok=True)
        (folder / "subsystem").symlink_to(os.path.relpath(home, folder))
        return path

    def _write(self, path: str, attributes: Mapping[str, str]) -> None:
        for name, value in attributes.items():
            file = self._sys / path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(value + "\n")


def _verdict(output: str) -> Verdict:
    """From what `udevadm test` prints: its reasoning, and the properties at the end."""
    ours: list[tuple[str, str]] = re.findall(r"/etc/udev/rules\.d/\S+:\d+ (GROUP|MODE) (\S+)", output)
    group = dict(ours).get("GROUP", "")
    return Verdict(
        properties=dict(re.findall(r"^(\.?[A-Z_]+)=(.*)$", output, re.MULTILINE)),
        group="posd-dev" if group == str(GROUP_ID) else group,
        mode=dict(ours).get("MODE", ""),
        complaints=tuple(re.findall(r"^/etc/udev/rules\.d/.*$", output, re.MULTILINE)),
    )
