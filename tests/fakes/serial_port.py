"""A serial reader on a pty, behind a link that comes and goes as udev's would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import time
import tty
from pathlib import Path


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

    def send(self, data: bytes) -> None:
        os.write(self._reader_end, data)

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

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.unplug()
