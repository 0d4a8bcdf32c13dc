"""The contract between posd and a device driver, bundled or a stranger's.

A driver says only bytes (`posd.events.RawRead`); meaning is given in `posd.cards`. An open device is built, read and
closed on one thread; `cancel()` is the only method that another thread may call. `posd.drivers.contract` is the
definition in executable form: a stranger's driver inherits it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from posd.cards.wedge import KeyTiming
from posd.clock import Clock
from posd.drivers.read_filter import REPEAT_MS, ReadFilter, ReadOptions
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


@runtime_checkable
class Timed(Protocol):
    """A device that types, and knows how fast the read was typed that `read` returned last."""

    @property
    def timing(self) -> KeyTiming | None: ...


def timing_of(device: Driver) -> KeyTiming | None:
    """None for devices that do not type. A stranger's may raise anything."""
    return device.timing if isinstance(device, Timed) else None


class HealthLevel(StrEnum):
    """UnifiedPOS CheckHealth levels."""

    INTERNAL = "internal"
    """Without touching the device: present, permitted, not held by others."""
    EXTERNAL = "external"
    """The device answers."""
    INTERACTIVE = "interactive"
    """A person presents a card and is told what came. posd does this with `Driver.read`, the same for all drivers."""


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
    `DeviceError`. ``check_health(device_id, config, level)`` is asked for INTERNAL and EXTERNAL. ``present(config)`` is
    a cheap look at whether opening could work, used while waiting.
    ``hotplug`` names the udev subsystems whose events mean "look again"; without any, the clock decides when to look.
    A ``config_type`` with a field ``device_class`` serves several classes and is given the reader's.
    ``repeat_ms``: duplicate window where it is not that of the device class.
    """

    name: str
    device_class: DeviceClass
    config_type: type[Any]
    probe: Callable[[], list[Candidate]]
    open: Callable[[str, Any, Clock], Driver]
    check_health: Callable[[str, Any, HealthLevel], list[Health]]
    present: Callable[[Any], bool]
    hotplug: tuple[str, ...] = ()
    repeat_ms: int | None = None

    def class_of(self, options: Any) -> DeviceClass:
        """What a reader with these options reads."""
        kind: DeviceClass = getattr(options, "device_class", self.device_class)
        return kind

    def new_filter(self, options: Any, reading: ReadOptions) -> ReadFilter:
        """What stands between a newly opened device and the till."""
        usual_ms = REPEAT_MS[self.class_of(options)] if self.repeat_ms is None else self.repeat_ms
        return ReadFilter(reading, usual_ms)


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """One ``[[reader]]`` table of the configuration. ``options``: the driver's own keys."""

    reader_id: str
    driver: str
    name: str
    device_class: DeviceClass | None
    options: Mapping[str, Any]
    reading: ReadOptions = field(default_factory=ReadOptions)
