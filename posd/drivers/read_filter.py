"""What every reader can be told, whatever its driver: which characters its scanner adds, and how long the same code is
one presentation. Pure; between the driver and the till.

A bouncing trigger, a scanner in a stand and a tap that flutters report one presentation several times (the manuals call
it "timeout between decodes, same symbol"). Only the identical payload of the same device within the window is a repeat;
another code never is. A repeat is not lost without trace: it becomes noise with a reason, and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from posd.cards.reads import RejectReason, flaw
from posd.events import DeviceClass, RawRead

LONGEST_REPEAT_MS = 60_000

REPEAT_MS = {DeviceClass.SCANNER: 1000, DeviceClass.SMARTCARD: 1000, DeviceClass.MSR: 300}
"""Milliseconds. Scanners in a stand and cards on an antenna report again and again; a stripe is heard twice only when
the reader sends it twice, and nobody swipes twice in so short a time."""

SAME_AGAIN = flaw(RejectReason.NOISE, "the same read again")
NO_PREFIX = flaw(RejectReason.PARTIAL, "it does not begin with strip_prefix; compare the scanner's settings")
NO_SUFFIX = flaw(RejectReason.PARTIAL, "it does not end with strip_suffix; compare the scanner's settings")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Keys of any ``[[reader]]`` table. ``repeat_ms``: within so long of the last one the same read is the same
    presentation; 0 for never, unset 1000 for scanners and chips and 300 for stripes. ``strip_prefix``: what the scanner
    is set to send in front; a read without it is half a read. ``strip_suffix``: the same for what it sends behind."""

    repeat_ms: int | None = None
    strip_prefix: str = ""
    strip_suffix: str = ""

    def __post_init__(self) -> None:
        if self.repeat_ms is not None and not 0 <= self.repeat_ms <= LONGEST_REPEAT_MS:
            raise ValueError(f"repeat_ms is 0 (off) to {LONGEST_REPEAT_MS}")


class ReadFilter:
    """The reads of one open device, in order. ``usual_ms``: the window where the options name none."""

    def __init__(self, options: ReadOptions, usual_ms: int) -> None:
        self._options = options
        self._window_ns = (usual_ms if options.repeat_ms is None else options.repeat_ms) * 1_000_000
        self._seen_ns: dict[bytes, int] = {}
        """Payload → when it was read last; only those of the window."""

    def __call__(self, read: RawRead) -> RawRead:
        """``read`` as the till shall have it: stripped, or with a flaw and no payload."""
        if read.flaw is not None:
            return read
        if self._is_repeat(read):
            return replace(read, payload=b"", flaw=SAME_AGAIN)
        return _stripped(read, self._options.strip_prefix.encode(), self._options.strip_suffix.encode())

    def _is_repeat(self, read: RawRead) -> bool:
        """The window slides: what lies in front of the scanner stays one presentation until it is taken away."""
        now_ns = read.read_at.mono_ns
        self._seen_ns = {payload: ns for payload, ns in self._seen_ns.items() if now_ns - ns < self._window_ns}
        repeated = read.payload in self._seen_ns
        if self._window_ns:
            self._seen_ns[read.payload] = now_ns
        return repeated


def _stripped(read: RawRead, prefix: bytes, suffix: bytes) -> RawRead:
    """A chip has no characters around it."""
    if read.device_class is DeviceClass.SMARTCARD:
        return read
    if not read.payload.startswith(prefix):
        return replace(read, payload=b"", flaw=NO_PREFIX)
    inner = read.payload[len(prefix) :]
    if not inner.endswith(suffix):
        return replace(read, payload=b"", flaw=NO_SUFFIX)
    return replace(read, payload=inner[: len(inner) - len(suffix)])
