"""A driver that writes down what another one reads: `posd record`."""

from __future__ import annotations

from collections.abc import Callable

from posd.clock import Clock
from posd.drivers.base import Driver
from posd.drivers.transcript import HEADER, Transcript
from posd.errors import DeviceLost
from posd.events import DeviceClass, RawRead


class RecordingDriver:
    """``write(line)`` gets the header first, then a line per read, without line end. What is returned is not masked,
    what is written is. The wrapped driver is closed with this one."""

    def __init__(
        self,
        driver: Driver,
        device: str,
        device_class: DeviceClass,
        clock: Clock,
        write: Callable[[str], None],
        keep: tuple[str, ...] = (),
    ) -> None:
        self._driver, self._device, self._device_class = driver, device, device_class
        self._clock, self._write = clock, write
        self._transcript = Transcript(clock.now(), keep)
        write(HEADER)

    def read(self) -> RawRead:
        try:
            read = self._driver.read()
        except DeviceLost:
            self._write(self._transcript.lost(self._device, self._device_class, self._clock.now()))
            raise
        self._write(self._transcript.read(read))
        return read

    def cancel(self) -> None:
        self._driver.cancel()

    def close(self) -> None:
        self._driver.close()
