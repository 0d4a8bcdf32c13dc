"""The self-test of readers that no running till holds: three UnifiedPOS levels, for one reader or all.

While posd runs, `Supervisor.check_health` answers instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posd.drivers.base import Health, HealthLevel, ReaderConfig
from posd.drivers.containment import contained
from posd.drivers.registry import BrokenDriver, build_options, load_driver
from posd.errors import ConfigError, PosdError


@dataclass(frozen=True, slots=True)
class ReaderReport:
    """What the checks of one reader found."""

    reader_id: str
    name: str
    level: HealthLevel
    checks: tuple[Health, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def check_readers(readers: Sequence[ReaderConfig], level: HealthLevel) -> list[ReaderReport]:
    """All of ``readers`` in turn. At INTERACTIVE each waits for a card."""
    return [
        ReaderReport(reader.reader_id, reader.name, level, tuple(check_reader(reader, level))) for reader in readers
    ]


def check_reader(reader: ReaderConfig, level: HealthLevel) -> list[Health]:
    """Never raises for what is wrong with a reader: that is the result."""
    try:
        spec = load_driver(reader.driver)
    except ConfigError as error:
        return [Health(False, "driver", str(error), "correct driver = in the [[reader]] table")]
    if isinstance(spec, BrokenDriver):
        return [Health(False, "driver", spec.detail, spec.fix)]
    try:
        options = contained(spec.name, lambda: build_options(spec, reader))
    except PosdError as error:
        return [Health(False, "configured", str(error), "correct the [[reader]] table")]
    configured = Health(True, "configured", f"driver {spec.name}")
    try:
        return [configured, *contained(spec.name, lambda: spec.check_health(reader.reader_id, options, level))]
    except PosdError as error:
        return [configured, Health(False, "check", str(error), "report it to the maker of the driver")]
