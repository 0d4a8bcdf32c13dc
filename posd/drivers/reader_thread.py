"""One reader, one thread, one handle: look for the device, open it, read until it is lost, wait, begin again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from tenacity import Retrying, retry_if_result, stop_when_event_set, wait_exponential_jitter

from posd.cards.wedge import KeyTiming
from posd.clock import Clock
from posd.drivers.base import Driver, DriverSpec, ReaderConfig, timing_of
from posd.drivers.containment import contained
from posd.drivers.hotplug import HotPlug
from posd.drivers.lifecycle import Outcome, next_state, outcome_of, worth_telling
from posd.drivers.read_filter import ReadFilter
from posd.drivers.registry import BrokenDriver, build_options, load_driver
from posd.drivers.transcript import TRAFFIC, Transcript
from posd.errors import ConfigError, PosdError, ReadCancelled
from posd.events import DeviceClass, DeviceState, DeviceStatus, RawRead

FIRST_WAIT_S, LONGEST_WAIT_S, JITTER_S = 0.3, 3.0, 0.1
STEADY_NS = 5_000_000_000
"""A device that worked for so long is tried at once when it goes; one that flaps is tried ever more rarely."""

NOT_YET = "not looked for yet"

log = logging.getLogger(__name__)


class ReaderThread:
    """``tell(item)`` takes reads and statuses to the inbox. Only `stop_soon`, `look_again`, `join` and the attributes
    ``status`` and ``last_read_ns`` are for other threads."""

    def __init__(
        self, config: ReaderConfig, clock: Clock, hotplug: HotPlug, tell: Callable[[RawRead | DeviceStatus], None]
    ) -> None:
        self.config = config
        self._clock, self._hotplug, self._tell = clock, hotplug, tell
        self.spec: DriverSpec | None = None
        self.options: Any = None
        self.last_read_ns: int | None = None
        self._transcript = Transcript(clock.now())
        self._state = DeviceState.ABSENT
        self.status = self._status(NOT_YET)
        self._device: Driver | None = None
        self._checking: SimpleQueue[tuple[RawRead, KeyTiming | None]] | None = None
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reader {config.reader_id}")

    def start(self) -> None:
        self._thread.start()

    def stop_soon(self) -> None:
        self._stopping.set()
        self._wake.set()
        device = self._device
        if device is not None:
            try:
                contained(self.config.driver, device.cancel)
            except PosdError as error:
                log.warning("reader %s: %s", self.config.reader_id, error)

    def join(self, timeout_s: float) -> bool:
        """False when the thread still runs."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def look_again(self, subsystem: str) -> None:
        """Something of this udev subsystem changed."""
        if self.spec is None or subsystem in self.spec.hotplug:
            self._wake.set()

    def next_read(self, timeout_s: float) -> tuple[RawRead, KeyTiming | None] | None:
        """For an interactive check: the next read comes here instead of into the inbox."""
        checking: SimpleQueue[tuple[RawRead, KeyTiming | None]] = SimpleQueue()
        self._checking = checking
        try:
            return checking.get(timeout=timeout_s)
        except Empty:
            return None
        finally:
            self._checking = None

    def _run(self) -> None:
        try:
            self.spec = self._load()
            self.options = contained(self.config.driver, lambda: build_options(self._loaded(), self.config))
        except PosdError as error:
            self._enter(outcome_of(error), str(error))
            return
        lives = Retrying(
            sleep=self._pause,
            wait=wait_exponential_jitter(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S, jitter=JITTER_S),
            stop=stop_when_event_set(self._stopping),
            retry=retry_if_result(lambda steady: not steady),
            retry_error_callback=lambda _: None,
        )
        while not self._stopping.is_set():
            lives(self._live)

    def _load(self) -> DriverSpec:
        spec = load_driver(self.config.driver)
        if isinstance(spec, BrokenDriver):
            raise ConfigError(f"{spec.detail}; {spec.fix}")
        return spec

    def _loaded(self) -> DriverSpec:
        assert self.spec is not None, "a reader lives only after its driver was loaded"
        return self.spec

    def _live(self) -> bool:
        """From looking for the device to losing it. True when it worked long enough for patience to start anew."""
        opened_ns: int | None = None
        try:
            if not contained(self.config.driver, lambda: self._loaded().present(self.options)):
                self._enter(Outcome.MISSING, "waiting for it to be plugged in")
                return False
            self._enter(Outcome.FOUND)
            with self._opened() as device:
                opened_ns = self._clock.now().mono_ns
                self._enter(Outcome.OPENED)
                read_filter = self._loaded().new_filter(self.options, self.config.reading)
                while True:
                    read = contained(self.config.driver, lambda: _read_from(device))
                    self._deliver(read, read_filter, device)
        except PosdError as error:
            if self._stopping.is_set():
                return False
            self._enter(outcome_of(error), str(error))
            self._enter(Outcome.RELEASED, str(error))
        return opened_ns is not None and self._clock.now().mono_ns - opened_ns >= STEADY_NS

    @contextmanager
    def _opened(self) -> Iterator[Driver]:
        driver = self.config.driver
        device: Driver = contained(
            driver, lambda: self._loaded().open(self.config.reader_id, self.options, self._clock)
        )
        self._device = device
        try:
            if self._stopping.is_set():  # asked to stop before there was anything to cancel
                raise ReadCancelled("stopping")
            yield device
        finally:
            self._device = None
            contained(driver, device.close)

    def _deliver(self, read: RawRead, read_filter: ReadFilter, device: Driver) -> None:
        self.last_read_ns = read.read_at.mono_ns
        if log.isEnabledFor(TRAFFIC):
            log.log(TRAFFIC, "%s", self._transcript.read(read))
        checking = self._checking
        if checking is None:
            self._tell(read_filter(read))
        else:
            checking.put((read_filter(read), contained(self.config.driver, lambda: timing_of(device))))

    def _pause(self, seconds: float) -> None:
        """Wait before the next try; for ever when udev will tell."""
        udev_tells = self._state is DeviceState.ABSENT and self._hotplug.covers(self._loaded().hotplug)
        self._wake.wait(None if udev_tells else seconds)
        self._wake.clear()

    def _enter(self, outcome: Outcome, detail: str = "") -> None:
        self._state = next_state(self._state, outcome)
        told = self.status
        if (told.state, told.detail) == (self._state, detail) or not worth_telling(told.state, self._state):
            return
        self.status = self._status(detail)
        level = logging.WARNING if self._state is DeviceState.FAULT else logging.INFO
        log.log(level, "reader %s is %s%s", self.config.reader_id, self._state, f": {detail}" if detail else "")
        self._tell(self.status)

    def _status(self, detail: str) -> DeviceStatus:
        # A driver that cannot even be loaded does not say what it reads; most readers are scanners.
        usual = self.spec.class_of(self.options) if self.spec else DeviceClass.SCANNER
        return DeviceStatus(
            device=self.config.reader_id,
            device_class=self.config.device_class or usual,
            state=self._state,
            at=self._clock.now(),
            detail=detail,
            name=self.config.name,
        )


def _read_from(device: Driver) -> RawRead:
    """Inside the containment, because a stranger's `read` may return anything."""
    read = device.read()
    if not isinstance(read, RawRead):
        raise TypeError("read() must return a RawRead")
    return read
