"""Stripe readers and scanners that send HID reports instead of keys: MagTek, ID TECH, USB HID POS, Symbol.

======================  =====  =====================================================================
UnifiedPOS              here   remark
======================  =====  =====================================================================
MSR Track1..3Data       yes    ``device_class = "msr"``; as a reader in keyboard mode would type it
Scanner ScanData        yes    ``device_class = "scanner"``; AIM identifier in front where it is sent
Claim                   part   hidraw knows no grab: the node's permission keeps others away
CheckHealth             yes    INTERNAL says which parser was chosen and why
======================  =====  =====================================================================

Which parser reads a device: `posd.drivers.hid_formats`.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from posd.clock import Clock
from posd.drivers.addresses import same_node, stable_address
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.checks import checks_by_opening, failed, node_checks
from posd.drivers.framing import Suffix
from posd.drivers.hid_formats import ENCRYPTS, HidFormat, ReadingSettings, Unreadable, format_of
from posd.drivers.hidraw import HidDevice, HidrawNode, hid_devices
from posd.drivers.stream import StreamDriver
from posd.errors import ConfigError, DeviceError
from posd.events import DeviceClass
from posd.machine import SystemClock

DEAF_NS = 50_000_000
"""A scan that is under way so soon after opening began before, and its beginning is lost."""


@dataclass(frozen=True, slots=True)
class HidReportConfig:
    """``[[reader]]`` with ``driver = "hid_report"``.

    ``address``: a link under /dev/posd, or a hidraw node. ``encoding``: of a scanner, by Python's name (``cp1256``).
    ``suffix``, ``silence_ms``: as on a serial line; only Symbol's COM emulation needs them.
    """

    address: str
    device_class: DeviceClass = DeviceClass.MSR
    encoding: str = "utf-8"
    suffix: Suffix = Suffix.CR_OR_LF
    silence_ms: int = 100

    def __post_init__(self) -> None:
        if self.suffix is Suffix.FIXED or self.silence_ms < 1:
            raise ValueError("suffix = 'fixed' is for serial lines, and silence_ms is at least 1")
        if self.device_class is DeviceClass.SMARTCARD:
            raise ValueError("HID reports come from msr or scanner; for smart cards take driver = 'pcsc'")
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"encoding {self.encoding!r} is not known; leave it out for UTF-8") from error


class HidReport(StreamDriver):
    """An open device. Opening raises `ConfigError` for one that posd cannot read: a person has to choose another."""

    def __init__(self, device: str, config: HidReportConfig, clock: Clock) -> None:
        node = HidrawNode(config.address)
        try:
            form = _checked(format_of(node.descriptor, node.vendor, node.product), config)
            if form.switched_on_by:
                node.set_feature(form.switched_on_by)
        except (ConfigError, DeviceError):
            node.close()
            raise
        deaf_until_ns = clock.now().mono_ns + DEAF_NS
        parser = form.new_parser(ReadingSettings(config.suffix, config.silence_ms * 1_000_000, deaf_until_ns))
        super().__init__(
            device, config.device_class, clock, node, node.read_report, parser,
            lambda data: data.decode(config.encoding),
        )  # fmt: skip


def _checked(form: HidFormat | Unreadable, config: HidReportConfig) -> HidFormat:
    """Raises `ConfigError` if the device cannot be read, or is not what the configuration says."""
    if isinstance(form, Unreadable):
        raise ConfigError(f"{config.address} cannot be read, {form.why}; {form.fix}")
    if form.device_class is not config.device_class:
        wanted = f"device_class = {form.device_class.value!r}"
        raise ConfigError(f"{config.address} is read as {form.name} ({form.why}); write {wanted}")
    return form


def _format_of(device: HidDevice) -> HidFormat | Unreadable:
    return format_of(device.descriptor, device.vendor, device.product)


def _probe() -> list[Candidate]:
    """From sysfs alone. A head that encrypts is listed too, so that nobody has to wonder."""
    formats = [(device, _format_of(device)) for device in hid_devices()]
    return [
        Candidate(
            driver="hid_report",
            address=stable_address(device.node),
            identity=f"{device.phys}#{device.serial}",
            name=f"{device.name} (encrypts, cannot be read)" if form is ENCRYPTS else device.name,
            device_class=form.device_class if isinstance(form, HidFormat) else DeviceClass.MSR,
        )
        for device, form in formats
        if isinstance(form, HidFormat) or form is ENCRYPTS
    ]


def _check_health(device: str, config: HidReportConfig, level: HealthLevel) -> list[Health]:
    internal = node_checks(config.address, writable=False)
    if all(check.ok for check in internal):
        internal.append(_format_check(config))
    # hidraw knows no grab, so opening cannot show whether somebody else listens too.
    return checks_by_opening(level, internal, lambda: HidReport(device, config, SystemClock()), answer="opened")


def _format_check(config: HidReportConfig) -> Health:
    """Which parser was chosen from the descriptor, and why."""
    found = next((device for device in hid_devices() if same_node(str(device.node), config.address)), None)
    if found is None:
        detail = f"{config.address} is no hidraw node"
        return Health(False, "format", detail, "take an address of driver hid_report that `posd readers` lists")
    try:
        form = _checked(_format_of(found), config)
    except ConfigError as error:
        return failed("format", error)
    return Health(True, "format", f"{form.name}, by the descriptor: {form.why}")


SPEC = DriverSpec(
    name="hid_report",
    device_class=DeviceClass.MSR,
    config_type=HidReportConfig,
    probe=_probe,
    open=HidReport,
    check_health=_check_health,
    present=lambda config: Path(config.address).exists(),
    hotplug=("hidraw",),
)
