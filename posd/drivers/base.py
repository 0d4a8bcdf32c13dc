"""The contract between posd and a device driver, bundled or a stranger's.

A driver says only bytes (`posd.events.RawRead`); meaning is given in `posd.cards`. An open device is built, read and
closed on one thread; `cancel()` is the only method that another thread may call. `tests/contract_driver.py` is the
definition in executable form: a stranger's driver inherits it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from posd.clock import Clock
from posd.events import DeviceClass, RawRead


class Driver(Protocol):
    """An open device."""

    def read(self) -> RawRead:
        """Block until the device has read something. Raises `DeviceLost`, `ReadCancelled`, `ProtocolFault`."""
        ...

    def cancel(self) -> None:
        """End a blocked `read()` within 200 ms; may be called from any thread, any number of times."""
        ...

    def close(self) -> None:
        """Give the device back; may be called twice."""
        ...


class HealthLevel(StrEnum):
    """UnifiedPOS CheckHealth levels."""

    INTERNAL = "internal"
    """Without touching the device: present, permitted, not held by others."""
    EXTERNAL = "external"
    """The device answers."""
    INTERACTIVE = "interactive"
    """A person presents a card; the driver reads it."""


@dataclass(frozen=True, slots=True)
class Health:
    """Result of one check. ``fix`` is a command or an action that can be pasted or done; empty when ``ok``."""

    ok: bool
    name: str
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that a driver's probe found. ``address`` goes into the configuration; ``identity`` is port path plus
    serial, stable over replugging and never an order."""

    driver: str
    address: str
    identity: str
    name: str
    device_class: DeviceClass


@dataclass(frozen=True, slots=True)
class DriverSpec:
    """What the entry point ``posd.drivers`` names.

    ``config_type`` is a frozen dataclass; the supervisor builds it from the reader's TOML table (unknown keys are
    errors that name the nearest known key). ``open(device_id, config, clock)`` returns an open device or raises a
    `DeviceError`. ``present(config)`` is a cheap look at whether opening could work, used while waiting.
    ``hotplug`` names the udev subsystems whose events mean "look again"; without any, the clock decides when to look.
    A ``config_type`` with a field ``device_class`` serves several classes and is given the reader's.
    """

    name: str
    device_class: DeviceClass
    config_type: type[Any]
    probe: Callable[[], list[Candidate]]
    open: Callable[[str, Any, Clock], Driver]
    check_health: Callable[[str, Any, HealthLevel], list[Health]]
    present: Callable[[Any], bool]
    hotplug: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """One ``[[reader]]`` table of the configuration."""

    reader_id: str
    driver: str
    name: str
    device_class: DeviceClass | None
    options: Mapping[str, Any]
