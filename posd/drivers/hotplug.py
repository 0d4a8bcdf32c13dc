"""Who tells that a device was plugged in: udev where it runs, else nobody, and then the clock decides when to look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from posd.drivers.waker import Waker
from posd.errors import ReadCancelled

SUBSYSTEMS = ("input", "tty", "hidraw", "usb")
"""What readers belong to."""


class HotPlug(Protocol):
    """Calls ``changed(subsystem)`` from a thread of its own whenever a device came, went or changed its permissions."""

    def covers(self, subsystems: Sequence[str]) -> bool:
        """Whether nobody has to look by the clock for a device of these subsystems."""
        ...

    def start(self, changed: Callable[[str], None]) -> None: ...

    def stop(self, timeout_s: float) -> bool:
        """End the thread. False when it did not end in time."""
        ...


class NoHotPlug:
    """A machine without udev: a container, a rescue system."""

    def covers(self, subsystems: Sequence[str]) -> bool:
        return False

    def start(self, changed: Callable[[str], None]) -> None:
        pass

    def stop(self, timeout_s: float) -> bool:
        return True


class UdevHotPlug:
    """udev's own events, which come after its rules have made links and permissions. Sleeps until there is one."""

    def __init__(self) -> None:
        import pyudev  # noqa: PLC0415  # loads libudev, which a machine without udev may lack

        self._monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        for subsystem in SUBSYSTEMS:
            self._monitor.filter_by(subsystem)
        self._waker = Waker()
        self._thread: threading.Thread | None = None

    def covers(self, subsystems: Sequence[str]) -> bool:
        return bool(subsystems) and set(subsystems) <= set(SUBSYSTEMS)

    def start(self, changed: Callable[[str], None]) -> None:
        self._monitor.start()
        self._thread = threading.Thread(target=self._watch, args=(changed,), name="hotplug")
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        self._waker.wake()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                return False
        self._waker.close()
        return True

    def _watch(self, changed: Callable[[str], None]) -> None:
        try:
            while True:
                self._waker.wait([self._monitor.fileno()])
                while (device := self._monitor.poll(timeout=0)) is not None:
                    changed(device.subsystem)
        except ReadCancelled:
            return


def best_available() -> HotPlug:
    """udev when its daemon runs here."""
    if not Path("/run/udev/control").exists():
        return NoHotPlug()
    try:
        return UdevHotPlug()
    except (ImportError, OSError):
        return NoHotPlug()
