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

import fcntl
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import evdev
from evdev import ecodes

from posd.cards.keymap import PRESS
from posd.cards.wedge import WedgeAssembler, WedgeRead, WedgeSettings
from posd.clock import Clock
from posd.drivers.addresses import stable_address
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.checks import checks_by_opening, node_checks
from posd.drivers.refusal import from_os
from posd.drivers.waker import Waker
from posd.errors import DeviceLost
from posd.events import DeviceClass, RawRead
from posd.machine import SystemClock

DEAF_NS = 50_000_000
"""What a device sends so soon after it was opened is left over from before, or its power-up greeting."""

_EVIOCSCLOCKID, _CLOCK_MONOTONIC = 0x400445A0, 1
_SYSFS = Path("/sys/class/input")
_USUAL = WedgeSettings()


@dataclass(frozen=True, slots=True)
class HidKeyboardConfig:
    """``[[reader]]`` with ``driver = "hid_keyboard"``.

    ``address``: a link under /dev/posd or /dev/input/by-path, or an event node. ``layout``: the one the *reader* is
    programmed for; the session's does not matter. ``also``: further nodes of the same reader. ``whole_device``: every
    node at the same port; not for keyboards with a built-in reader, whose keys would go dead. ``follows_caps_lock``:
    the reader watches the Caps Lock lamp and turns Shift round.
    """

    address: str
    device_class: DeviceClass = DeviceClass.SCANNER
    layout: str = "us"
    also: tuple[str, ...] = ()
    whole_device: bool = False
    follows_caps_lock: bool = False
    key_gap_ms: int = _USUAL.key_gap_ms
    swipe_end_ms: int = _USUAL.swipe_end_ms

    def __post_init__(self) -> None:
        if self.device_class is DeviceClass.SMARTCARD:
            raise ValueError("a keyboard reads msr or scanner; for smart cards take driver = 'pcsc'")
        self.wedge_settings()

    def wedge_settings(self) -> WedgeSettings:
        return WedgeSettings(layout=self.layout, key_gap_ms=self.key_gap_ms, swipe_end_ms=self.swipe_end_ms)

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
        self._device, self._config, self._clock = device, config, clock
        self._reads: deque[RawRead] = deque()
        self._dropping = False
        with ExitStack() as undo:
            self._nodes = {node.fd: node for node in _grab_all(config, undo)}
            self._waker = Waker()
            undo.callback(self._waker.close)
            self._undo = undo.pop_all()
        lamp = config.follows_caps_lock and any(ecodes.LED_CAPSL in node.leds() for node in self._nodes.values())
        self._assembler = WedgeAssembler(config.wedge_settings(), caps_lock=lamp)
        self._deaf_until_ns = clock.now().mono_ns + DEAF_NS

    def read(self) -> RawRead:
        while not self._reads:
            self._receive()
        return self._reads.popleft()

    def cancel(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        self._undo.close()  # closing a node ends its grab

    def _receive(self) -> None:
        deadline_ns = self._assembler.deadline_ns
        left_ns = None if deadline_ns is None else deadline_ns - self._clock.now().mono_ns
        ready = self._waker.wait(list(self._nodes), left_ns)
        if not ready:
            self._keep(self._assembler.expire(self._clock.now().mono_ns))
        for fd in ready:
            for event in self._events(self._nodes[fd]):
                self._keep(self._feed(event))

    def _events(self, node: evdev.InputDevice[str]) -> list[evdev.InputEvent]:
        try:
            events = list(node.read())
        except BlockingIOError:
            return []
        except OSError as error:
            raise from_os(error, self._config.address) from error
        if not events:  # end of file: where there is no device any more, some systems answer so
            raise DeviceLost(f"{self._config.address} went away (end of file); check the cable")
        return events

    def _feed(self, event: evdev.InputEvent) -> list[WedgeRead]:
        time_ns = event.sec * 1_000_000_000 + event.usec * 1000
        if time_ns < self._deaf_until_ns:
            self._stay_deaf(event, time_ns)
            return []
        if event.type == ecodes.EV_SYN:
            # Up to the next SYN_REPORT stand remnants (Linux, Documentation/input/event-codes.rst).
            self._dropping = event.code == ecodes.SYN_DROPPED
            return self._assembler.lost(time_ns) if self._dropping else []
        if event.type != ecodes.EV_KEY or self._dropping:
            return []
        return self._assembler.feed(event.code, event.value, time_ns)

    def _stay_deaf(self, event: evdev.InputEvent, time_ns: int) -> None:
        """A read that began before we listened is ignored to its end: its second half would be a shorter number."""
        if event.type == ecodes.EV_KEY and event.value == PRESS:
            self._deaf_until_ns = max(self._deaf_until_ns, time_ns + self._config.swipe_end_ms * 1_000_000)

    def _keep(self, closed: list[WedgeRead]) -> None:
        kind, now = self._config.device_class, self._clock.now()
        self._reads += [RawRead(self._device, kind, read.text.encode(), now, read.flaw) for read in closed]


def _grab_all(config: HidKeyboardConfig, undo: ExitStack) -> Iterator[evdev.InputDevice[str]]:
    for address in config.addresses():
        try:
            node = evdev.InputDevice(str(Path(address).resolve()), readonly=True)
            undo.callback(node.close)
            node.grab()
            # Event times on the clock that deadlines are reckoned on; by default they jump with the wall clock.
            fcntl.ioctl(node.fd, _EVIOCSCLOCKID, struct.pack("i", _CLOCK_MONOTONIC))
        except OSError as error:
            raise from_os(error, address) from error
        except SystemError as error:  # python-evdev, when the device goes while it is being asked
            raise DeviceLost(f"{address} went away while it was opened; check the cable") from error
        yield node


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
