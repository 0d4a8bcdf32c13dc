"""Readers that type: magnetic-stripe readers and barcode scanners in keyboard mode, on Linux input devices.

======================  =====  =====================================================================
UnifiedPOS              here   remark
======================  =====  =====================================================================
MSR Track1..3Data       yes    ``device_class = "msr"``; sentinels kept, CR between tracks
Scanner ScanData        yes    ``device_class = "scanner"``, the default
Claim                   yes    EVIOCGRAB: nothing that is read is typed into a window as well
CheckHealth             yes    INTERNAL, EXTERNAL, INTERACTIVE
======================  =====  =====================================================================

Only nodes that the configuration names are opened. A node that is not assigned may be the cashier's keyboard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evdev import ecodes

from posd.cards.keymap import DROPPED, KeyEvent
from posd.cards.wedge import KeyTiming, WedgeAssembler, WedgeRead, WedgeSettings, WedgeSuffix
from posd.clock import Clock, Instant
from posd.drivers.addresses import stable_address
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.checks import checks_by_opening, node_checks
from posd.drivers.key_events import KeyStream
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock

_SYSFS = Path("/sys/class/input")
_USUAL = WedgeSettings()


@dataclass(frozen=True, slots=True)
class HidKeyboardConfig:
    """``[[reader]]`` with ``driver = "hid_keyboard"``.

    ``address``: a link under /dev/posd or /dev/input/by-path, or an event node. ``layout``: the one the *reader* is
    programmed for, which `posd readers calibrate` finds; the session's does not matter. ``also``: further nodes of the
    same reader. ``whole_device``: every node at the same port; not for keyboards with a built-in reader, whose keys
    would go dead. ``follows_caps_lock``: the reader watches the Caps Lock lamp and turns Shift round. ``gs_key``:
    ``F1`` to ``F12`` for a scanner that types one in place of GS. ``suffix``: ``none`` for a scanner that sends neither
    Enter nor Tab behind a scan. ``key_gap_ms``: keys further apart are a person's.
    ``swipe_end_ms``: so long a pause ends a swipe.
    """

    address: str
    device_class: DeviceClass = DeviceClass.SCANNER
    layout: str = "us"
    also: tuple[str, ...] = ()
    whole_device: bool = False
    follows_caps_lock: bool = False
    gs_key: str = ""
    suffix: WedgeSuffix = _USUAL.suffix
    key_gap_ms: int = _USUAL.key_gap_ms
    swipe_end_ms: int = _USUAL.swipe_end_ms

    def __post_init__(self) -> None:
        if self.device_class is DeviceClass.SMARTCARD:
            raise ValueError("a keyboard reads msr or scanner; for smart cards take driver = 'pcsc'")
        self.wedge_settings()

    def wedge_settings(self) -> WedgeSettings:
        return WedgeSettings(self.layout, self.suffix, self.key_gap_ms, self.swipe_end_ms, gs_key=self.gs_key)

    def addresses(self) -> list[str]:
        """All nodes that belong to the reader, each once."""
        nodes = [self.address, *self.also]
        if self.whole_device:
            nodes += _same_port(Path(self.address).resolve())
        by_node: dict[Path, str] = {}
        for node in nodes:
            by_node.setdefault(Path(node).resolve(), node)
        return list(by_node.values())


class HidKeyboard:
    """An open and grabbed reader."""

    def __init__(self, device: str, config: HidKeyboardConfig, clock: Clock) -> None:
        self._device, self._kind, self._clock = device, config.device_class, clock
        self._keys = open_keys(config, clock)
        lamp = config.follows_caps_lock and self._keys.caps_lamp
        self._assembler = WedgeAssembler(config.wedge_settings(), caps_lock=lamp)
        self._reads: deque[tuple[WedgeRead, Instant]] = deque()
        self._last: WedgeRead | None = None

    def read(self) -> RawRead:
        while not self._reads:
            self._receive()
        self._last, at = self._reads.popleft()
        return RawRead(self._device, self._kind, self._last.text.encode(), at, self._last.flaw)

    def cancel(self) -> None:
        self._keys.cancel()

    def close(self) -> None:
        self._keys.close()

    @property
    def timing(self) -> KeyTiming | None:
        """How fast the read was typed that `read` returned last; None before the first."""
        return None if self._last is None else self._last.timing

    def _receive(self) -> None:
        events = self._keys.receive(self._assembler.deadline_ns)
        now = self._clock.now()
        for event in events:
            self._keep(self._feed(event), now)
        if not events:
            self._keep(self._assembler.expire(now.mono_ns), now)

    def _feed(self, event: KeyEvent) -> Sequence[WedgeRead]:
        if event.code == DROPPED:
            return self._assembler.lost(event.time_ns, event.node)
        return self._assembler.feed(event.code, event.value, event.time_ns, event.node)

    def _keep(self, closed: Sequence[WedgeRead], now: Instant) -> None:
        self._reads += [(read, now) for read in closed]


def open_keys(config: HidKeyboardConfig, clock: Clock) -> KeyStream:
    """The keys of this reader as they come, for who wants to know more than characters. Raises `DeviceError`."""
    return KeyStream(config.addresses(), config.swipe_end_ms, clock)


def _same_port(node: Path) -> list[str]:
    """Event nodes whose kernel ``phys`` names the same port: ``usb-…-2/input0`` and ``usb-…-2/input1``."""
    port = _sysfs(node.name, "phys").partition("/")[0]
    if not port:
        return []
    return [
        f"/dev/input/{entry.name}"
        for entry in sorted(_SYSFS.glob("event*"))
        if _sysfs(entry.name, "phys").partition("/")[0] == port
    ]


def _sysfs(event: str, attribute: str) -> str:
    try:
        return (_SYSFS / event / "device" / attribute).read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _types_digits(event: str) -> bool:
    """Keyboards and wedges, but not power buttons, mice and media keys: digits and Enter."""
    words = _sysfs(event, "capabilities/key").split()
    bits = sum(int(word, 16) << (64 * n) for n, word in enumerate(reversed(words)))
    needed = (ecodes.KEY_ENTER, *range(ecodes.KEY_1, ecodes.KEY_0 + 1))
    return all(bits >> code & 1 for code in needed)


def _probe() -> list[Candidate]:
    """From sysfs alone: looking opens nothing."""
    return [
        Candidate(
            driver="hid_keyboard",
            address=stable_address(Path("/dev/input") / entry.name),
            identity=f"{_sysfs(entry.name, 'phys')}#{_sysfs(entry.name, 'uniq')}",
            name=_sysfs(entry.name, "name"),
            device_class=DeviceClass.SCANNER,
        )
        for entry in sorted(_SYSFS.glob("event*"))
        if _types_digits(entry.name)
    ]


def _check_health(device: str, config: HidKeyboardConfig, level: HealthLevel) -> list[Health]:
    internal = [check for address in config.addresses() for check in node_checks(address, writable=False)]
    return checks_by_opening(level, internal, lambda: HidKeyboard(device, config, SystemClock()))


SPEC = DriverSpec(
    name="hid_keyboard",
    device_class=DeviceClass.SCANNER,
    config_type=HidKeyboardConfig,
    probe=_probe,
    open=HidKeyboard,
    check_health=_check_health,
    present=lambda config: all(Path(address).exists() for address in config.addresses()),
    hotplug=("input",),
)
