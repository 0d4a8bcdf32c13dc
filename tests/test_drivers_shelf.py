"""`posd readers`: one entry for each physical device, and why posd does not read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from posd.drivers.base import Candidate
from posd.drivers.discovery import Discovery, Found, discover
from posd.drivers.shelf import (
    KEYBOARD,
    MAYBE_A_KEYBOARD,
    PCSCD_BLIND,
    UNASSIGNED,
    Device,
    Surroundings,
    devices_on_shelf,
)
from posd.drivers.usb import UsbDevice, port_in, usb_devices, usb_port
from posd.events import DeviceClass
from tests.fakes.input_devices import InputBench, Wedge, link

ACR122U = UsbDevice("1-4", 0x072F, 0x2200, "ACS ACR122U PICC Interface")
MAGTEK = UsbDevice("1-2", 0x0801, 0x0001, "Mag-Tek USB Swipe Reader", ("usbhid",))
DRIVERS = ("hid_keyboard", "hid_report", "msr_serial", "pcsc", "serial_line")


def found(driver: str, address: str, reader_id: str | None = None) -> Found:
    kind = DeviceClass.SMARTCARD if driver == "pcsc" else DeviceClass.SCANNER
    return Found(Candidate(driver, address, f"{address}#", "a device", kind), reader_id)


def shelf(
    *items: Found,
    usb: tuple[UsbDevice, ...] = (),
    ports: dict[str, str] | None = None,
    allowed: bool = True,
    installed: tuple[str, ...] = DRIVERS,
) -> list[Device]:
    around = Surroundings(usb, (ports or {}).get, lambda _: allowed, installed)
    return devices_on_shelf(Discovery(items, ()), around)


def test_one_device_that_several_drivers_find_is_one_and_for_the_driver_of_the_table() -> None:
    ports = {"/dev/hidraw0": "1-2", "/dev/input/event3": "1-2"}
    (device,) = shelf(
        found("hid_report", "/dev/hidraw0"), found("hid_keyboard", "/dev/input/event3"), usb=(MAGTEK,), ports=ports
    )
    assert (device.driver, device.name, device.port) == (
        "hid_keyboard",
        "MagTek Mini and SureSwipe, keyboard mode",
        "1-2",
    )
    assert (device.why_not, device.note) == (UNASSIGNED, "as delivered")
    (device,) = shelf(
        found("hid_report", "/dev/hidraw0", "stripe"),
        found("hid_keyboard", "/dev/input/event3"),
        usb=(MAGTEK,),
        ports=ports,
    )
    assert (device.driver, device.reader_id, device.why_not) == ("hid_report", "stripe", "")


def test_an_adapter_with_several_lines_stays_several_readers() -> None:
    lines = [found("serial_line", f"/dev/ttyUSB{n}", "left" if n == 0 else None) for n in range(2)]
    adapter = UsbDevice("1-5", 0x0403, 0x6011, "FTDI Quad")
    devices = shelf(*lines, usb=(adapter,), ports={"/dev/ttyUSB0": "1-5", "/dev/ttyUSB1": "1-5"})
    assert [device.reader_id for device in devices] == ["left", None]


@pytest.mark.complaint(4)
@pytest.mark.complaint(5)
def test_the_cashiers_keyboard_is_listed_and_left_alone() -> None:
    (unknown,) = shelf(found("hid_keyboard", "/dev/input/event0"))
    assert unknown.why_not == MAYBE_A_KEYBOARD
    keyboard = UsbDevice("1-1", 0x046A, 0x0010, "")
    known = shelf(found("hid_keyboard", "/dev/input/event0"), usb=(keyboard,), ports={"/dev/input/event0": "1-1"})
    assert known[0].why_not == KEYBOARD


def test_a_device_without_permission_says_what_to_install() -> None:
    (device,) = shelf(found("serial_line", "/dev/ttyACM0"), allowed=False)
    assert device.why_not.startswith("no permission for /dev/ttyACM0; ")


def test_a_known_reader_that_no_driver_sees_says_who_holds_it() -> None:
    (held,) = shelf(usb=(replace(ACR122U, kernel_drivers=("pn533_usb",)),))
    assert held.why_not.startswith("pn533_usb of the kernel holds it; sudo cp")
    (blind,) = shelf(usb=(ACR122U,))
    assert blind.why_not == PCSCD_BLIND
    (listed,) = shelf(found("pcsc", "ACS ACR122U 00 00"), usb=(ACR122U,))
    assert listed.candidate is not None, "pcscd tells no port: the reader that it lists is this one"
    (lacking,) = shelf(usb=(MAGTEK,), installed=("serial_line",))
    assert "driver hid_keyboard is not installed" in lacking.why_not
    (deaf,) = shelf(usb=(MAGTEK,))
    assert "does not see it" in deaf.why_not
    assert shelf(usb=(UsbDevice("1-9", 0x1D6B, 0x0104, "a gadget"),)) == [], "what is no reader is not listed"


def test_usb_is_read_from_sysfs(tmp_path: Path) -> None:
    device = tmp_path / "devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.4"
    interface = device / "1-2.4:1.0"
    interface.mkdir(parents=True)
    module = tmp_path / "bus/usb/drivers/pn533_usb"
    module.mkdir(parents=True)
    (interface / "driver").symlink_to(module)
    for name, text in {"idVendor": "072f", "idProduct": "2200", "manufacturer": "ACS", "product": "ACR122U"}.items():
        (device / name).write_text(f"{text}\n")
    (tmp_path / "bus/usb/devices").mkdir()
    (tmp_path / "bus/usb/devices/1-2.4").symlink_to(device)
    (tmp_path / "bus/usb/devices/1-2.4:1.0").symlink_to(interface)
    (tmp_path / "bus/usb/devices/1-3").symlink_to(tmp_path / "gone")
    (found_device,) = usb_devices(tmp_path)
    assert found_device == UsbDevice("1-2.4", 0x072F, 0x2200, "ACS ACR122U", ("pn533_usb",))
    assert usb_devices(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    ("path", "port"),
    [
        (
            "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.4/1-2.4:1.0/0003:05E0:1200.0001/input/input7/event7",
            "1-2.4",
        ),
        ("/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/ttyUSB0/tty/ttyUSB0", "1-2"),
        ("/sys/devices/platform/serial8250/tty/ttyS0", None),
    ],
)
def test_the_port_stands_in_the_path(path: str, port: str | None) -> None:
    assert port_in(path) == port


@pytest.fixture
def bench() -> Iterator[InputBench]:
    with InputBench(Wedge(7)) as bench:
        yield bench


def test_a_wedge_is_found_with_its_port(bench: InputBench) -> None:
    bench.plug(7)
    assert usb_port(link(7)) == "1-8"
    assert usb_port("/dev/null") is None
    (wedge,) = [item for item in discover().found if item.candidate.driver == "hid_keyboard"]
    around = Surroundings([UsbDevice("1-8", 0x05E0, 0x1200, "")], usb_port, lambda _: True, DRIVERS)
    (device,) = devices_on_shelf(Discovery((wedge,), ()), around)
    assert (device.port, device.usb_id) == ("1-8", "05e0:1200")
    assert not bench.grabbed(7)
