"""A serial reader on a pty, behind a link that comes and goes as udev's would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
import time
import tty
from pathlib import Path
from typing import Any

DEAF_S = 0.03
"""Nobody scans in the first moment after plugging; the driver ignores what comes then."""
_TIOCGEXCL = 0x80045440


class SerialPort:
    """``path`` is what the driver opens. A pty takes 8N1 only, has no modem lines and enforces no baud rate."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug()

    def plug(self) -> None:
        self._reader_end, driver_end = os.openpty()
        tty.setraw(self._reader_end)  # no echo before the first open
        name = os.ttyname(driver_end)
        self._watch = driver_end
        self.path.symlink_to(name)
        self.fresh = True
        """Nothing was sent since it was plugged in; set to False by tests that wait by themselves."""

    def send(self, data: bytes) -> None:
        if self.fresh:
            time.sleep(DEAF_S)
            self.fresh = False
        os.write(self._reader_end, data)

    def receive(self, within_s: float) -> bytes:
        """What the driver wrote; empty when it wrote nothing, or when the plug is out."""
        try:
            ready, _, _ = select.select([self._reader_end], [], [], within_s)
            return os.read(self._reader_end, 4096) if ready else b""
        except (OSError, ValueError):
            return b""

    def settings(self) -> list[Any]:
        """What the driver set, as termios says it; a pty keeps speeds, flow control and input flags, and stays 8N1."""
        return termios.tcgetattr(self._reader_end)

    def exclusive(self) -> bool:
        """Would the kernel refuse another open?"""
        return bool(struct.unpack("i", fcntl.ioctl(self._watch, _TIOCGEXCL, bytes(4)))[0])

    def settle(self) -> None:
        """Return when the driver has taken every byte."""
        end = time.monotonic() + 5
        while struct.unpack("i", fcntl.ioctl(self._watch, termios.FIONREAD, bytes(4)))[0]:
            assert time.monotonic() < end, "the driver does not read"
            time.sleep(0.001)

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self._watch)
        os.close(self._reader_end)
        self._watch = self._reader_end = -1  # their numbers may soon be another file's

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.unplug()
