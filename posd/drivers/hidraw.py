"""HID devices as Linux gives them raw: one whole report per read, the report descriptor, who made it (hidraw).

hidraw knows no grab: every program that may open the node gets every report. What keeps others away is the node's
permission (`udev/71-posd.rules`).
"""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from posd.drivers.refusal import from_os
from posd.errors import DeviceLost

LARGEST_REPORT = 4096
"""Bytes; no reader sends longer ones."""

_HIDIOCGRDESCSIZE, _HIDIOCGRDESC, _HIDIOCGRAWINFO = 0x80044801, 0x90044802, 0x80084803
_HIDIOCSFEATURE = 0xC0004806
"""The length of the report belongs into bits 16 to 29."""
_LARGEST_DESCRIPTOR = 4096
_SYSFS = Path("/sys/class/hidraw")


@dataclass(frozen=True, slots=True)
class HidDevice:
    """What sysfs tells of a node, without opening it. ``phys`` names the port and the interface
    (``usb-0000:00:14.0-2/input0``), ``serial`` is empty where the device has none."""

    node: Path
    vendor: int
    product: int
    name: str
    phys: str
    serial: str
    descriptor: bytes = field(repr=False)


class HidrawNode:
    """An open node. Every method raises a `DeviceError` where the operating system refuses."""

    def __init__(self, address: str, *, writable: bool = False) -> None:
        """``writable``: for devices that are asked; listening needs no permission to write."""
        self.address = address
        mode = os.O_RDWR if writable else os.O_RDONLY
        try:
            self.fd = os.open(Path(address).resolve(), mode | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise from_os(error, address) from error
        try:
            self.descriptor = _descriptor(self.fd)
            self.vendor, self.product = _ids(self.fd)
        except OSError as error:
            self.close()
            raise from_os(error, address) from error

    def read_report(self) -> bytes:
        """The next report, with its report id in front if the device numbers its reports; empty when none is there.
        Wait for one by `posd.drivers.waker.Waker`."""
        try:
            report = os.read(self.fd, LARGEST_REPORT)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise from_os(error, self.address) from error
        if not report:
            raise DeviceLost(f"{self.address} went away (end of file); check the cable")
        return report

    def write_report(self, report: bytes) -> None:
        """Send an output report. Its first byte is the report id; 0 for a device that does not number its reports."""
        try:
            os.write(self.fd, report)
        except OSError as error:
            raise from_os(error, self.address) from error

    def set_feature(self, report: bytes) -> None:
        """Send a feature report, its report id first."""
        try:
            fcntl.ioctl(self.fd, _HIDIOCSFEATURE | len(report) << 16, report)
        except OSError as error:
            raise from_os(error, self.address) from error

    def close(self) -> None:
        """May be called twice."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def hid_devices() -> list[HidDevice]:
    """Every hidraw node there is, from sysfs alone: looking opens nothing."""
    found = [_from_sysfs(entry) for entry in sorted(_SYSFS.glob("hidraw*"))]
    return [device for device in found if device is not None]


def _from_sysfs(entry: Path) -> HidDevice | None:
    """None for a device that goes away while it is looked at."""
    try:
        uevent = (entry / "device/uevent").read_text("utf-8", "replace")
        descriptor = (entry / "device/report_descriptor").read_bytes()
    except OSError:
        return None
    told = dict(line.split("=", 1) for line in uevent.splitlines() if "=" in line)
    _, vendor, product = (int(number, 16) for number in told.get("HID_ID", "0:0:0").split(":"))
    return HidDevice(
        node=Path("/dev") / entry.name,
        vendor=vendor,
        product=product,
        name=told.get("HID_NAME", ""),
        phys=told.get("HID_PHYS", ""),
        serial=told.get("HID_UNIQ", ""),
        descriptor=descriptor,
    )


def _descriptor(fd: int) -> bytes:
    (size,) = struct.unpack("i", fcntl.ioctl(fd, _HIDIOCGRDESCSIZE, bytes(4)))
    answer = bytearray(struct.pack("I", size) + bytes(_LARGEST_DESCRIPTOR))  # a bytes object may have at most 1024
    fcntl.ioctl(fd, _HIDIOCGRDESC, answer)
    return bytes(answer[4 : 4 + size])


def _ids(fd: int) -> tuple[int, int]:
    _, vendor, product = struct.unpack("IHH", fcntl.ioctl(fd, _HIDIOCGRAWINFO, bytes(8)))
    return vendor, product
