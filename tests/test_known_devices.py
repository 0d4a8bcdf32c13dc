"""The table of known devices: one row per reader, looked up by USB id."""

from __future__ import annotations

import re

import pytest

from posd.drivers.known_devices import SUBSYSTEMS, KnownDevice, known_device, known_devices
from posd.events import DeviceClass


@pytest.mark.parametrize(
    ("vendor", "product", "driver", "device_class"),
    [
        (0x0801, 0x0001, "hid_keyboard", DeviceClass.MSR),
        (0x0801, 0x0002, "hid_report", DeviceClass.MSR),
        (0x1EAB, 0x1D06, "serial_line", DeviceClass.SCANNER),
        (0x1EAB, 0x1D10, "hid_report", DeviceClass.SCANNER),
        (0x0C2E, 0x0720, "serial_line", DeviceClass.SCANNER),
        (0x0C2E, 0x0B61, "hid_keyboard", DeviceClass.SCANNER),
        (0x072F, 0x2200, "pcsc", DeviceClass.SMARTCARD),
    ],
)
def test_a_reader_is_found_by_its_id(vendor: int, product: int, driver: str, device_class: DeviceClass) -> None:
    found = known_device(vendor, product)
    assert found is not None
    assert (found.driver, found.device_class) == (driver, device_class)


def test_one_id_two_devices() -> None:
    """0801:0003 is an insert reader and an encoder: the driver that found it says which."""
    names = {
        driver: found.name for driver in ("hid_report", "msr_serial") if (found := known_device(0x0801, 3, driver))
    }
    assert names == {"hid_report": "MagTek insert reader", "msr_serial": "MSR605X encoder"}
    found = known_device(0x0801, 3)
    assert found is not None
    assert found.when, "and whoever does not know is told what tells them apart"


def test_nobody_is_known_by_accident() -> None:
    assert known_device(0x046D, 0xC31C) is None, "an ordinary keyboard"
    for bridge in ((0x0403, 0x6001), (0x10C4, 0xEA60), (0x1A86, 0x7523), (0x067B, 0x2303)):
        assert known_device(*bridge) is None, "a serial bridge may be anything"


def test_every_row_is_well_formed() -> None:
    for row in known_devices():
        assert re.fullmatch("[0-9a-f]{4}", row.vendor), row
        assert re.fullmatch(r"\*|[0-9a-f?]{4}", row.product), row
        assert row.driver in SUBSYSTEMS, row
        assert (row.device_class is DeviceClass.SMARTCARD) == (row.driver == "pcsc"), row
        assert bool(row.trouble) == bool(row.fix), f"{row}: trouble comes with something to do about it"


def test_no_row_is_hidden_by_one_before_it() -> None:
    def example(row: KnownDevice) -> int:
        return int(row.product.replace("*", "fefe").replace("?", "f"), 16)

    for row in known_devices():
        assert known_device(int(row.vendor, 16), example(row), row.driver) == row


def test_ids_that_several_rows_share_say_what_tells_them_apart() -> None:
    rows = known_devices()
    for row in rows:
        same = [other for other in rows if (other.vendor, other.product) == (row.vendor, row.product)]
        assert len(same) == 1 or all(other.when for other in same), row
