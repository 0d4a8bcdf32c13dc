"""An open serial line that nobody else has.

pyserial's exclusive open is a lock that only programs which ask for it see. TIOCEXCL makes every other open fail with
EBUSY, root's excepted (tty_ioctl(4)); it is given back on close, because the line of a pseudo-terminal outlives us.
Every method raises a `DeviceError` where the operating system refuses.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import termios
from dataclasses import dataclass

import serial

from posd.drivers.refusal import from_os
from posd.errors import DeviceLost

LARGEST_GULP = 4096
"""Bytes taken from the kernel at once: all that its line discipline holds."""

WRITE_PATIENCE_S = 1
"""A line that takes no more bytes is as good as gone."""

PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}

_TIOCGEXCL = 0x80045440


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the line is set, once and for all: some lines take settings only when they are opened. USB CDC readers ignore
    them. ``parity``: a name out of `PARITIES`."""

    baud: int = 9600
    data_bits: int = 8
    parity: str = "none"
    stop_bits: int = 1
    hardware_flow: bool = False


class SerialPort:
    """What came in while nobody listened is thrown away by opening."""

    def __init__(self, address: str, settings: LineSettings) -> None:
        self.address = address
        try:
            self._port = serial.Serial(
                address,
                baudrate=settings.baud,
                bytesize=settings.data_bits,
                parity=PARITIES[settings.parity],
                stopbits=settings.stop_bits,
                rtscts=settings.hardware_flow,
                timeout=0,
                write_timeout=WRITE_PATIENCE_S,
                exclusive=True,
            )
        except (OSError, termios.error) as error:  # SerialException is an OSError, termios.error is not
            raise from_os(error, address) from error
        self.fd: int = self._port.fileno()
        try:
            self._claim()
        except (OSError, termios.error) as error:
            self._port.close()
            raise from_os(error, address) from error

    def read(self) -> bytes:
        """What is there. Wait for it by `posd.drivers.waker.Waker`: after that, nothing means that the line is gone."""
        try:
            # Not by pyserial, whose select() fails in a process with more than 1,024 files open.
            data = os.read(self.fd, LARGEST_GULP)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise from_os(error, self.address) from error
        if not data:
            raise DeviceLost(f"{self.address} went away (end of file); check the cable")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except (OSError, termios.error) as error:
            raise from_os(error, self.address) from error

    def close(self) -> None:
        """May be called twice."""
        if not self._port.is_open:
            return
        with contextlib.suppress(OSError):  # the line may be gone
            fcntl.ioctl(self.fd, termios.TIOCNXCL)
        self._port.close()

    def _claim(self) -> None:
        (held,) = struct.unpack("i", fcntl.ioctl(self.fd, _TIOCGEXCL, bytes(4)))
        if held:  # root was let in all the same
            raise OSError(errno.EBUSY, "exclusive")
        fcntl.ioctl(self.fd, termios.TIOCEXCL)
        # Off in pyserial: with it a byte that came damaged is NUL instead of some other character.
        settings = termios.tcgetattr(self.fd)
        settings[0] |= termios.INPCK
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)
