"""HID readers for real hidraw calls and pyudev, under umockdev's preload, in the same testbed as the keyboards.

    with HidBench(HidReader(20, MAGTEK), Wedge(7)) as bench:
        bench.plug(20)
        bench.report(20, magtek_report(track2=";9876543210123456=2512?"))

Descriptors and reports are built from the makers' manuals, not recorded from devices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tests.fakes.input_devices import InputBench

MSR_HEAD = bytes.fromhex("0600ff 0901 a101 1500 26ff00 7508 0920 0921 0922 0928 0929 092a 0938 9507 8102")
TRACKS_110 = bytes.fromhex("0930 956e 820201 0931 956e 820201 0932 956e 820201")
TRACKS_112 = bytes.fromhex("0930 9570 820201 0931 9570 820201 0932 9570 820201")
CARD_STATUS = bytes.fromhex("0939 9501 8102")
MAGNEPRINT = bytes.fromhex("7520 0923 9501 8102 7508 0933 9580 820201")
COMMANDS = bytes.fromhex("0920 9518 b20201 c0")

MAGTEK = MSR_HEAD + TRACKS_110 + COMMANDS
"""Swipe reader: 337 bytes."""
MAGTEK_INSERT = MSR_HEAD + TRACKS_110 + CARD_STATUS + COMMANDS
"""Insertion reader: 338 bytes."""
MAGTEK_ENCRYPTED = MSR_HEAD + TRACKS_112 + CARD_STATUS + MAGNEPRINT + COMMANDS
ID_TECH_NATIVE = MSR_HEAD + bytes.fromhex("0930 9502 820201 0931 96f401 820201 0920 9520 b20201 c0")
"""509 bytes."""

POS_SCANNER = bytes.fromhex(
    "058c 0902 a101 0912 a102 8502 1500 26ff00 7508 9501 0501 093b 8102 058c 9503 09fb 09fc 09fd 8102"
    "9538 09fe 820201 9502 0666ff 0901 0902 8102 058c 2501 7501 9501 09ff 8102 9507 8103 c0"
    "0914 a102 8503 7501 9501 0900 8102 9507 8103 c0 c0"
)
"""Report 2 of 64 bytes with every usage named, and a trigger report of 2 bytes."""
POS_SCANNER_ASLEEP = POS_SCANNER[:-1] + bytes.fromhex("85fe 0666ff 0901 7508 9501 b102 c0")
"""The same with the feature report that Honeywell's scanners wait for."""
POS_SCANNER_BARE = bytes.fromhex("058c 0902 a101 8502 1500 26ff00 7508 953f 0912 8102 c0")
"""The same length, and nothing told of what stands in it."""
SYMBOL_COM = bytes.fromhex("0600ff 0901 a101 1500 26ff00 7508 9540 0902 8102 c0")
MSR605X = bytes.fromhex("0600ff 0901 a101 1500 26ff00 7508 9540 0902 8102 9540 0903 9102 c0")
"""Encoder: packets of 64 bytes both ways."""
KEYBOARD = bytes.fromhex(
    "0501 0906 a101 0507 19e0 29e7 1500 2501 7501 9508 8102 9501 7508 8101 9506 2565 1900 2965 8100 c0"
)


@dataclass(frozen=True)
class HidReader:
    """A hidraw node as udev and the kernel describe it. ``role``: what udev's rule calls it in /dev/posd."""

    number: int
    report_descriptor: bytes = MAGTEK
    name: str = "Mag-Tek USB Swipe Reader"
    phys: str = ""
    serial: str = ""
    vendor: int = 0x0801
    product: int = 0x0002
    role: str = "msr"

    def described(self) -> dict[str, Any]:
        told = asdict(self) | {"phys": self.phys or f"usb-0000:00:14.0-{self.number + 1}/input0"}
        return told | {"report_descriptor": None, "descriptor": self.report_descriptor.hex()}


class HidBench(InputBench):
    """The machine's HID devices, and keyboards if wanted, for as long as the context lasts."""

    def __enter__(self) -> HidBench:
        return self

    def report(self, number: int, *reports: bytes) -> None:
        self._ask("report", number, [report.hex() for report in reports])

    def written(self, number: int) -> list[bytes]:
        """The reports that the driver sent since it was asked last, with the report id in front."""
        return [bytes.fromhex(report) for report in self._ask("written", number)]

    def features(self, number: int) -> list[bytes]:
        """The feature reports that were sent since the device was plugged in."""
        return [bytes.fromhex(report) for report in self._ask("features", number)]


def node(number: int) -> str:
    return f"/dev/hidraw{number}"


def link(number: int, role: str = "msr") -> str:
    return f"/dev/posd/{role}-pci-0000_00_14_0-usb-0_{number + 1}_1_0-hidraw"


def magtek_report(*tracks: str, failed: Iterable[int] = (), encode_type: int = 0, status: int | None = None) -> bytes:
    """A swipe of up to three ``tracks``, sentinels included. ``status``: the card status of an insertion reader."""
    head, body = _head(tracks, failed, encode_type), b""
    for track in (*tracks, "", "", "")[:3]:
        body += track.encode("latin-1").ljust(110, b"\0")
    return head + body + (b"" if status is None else bytes([status]))


def id_tech_report(
    *tracks: str, failed: Iterable[int] = (), encode_type: int = 0, text: str | None = None, order: Any = "big"
) -> bytes:
    """The same swipe in ID TECH's own format. ``text``: where it is not just the tracks and CR."""
    sent = ("".join(tracks) + "\r" if text is None else text).encode("latin-1")
    return _head(tracks, failed, encode_type) + len(sent).to_bytes(2, order) + sent.ljust(500, b"\0")


def _head(tracks: tuple[str, ...], failed: Iterable[int], encode_type: int) -> bytes:
    status = [int(number in failed) for number in (1, 2, 3)]
    lengths = [len(track) for track in (*tracks, "", "", "")[:3]]
    return bytes([*status, *lengths, encode_type])


def scan_reports(data: bytes, aim: bytes = b"]E0", *, code: bytes = b"d", extra: bytes = b"") -> list[bytes]:
    """A scan in as many reports as it needs. ``extra``: a byte in front of the AIM identifier."""
    room = 56 - len(extra)
    parts = [data[at : at + room] for at in range(0, len(data), room)] or [b""]
    return [
        (bytes([2, len(part)]) + extra + aim + part).ljust(61, b"\0") + code + b"\0" + bytes([part is not parts[-1]])
        for part in parts
    ]


def newland_reports(data: bytes) -> list[bytes]:
    """A scan as Newland and ID TECH scanners send it: no AIM identifier."""
    parts = [data[at : at + 56] for at in range(0, len(data), 56)]
    return [
        (bytes([2, len(part)]) + part).ljust(62, b"\0") + b"\x35" + bytes([part is not parts[-1]]) for part in parts
    ]


def com_reports(data: bytes) -> list[bytes]:
    """Characters as a Symbol scanner in COM emulation sends them."""
    parts = [data[at : at + 63] for at in range(0, len(data), 63)]
    return [(bytes([len(part)]) + part).ljust(64, b"\0") for part in parts]
