"""Which parser reads a HID device: its report descriptor decides, with report length and USB id, never the id alone.

One id is sold as different devices (0801:0003 is an insertion reader and an encoder), and one device changes its id
with its mode; the descriptor says what it really sends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from posd.cards.hid_descriptor import DescriptorError, parse_descriptor
from posd.cards.hid_idtech import is_native, read_native
from posd.cards.hid_layout import HidDescriptor, HidReport, summary, usage_name
from posd.cards.hid_reads import ReportParser, WholeReports
from posd.cards.hid_scanner import SCANNER_PAGE, ScannerParser, scanner_layout, switch_on
from posd.cards.hid_stripe import MSR_PAGE, InsertionParser, is_encrypting, read_tracks, stripe_layout
from posd.drivers.com_emulation import REPORT_LENGTH, ComEmulation
from posd.drivers.framing import Framer, Suffix
from posd.events import DeviceClass

_DECODING_READER = MSR_PAGE | 0x01
_FIRST_VENDOR_PAGE = 0xFF00
_KEYBOARDS = {0x0001_0006, 0x0001_0007}
_ID_TECH = 0x0ACD
_SYMBOL_COM = (0x05E0, 0x0600)


@dataclass(frozen=True, slots=True)
class ReadingSettings:
    """What parsers are told beside the descriptor. ``suffix`` and ``silence_ns``: for scanners that send a stream of
    characters. ``deaf_until_ns``: a scan that began before is skipped to its end."""

    suffix: Suffix
    silence_ns: int
    deaf_until_ns: int = 0


@dataclass(frozen=True, slots=True)
class HidFormat:
    """How a device is read. ``why``: what in the descriptor says so, one line. ``switched_on_by``: the feature
    report that the device waits for, if any."""

    name: str
    device_class: DeviceClass
    why: str
    new_parser: Callable[[ReadingSettings], ReportParser]
    switched_on_by: bytes = b""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a device cannot be read, and what to do."""

    why: str
    fix: str


ENCRYPTS = Unreadable(
    "the reading head encrypts the tracks, and only its maker's keys open them",
    "take a reader that sends plain tracks (MagTek: security level 2)",
)


def format_of(descriptor: bytes, vendor: int, product: int) -> HidFormat | Unreadable:
    """The format of a device. Never raises, whatever the descriptor."""
    usb_id = f"{vendor:04x}:{product:04x}"
    try:
        parsed = parse_descriptor(descriptor)
    except DescriptorError as error:
        return Unreadable(f"the report descriptor of {usb_id} cannot be read: {error}", "report it to us")
    for report in parsed.inputs:
        found = _format_of_report(report, parsed, vendor, product)
        if found is not None:
            return found
    told = f"{usb_id}, {summary(parsed)}"
    if _KEYBOARDS.intersection(parsed.applications):
        return Unreadable(f"it types like a keyboard ({told})", "take driver = 'hid_keyboard'")
    return Unreadable(
        f"it sends reports of no kind that posd knows ({told})",
        "send us this line and what `od -An -v -tx1 /sys/class/hidraw/*/device/report_descriptor` prints",
    )


def _format_of_report(
    report: HidReport, descriptor: HidDescriptor, vendor: int, product: int
) -> HidFormat | Unreadable | None:
    is_vendors = report.application >> 16 >= _FIRST_VENDOR_PAGE
    if (vendor, product) == _SYMBOL_COM and is_vendors and (report.report_id, report.length) == (0, REPORT_LENGTH):
        why = _why(report, "characters, their number in byte 0")
        return HidFormat("Symbol COM emulation", DeviceClass.SCANNER, why, _com_emulation)
    if report.application == _DECODING_READER:
        return _stripe_format(report, vendor)
    if report.application >> 16 == SCANNER_PAGE:
        return _scanner_format(report, vendor, switch_on(descriptor, vendor))
    return None


def _com_emulation(settings: ReadingSettings) -> ReportParser:
    return ComEmulation(Framer(settings.suffix, settings.silence_ns, deaf_until_ns=settings.deaf_until_ns))


def _stripe_format(report: HidReport, vendor: int) -> HidFormat | Unreadable | None:
    if layout := stripe_layout(report):
        tracks = "three tracks of 110 bytes"
        if layout.card_status is not None:
            why = _why(report, f"{tracks}, and whether the card goes in or out")
            return HidFormat("insertion reader", DeviceClass.MSR, why, lambda _: InsertionParser(layout))
        parse = partial(read_tracks, layout=layout)
        return HidFormat("MagTek tracks", DeviceClass.MSR, _why(report, tracks), lambda _: WholeReports(parse))
    if is_encrypting(report):
        return ENCRYPTS
    if vendor == _ID_TECH and is_native(report):
        parse = partial(read_native, length=report.length)
        why = _why(report, "the tracks as one text from byte 9 on")
        return HidFormat("ID TECH tracks", DeviceClass.MSR, why, lambda _: WholeReports(parse))
    return None


def _scanner_format(report: HidReport, vendor: int, switched_on_by: bytes) -> HidFormat | None:
    layout = scanner_layout(report, vendor)
    if layout is None:
        return None
    aim = "no AIM identifier" if layout.aim is None else f"AIM identifier from byte {layout.aim} on"
    why = _why(report, f"data in bytes {layout.data.start} to {layout.data.stop - 1}, {aim}")
    return HidFormat(
        name="HID POS scanner",
        device_class=DeviceClass.SCANNER,
        why=why,
        new_parser=lambda settings: ScannerParser(layout, settings.deaf_until_ns),
        switched_on_by=switched_on_by,
    )


def _why(report: HidReport, arrangement: str) -> str:
    return f"application {usage_name(report.application)}, reports of {report.length} bytes: {arrangement}"
