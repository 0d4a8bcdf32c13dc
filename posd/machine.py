"""The machine we run on: its clocks, its ids, and what systemd wants to hear. The only user of `time` and `os.urandom`
outside the edges."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

from posd.clock import Instant


class SystemClock:
    """The real clock. ``boot`` is the kernel's boot id, so monotonic times of two boots are never compared."""

    def __init__(self) -> None:
        self._boot = boot_id()

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1_000_000, self._boot, time.monotonic_ns())


def boot_id() -> str:
    """Id of this boot as 32 hex digits; of this process where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().replace("-", "")
    except OSError:
        return os.urandom(16).hex()


class Uuid7Source:
    """RFC 9562 version 7 ids, 16 bytes, strictly rising within a process even when the wall clock steps back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> bytes:
        with self._lock:
            # 48 bits of milliseconds and 12 bits of counter rise together as one 60-bit number.
            self._last = max(self._last + 1, (time.time_ns() // 1_000_000) << 12)
            stamp = self._last
        random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
        value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random
        return value.to_bytes(16, "big")


def notify_systemd(*lines: str) -> None:
    """sd_notify(3): tell the service manager, if there is one (``READY=1``, ``WATCHDOG=1``, ``STATUS=…``)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto("\n".join(lines).encode(), address)


_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """A process that reads cards leaves no image of its memory when it crashes. RLIMIT_CORE forbids the file; it says
    nothing to collectors such as systemd-coredump (core(5)), for them the process is marked as not dumpable (prctl(2)),
    which also keeps other programs of the same user out of its memory. Programs that it starts are as before."""
    import ctypes  # noqa: PLC0415  # two milliseconds that only the daemon needs
    import resource  # noqa: PLC0415  # see above

    if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):  # under systemd it is, and may not be set
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def write_private(path: Path, content: bytes) -> None:
    """Replace ``path`` atomically and durably; mode 0600 from its first byte on. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
