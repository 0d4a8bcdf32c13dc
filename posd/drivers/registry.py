"""Which drivers there are: entry points of the group ``posd.drivers``, bundled and strangers' through the same door.

A driver's module is imported when a reader needs it and not before: a till without smart cards does not pay for them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from posd.drivers.base import DriverSpec, ReaderConfig
from posd.drivers.containment import DriverCrashed, contained
from posd.drivers.read_filter import ReadOptions
from posd.errors import ConfigError
from posd.events import DeviceClass
from posd.tables import from_table, nearest

GROUP = "posd.drivers"


@dataclass(frozen=True, slots=True)
class BrokenDriver:
    """A plug-in that is installed and cannot be used; everything else goes on without it."""

    name: str
    detail: str
    fix: str


def driver_names() -> list[str]:
    """Names that may stand behind ``driver =``, sorted. Imports none of them."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def load_driver(name: str) -> DriverSpec | BrokenDriver:
    """The driver called ``name``. Raises `ConfigError` when none is installed under it."""
    points = entry_points(group=GROUP, name=name)
    if not points:
        raise ConfigError(f"no driver {name!r} is installed{nearest(name, driver_names())}")
    if len(points) > 1:
        packages = ", ".join(sorted(_package(point) for point in points))
        return BrokenDriver(name, f"two packages offer a driver {name!r}: {packages}", "pip uninstall one of them")
    (point,) = points
    fix = f"pip install --upgrade {_package(point)}"
    try:
        spec: object = contained(name, point.load)
    except DriverCrashed as crash:
        return BrokenDriver(name, str(crash), fix)
    if not isinstance(spec, DriverSpec):
        return BrokenDriver(name, f"{point.value} is not a DriverSpec", fix)
    return spec


def build_options(spec: DriverSpec, reader: ReaderConfig) -> Any:
    """The driver's own configuration from the reader's table. Raises `ConfigError` that names the nearest known key."""
    options = dict(reader.options)
    serves_several = any(field.name == "device_class" for field in dataclasses.fields(spec.config_type))
    if reader.device_class is not None and serves_several:
        options["device_class"] = reader.device_class
    elif reader.device_class not in (None, spec.device_class):
        raise ConfigError(
            f"reader {reader.reader_id!r}: driver {spec.name} reads {spec.device_class.value} only; "
            f"leave out device_class or choose another driver"
        )
    where = f"reader {reader.reader_id!r}"
    built = from_table(spec.config_type, options, where, also=[field.name for field in dataclasses.fields(ReadOptions)])
    if spec.class_of(built) is DeviceClass.SMARTCARD and (reader.reading.strip_prefix or reader.reading.strip_suffix):
        raise ConfigError(f"{where}: nothing stands around what a chip says; leave out strip_prefix and strip_suffix")
    return built


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(".")[0]
