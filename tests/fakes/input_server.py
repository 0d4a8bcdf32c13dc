"""The device side of `tests.fakes.input_devices` and `tests.fakes.hidraw_devices`: keyboards and HID devices that exist
only for programs under umockdev's preload.

Runs as a process of its own under Debian's /usr/bin/python3 (which has gi): python-evdev makes its ioctls while it
holds the interpreter's lock, so an ioctl handler in the same process would never be reached.

argv[1] is a JSON list of devices; those with a ``descriptor`` are hidraw nodes, the others keyboards. No number is used
twice. Prints ``{"root": ...}``, then answers one JSON list per line, ``[command, number, ...]``, with one JSON value.

What it does that plain umockdev does not, all as the kernel does it: EVIOCGRAB answers EBUSY to a second opener; a
removed keyboard answers ENODEV, reading a removed hidraw node EIO; a device comes back under its old number; bursts of
any size arrive whole, because the node is a FIFO and not a pty; a read of a hidraw node gives one report.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import struct
import sys
import termios
import time
from pathlib import Path
from typing import Any

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402

EVIOCGRAB, EVIOCSCLOCKID = 0x40044590, 0x400445A0
F_SETPIPE_SZ, PIPE_BYTES = 1031, 1 << 20
EV_SYN, EV_KEY, EV_MSC, EV_LED, EV_REP = 0, 1, 4, 17, 20
HIDIOCGRDESCSIZE, HIDIOCGRDESC, HIDIOCGRAWINFO = 0x80044801, 0x90044802, 0x80084803
HIDIOCSFEATURE, ANY_LENGTH = 0xC0004806, 0x3FFF << 16
BUS_USB = 3

Json = Any


def bitmap(numbers: list[int], size: int) -> bytes:
    bits = bytearray(size)
    for number in numbers:
        bits[number // 8] |= 1 << number % 8
    return bytes(bits)


def sysfs_bitmap(numbers: list[int]) -> str:
    """64-bit words in hex, the highest first."""
    words: list[str] = []
    value = sum(1 << number for number in set(numbers))
    while value or not words:
        words.append(f"{value & (1 << 64) - 1:x}")
        value >>= 64
    return " ".join(reversed(words))


class Device(UMockdev.IoctlBase):  # type: ignore[misc]  # gi gives no types
    """One plugged device: answers ioctls until it is pulled."""

    read_error: int

    def __init__(self, about: dict[str, Json]) -> None:
        super().__init__()
        self.about, self.gone = about, False
        self.connect("handle-ioctl", self._on_ioctl)
        self.connect("handle-read", self._on_read)

    def _on_read(self, _base: Json, client: Json) -> bool:
        if self.gone:
            client.complete(-1, self.read_error)
        return self.gone

    def _on_ioctl(self, _base: Json, client: Json) -> bool:
        try:
            result = -errno.ENODEV if self.gone else self._answer(client, client.get_request() & 0xFFFFFFFF)
        except Exception as error:  # noqa: BLE001  # one that escapes would hang the client
            print("ioctl:", repr(error), file=sys.stderr, flush=True)
            result = -errno.EIO
        client.complete(-1 if result < 0 else result, -result if result < 0 else 0)
        return True

    def _answer(self, client: Json, request: int) -> int:
        """What the ioctl returns, or minus its errno."""
        raise NotImplementedError


def hand_over(client: Json, data: bytes) -> int:
    client.get_arg().resolve(0, len(data)).update(0, data)
    return len(data)


class RawHid(Device):
    read_error = errno.EIO

    def __init__(self, about: dict[str, Json]) -> None:
        super().__init__(about)
        self.written: list[str] = []
        self.features: list[str] = []
        self.connect("handle-write", self._on_write)

    def _on_write(self, _base: Json, client: Json) -> bool:
        """Output reports go to the device and not into the pipe that carries its own."""
        report = bytes(client.get_arg().retrieve())
        if not self.gone:
            self.written.append(report.hex())
        client.complete(-1 if self.gone else len(report), errno.ENODEV if self.gone else 0)
        return True

    def _answer(self, client: Json, request: int) -> int:
        about, descriptor = self.about, bytes.fromhex(self.about["descriptor"])
        if request & ~ANY_LENGTH == HIDIOCSFEATURE:
            length = (request & ANY_LENGTH) >> 16
            self.features.append(bytes(client.get_arg().resolve(0, length).retrieve()).hex())
            return length
        data = {
            HIDIOCGRDESCSIZE: struct.pack("<I", len(descriptor)),
            HIDIOCGRDESC: struct.pack("<I4096s", len(descriptor), descriptor),
            HIDIOCGRAWINFO: struct.pack("<IHH", BUS_USB, about["vendor"], about["product"]),
        }.get(request)
        if data is None:
            return -errno.ENOTTY
        hand_over(client, data)
        return 0


class Keyboard(Device):
    read_error = errno.ENODEV

    def __init__(self, about: dict[str, Json]) -> None:
        super().__init__(about)
        self.grabber, self.grabs = None, 0

    def _answer(self, client: Json, request: int) -> int:
        if request == EVIOCGRAB:
            return self._grab(client)
        if request == EVIOCSCLOCKID:
            return 0
        number, size = request & 0xFF, request >> 16 & 0x3FFF
        about = self.about
        data = {
            0x01: struct.pack("<I", 0x10001),
            0x02: struct.pack("<4H", 3, about["vendor"], about["product"], 0x110),
            0x06: about["name"].encode() + b"\0",
            0x07: about["phys"].encode() + b"\0",
            0x08: about["serial"].encode() + b"\0",
            0x09: bytes(4),
            0x18: bytes(96),
            0x19: bitmap(about["leds"], 2),
            0x84: bytes(4),
            0x20: bitmap([EV_SYN, EV_KEY, EV_MSC, EV_LED, EV_REP], 4),
            0x21: bitmap(about["keys"], 96),
            0x24: bitmap([4], 96),
            0x31: bitmap([0, 1, 2], 96),
            0x34: bitmap([0, 1], 96),
        }.get(number)
        if data is None:
            return -errno.EINVAL
        length = hand_over(client, data[:size])
        return 0 if number in (0x01, 0x02, 0x84) else length

    def _grab(self, client: Json) -> int:
        wanted = struct.unpack("<Q", bytes(client.get_arg().retrieve()))[0] & 0xFFFFFFFF
        if self.grabber is not None and not self.grabber.get_connected():
            self.grabber = None
        if wanted and self.grabber is not None:
            return -errno.EBUSY
        if not wanted and self.grabber is not client:
            return -errno.EINVAL
        self.grabber = client if wanted else None
        self.grabs += wanted
        return 0


class Socket:
    """A place for one device: its number, its folder in sysfs, and the device while it is plugged in."""

    device_type: type[Device]
    pipe_flags = 0

    def __init__(self, bed: Json, about: dict[str, Json]) -> None:
        self.bed, self.about = bed, about
        self.root = bed.get_root_dir()
        self.number: int = about["number"]
        usb = f"1-{self.number + 1}"
        self.usb = f"/devices/pci0000:00/0000:00:14.0/usb1/{usb}"
        self.hid = f"{self.usb}/{usb}:1.0/0003:{about['vendor']:04X}:{about['product']:04X}.{self.number:04X}"
        self.folders = self._folders()
        self.node = self._node()
        self.link = Path(self.root) / self._link()
        self.parked = f"{self.root}/parked-{self.number}"
        self.device: Device | None = None
        self.pipe = -1
        self.graveyard: list[Json] = []
        # Declared while nobody listens, then put aside: umockdev aborts when a node is added a second time.
        bed.add_from_string(self._description() + self._usb_description())
        Path(self.root + self.node).unlink()
        Path(f"{self.root}/sys{self.usb}").rename(self.parked)

    def _folders(self) -> list[str]:
        """In sysfs, the node's last; all get a uevent."""
        raise NotImplementedError

    def _node(self) -> str:
        raise NotImplementedError

    def _link(self) -> str:
        """Below the root."""
        raise NotImplementedError

    def _description(self) -> str:
        raise NotImplementedError

    def plug(self) -> None:
        self.device = self.device_type(self.about)
        self.bed.attach_ioctl(self.node, self.device)
        Path(self.parked).rename(f"{self.root}/sys{self.usb}")
        real = self.root + self.node
        os.mkfifo(real, 0o660)
        self.pipe = os.open(real, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self.pipe, F_SETPIPE_SZ, PIPE_BYTES)
        fcntl.fcntl(self.pipe, fcntl.F_SETFL, os.O_NONBLOCK | self.pipe_flags)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        self.link.symlink_to(os.path.relpath(real, self.link.parent))
        for path in self.folders:
            self.bed.uevent(f"/sys{path}", "add")

    def unplug(self) -> None:
        device, self.device = self.device, None
        assert device is not None, "not plugged in"
        device.gone = True
        for path in reversed(self.folders):
            self.bed.uevent(f"/sys{path}", "remove")
        Path(f"{self.root}/sys{self.usb}").rename(self.parked)
        Path(self.root + self.node).unlink()
        self.link.unlink()
        with contextlib.suppress(BlockingIOError):
            os.write(self.pipe, b"\0")  # wakes those who opened it for writing too: to them a pipe never hangs up
        os.close(self.pipe)  # a poll says POLLHUP from now on, as the kernel's does; reads are answered by _on_read
        self.bed.detach_ioctl(self.node)
        self.graveyard.append(device)

    def unread(self) -> int:
        """Bytes that the driver has not taken yet."""
        (count,) = struct.unpack("i", fcntl.ioctl(self.pipe, termios.FIONREAD, bytes(4)))
        return int(count)

    def _usb_ids(self) -> str:
        vendor, product = self.about["vendor"], self.about["product"]
        return f"E: ID_VENDOR_ID={vendor:04x}\nE: ID_MODEL_ID={product:04x}\nE: ID_BUS=usb\n"

    def _usb_description(self) -> str:
        return f"""\
P: {self.usb}
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
{self._usb_ids()}A: serial={self.about["serial"]}

"""


class HidrawSocket(Socket):
    device_type = RawHid
    pipe_flags = os.O_DIRECT  # packets: what was written at once is read at once

    def _folders(self) -> list[str]:
        return [self.usb, self.hid, f"{self.hid}/hidraw/hidraw{self.number}"]

    def _node(self) -> str:
        return f"/dev/hidraw{self.number}"

    def _link(self) -> str:
        return f"dev/posd/{self.about['role']}-pci-0000_00_14_0-usb-0_{self.number + 1}_1_0-hidraw"

    def report(self, reports: list[str]) -> None:
        """Send reports, given in hex."""
        for report in reports:
            os.write(self.pipe, bytes.fromhex(report))

    def written(self) -> list[str]:
        """Reports, in hex, that the driver sent since it was asked last."""
        device = self.device
        if not isinstance(device, RawHid):
            return []
        count = len(device.written)
        taken, device.written[:count] = device.written[:count], []
        return taken

    def features(self) -> list[str]:
        """Feature reports, in hex, that were sent since it was plugged in."""
        return self.device.features if isinstance(self.device, RawHid) else []

    def _description(self) -> str:
        about = self.about
        return f"""\
P: {self.folders[-1]}
N: hidraw{self.number}
E: DEVNAME=/dev/hidraw{self.number}
E: SUBSYSTEM=hidraw
E: MAJOR=244
E: MINOR={self.number}
A: dev=244:{self.number}
L: device=../../../{Path(self.hid).name}

P: {self.hid}
E: SUBSYSTEM=hid
E: DRIVER=hid-generic
E: HID_ID={BUS_USB:04X}:{about["vendor"]:08X}:{about["product"]:08X}
E: HID_NAME={about["name"]}
E: HID_PHYS={about["phys"]}
E: HID_UNIQ={about["serial"]}
H: report_descriptor={about["descriptor"]}

"""


class KeyboardSocket(Socket):
    device_type = Keyboard

    def _folders(self) -> list[str]:
        folder = f"{self.hid}/input/input{self.number}"
        return [self.usb, folder, f"{folder}/event{self.number}"]

    def _node(self) -> str:
        return f"/dev/input/event{self.number}"

    def _link(self) -> str:
        return f"dev/input/by-path/pci-0000:00:14.0-usb-0:{self.number + 1}:1.0-event-kbd"

    def emit(self, events: list[list[int]], gap_us: int, pace_s: float) -> int:
        """Write ``[type, code, value]`` events, those of one group (up to its SYN) at one time. Groups are stamped
        ``gap_us`` apart, the last one now; with a ``pace_s`` they are really sent so far apart. Returns the time of the
        last one in monotonic nanoseconds."""
        groups: list[list[list[int]]] = [[]]
        for event in events:
            groups[-1].append(event)
            if event[0] == EV_SYN and event[1] == 0:
                groups.append([])
        groups = [group for group in groups if group]
        begun_us = time.monotonic_ns() // 1000 - gap_us * (len(groups) - 1)
        stamp_us, burst = begun_us, b""
        for n, group in enumerate(groups):
            stamp_us = time.monotonic_ns() // 1000 if pace_s else begun_us + n * gap_us
            sec, usec = divmod(stamp_us, 1_000_000)
            burst += b"".join(struct.pack("<qqHHi", sec, usec, *event) for event in group)
            if pace_s:
                os.write(self.pipe, burst)
                burst = b""
                time.sleep(pace_s)
        while burst:
            burst = burst[os.write(self.pipe, burst[: 24 * 2000]) :]
        return stamp_us * 1000

    def grabbed(self) -> bool:
        grabber = self.device.grabber if isinstance(self.device, Keyboard) else None
        return grabber is not None and bool(grabber.get_connected())

    def _description(self) -> str:
        about, number, ids = self.about, self.number, self._usb_ids()
        folder = self.folders[1]
        return f"""\
P: {folder}/event{number}
N: input/event{number}
E: DEVNAME=/dev/input/event{number}
E: SUBSYSTEM=input
E: MAJOR=13
E: MINOR={64 + number}
E: ID_INPUT=1
E: ID_INPUT_KEYBOARD=1
{ids}A: dev=13:{64 + number}
L: device=../../input{number}

P: {folder}
E: SUBSYSTEM=input
E: PRODUCT=3/{about["vendor"]:x}/{about["product"]:x}/110
E: NAME="{about["name"]}"
A: name={about["name"]}
A: phys={about["phys"]}
A: uniq={about["serial"]}
A: capabilities/key={sysfs_bitmap(about["keys"])}

"""


def socket_for(bed: Json, about: dict[str, Json]) -> Socket:
    return HidrawSocket(bed, about) if "descriptor" in about else KeyboardSocket(bed, about)


def main() -> None:
    bed = UMockdev.Testbed.new()
    sockets = {about["number"]: socket_for(bed, about) for about in json.loads(sys.argv[1])}
    print(json.dumps({"root": bed.get_root_dir()}), flush=True)
    for line in sys.stdin:
        command, number, *arguments = json.loads(line)
        print(json.dumps(getattr(sockets[number], command)(*arguments)), flush=True)
    with contextlib.suppress(OSError):
        shutil.rmtree(bed.get_root_dir(), ignore_errors=True)
    os._exit(0)  # the testbed's own end is slow and noisy


if __name__ == "__main__":
    main()
