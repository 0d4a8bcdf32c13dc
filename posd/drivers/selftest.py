"""The self-test of readers: three UnifiedPOS CheckHealth levels, for one reader or all.

A driver answers INTERNAL and EXTERNAL for itself. INTERACTIVE is the same for all of them and done here: the reader is
opened, a person presents a card, and what came is explained and thrown away. Readers that a running till holds are
checked by `Supervisor.check`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from posd.cards.rules import CardRules
from posd.cards.wedge import KeyTiming
from posd.clock import Clock
from posd.drivers.base import Driver, DriverSpec, Health, HealthLevel, ReaderConfig, timing_of
from posd.drivers.checks import PATIENCE_S, failed, nothing_came
from posd.drivers.containment import contained
from posd.drivers.discovery import identity_of
from posd.drivers.read_report import report_of
from posd.drivers.registry import BrokenDriver, build_options, load_driver
from posd.errors import ConfigError, PosdError, ReadCancelled
from posd.events import RawRead


@dataclass(frozen=True, slots=True)
class ReaderReport:
    """What the checks of one reader found. ``identity``: port and serial of the device, empty when it is not there."""

    reader_id: str
    name: str
    driver: str
    identity: str
    level: HealthLevel
    checks: tuple[Health, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


class SelfTest:
    """``rules``: those of the till, so that the test says what the till would say."""

    def __init__(self, clock: Clock, rules: CardRules, patience_s: float = PATIENCE_S) -> None:
        self._clock, self._rules, self._patience_s = clock, rules, patience_s

    def check_all(self, readers: Sequence[ReaderConfig], level: HealthLevel) -> list[ReaderReport]:
        """All of ``readers`` in turn. At INTERACTIVE each waits for a card."""
        return [self.check(reader, level) for reader in readers]

    def check(self, reader: ReaderConfig, level: HealthLevel) -> ReaderReport:
        """Never raises for what is wrong with a reader: that is the result."""
        try:
            spec = load_driver(reader.driver)
        except ConfigError as error:
            wrong = Health(False, "driver", str(error), "correct driver = in the [[reader]] table")
            return report(reader, "", level, [wrong])
        if isinstance(spec, BrokenDriver):
            return report(reader, "", level, [Health(False, "driver", spec.detail, spec.fix)])
        try:
            options = contained(spec.name, lambda: build_options(spec, reader))
        except PosdError as error:
            wrong = Health(False, "configured", str(error), "correct the [[reader]] table")
            return report(reader, "", level, [wrong])
        checks = [Health(True, "configured", f"driver {spec.name}"), *self._checks(spec, reader, options, level)]
        return report(reader, identity_of(spec, reader), level, checks)

    def _checks(self, spec: DriverSpec, reader: ReaderConfig, options: Any, level: HealthLevel) -> list[Health]:
        checks = ask_driver(spec, reader.reader_id, options, level)
        if level is not HealthLevel.INTERACTIVE or not all(check.ok for check in checks):
            return checks
        return [*checks, *self._read_one(spec, reader, options)]

    def _read_one(self, spec: DriverSpec, reader: ReaderConfig, options: Any) -> list[Health]:
        try:
            device: Driver = contained(spec.name, lambda: spec.open(reader.reader_id, options, self._clock))
        except PosdError as error:
            return [failed("answers", error)]
        try:
            read, timing = contained(spec.name, lambda: self._wait_for_card(device))
        except ReadCancelled:
            return [nothing_came(self._patience_s)]
        except PosdError as error:
            return [failed("reads", error)]
        shown = spec.new_filter(options, reader.reading)(read)
        return report_of(shown, self._rules, timing, layout_of(options))

    def _wait_for_card(self, device: Driver) -> tuple[RawRead, KeyTiming | None]:
        timer = threading.Timer(self._patience_s, device.cancel)
        timer.start()
        try:
            return device.read(), timing_of(device)
        finally:
            timer.cancel()
            timer.join()
            device.close()


def ask_driver(spec: DriverSpec, reader_id: str, options: Any, level: HealthLevel) -> list[Health]:
    """What the driver itself says. It is not asked for more than EXTERNAL."""
    asked = HealthLevel.INTERNAL if level is HealthLevel.INTERNAL else HealthLevel.EXTERNAL
    try:
        return contained(spec.name, lambda: spec.check_health(reader_id, options, asked))
    except PosdError as error:
        return [Health(False, "check", str(error), "report it to the maker of the driver")]


def layout_of(options: Any) -> str | None:
    """Of a reader that types, else None."""
    layout: str | None = getattr(options, "layout", None)
    return layout


def report(reader: ReaderConfig, identity: str, level: HealthLevel, checks: Sequence[Health]) -> ReaderReport:
    return ReaderReport(reader.reader_id, reader.name, reader.driver, identity, level, tuple(checks))
