"""What the operating system's "no" means for a reader, and what a person can do about it."""

from __future__ import annotations

import errno
import termios

from posd.errors import DeviceBusy, DeviceDenied, DeviceError, DeviceLost

_BUSY = {errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK}
_DENIED = {errno.EACCES, errno.EPERM}

UDEV_FIX = (
    "sudo install -m 644 udev/71-posd.rules /etc/udev/rules.d/ && "
    "sudo install -m 644 udev/71-posd.hwdb /etc/udev/hwdb.d/ && "
    "sudo systemd-hwdb update && sudo udevadm control --reload && sudo udevadm trigger"
)


def from_os(error: OSError | termios.error, address: str) -> DeviceError:
    """`DeviceBusy`, `DeviceDenied`, else `DeviceLost`: whatever a failing device answers, it has to be opened anew.

    Messages read "what is wrong; what to do". pyserial raises termios.error, which is no OSError, from the same calls.
    """
    number = error.args[0] if error.args and isinstance(error.args[0], int) else getattr(error, "errno", None)
    if number in _BUSY:
        return DeviceBusy(f"{address} is held by another program; find it with: sudo fuser -v {address}")
    if number in _DENIED:
        return DeviceDenied(f"no permission for {address}; {UDEV_FIX}")
    if number == errno.ENOENT:
        return DeviceLost(f"{address} is not there; plug the reader in")
    reason = errno.errorcode.get(number, "no more data") if number is not None else "no more data"
    return DeviceLost(f"{address} went away ({reason}); check the cable")
