"""The keys of a reader that types: its event nodes opened and grabbed, and what comes in on them, before anybody makes
characters of it. For `posd.drivers.hid_keyboard`, and for finding out what layout a reader has.
"""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import evdev
from evdev import ecodes

from posd.cards.keymap import DROPPED, KeyEvent
from posd.cards.keypad import PRESS
from posd.clock import Clock
from posd.drivers.refusal import from_os
from posd.drivers.waker import Waker
from posd.errors import DeviceLost

DEAF_NS = 50_000_000
"""What a device sends so soon after it was opened is left over from before, or its power-up greeting."""

_GROUP, _GROUPS = 64, 16
"""python-evdev hands over so many events at a time; so many times are more than the kernel keeps for a keyboard."""

_EVIOCSCLOCKID, _CLOCK_MONOTONIC = 0x400445A0, 1


class KeyStream:
    """The event nodes of one reader. ``quiet_ms``: a pause as long ends what was being typed when it was opened."""

    def __init__(self, addresses: Sequence[str], quiet_ms: int, clock: Clock) -> None:
        self._clock, self._quiet_ns = clock, quiet_ms * 1_000_000
        with ExitStack() as undo:
            self._nodes = {node.fd: node for node in _grab_all(addresses, undo)}
            self._waker = Waker()
            undo.callback(self._waker.close)
            self._undo = undo.pop_all()
        self._deaf_until_ns = clock.now().mono_ns + DEAF_NS

    @property
    def caps_lamp(self) -> bool:
        """Is Caps Lock lit on any of the nodes?"""
        return any(node.caps_lamp for node in self._nodes.values())

    def receive(self, deadline_ns: int | None) -> list[KeyEvent]:
        """What has come, in order of time; waits for something until ``deadline_ns`` at most. Raises `DeviceLost`,
        `ReadCancelled`."""
        left_ns = None if deadline_ns is None else deadline_ns - self._clock.now().mono_ns
        ready = self._waker.wait(list(self._nodes), left_ns)
        events = [event for fd in ready for event in self._nodes[fd].events()]
        if len(ready) > 1:
            events.sort(key=lambda event: event.time_ns)
        return [event for event in events if self._listens(event)]

    def cancel(self) -> None:
        """End a wait, now or the next one; from any thread."""
        self._waker.wake()

    def close(self) -> None:
        self._undo.close()  # closing a node ends its grab

    def _listens(self, event: KeyEvent) -> bool:
        """A read that began before we listened is ignored to its end: its second half would be a shorter number."""
        if event.time_ns >= self._deaf_until_ns:
            return True
        if event.value == PRESS:
            self._deaf_until_ns = max(self._deaf_until_ns, event.time_ns + self._quiet_ns)
        return False


class _Node:
    """One grabbed event node."""

    def __init__(self, number: int, address: str, device: evdev.InputDevice[str]) -> None:
        self._number, self._address, self._device = number, address, device
        self._dropping = False
        self.fd: int = device.fd

    @property
    def caps_lamp(self) -> bool:
        return ecodes.LED_CAPSL in self._device.leds()

    def events(self) -> list[KeyEvent]:
        """What has come, as much as the kernel keeps: taken whole, so that several nodes can be put into order."""
        return [key for event in self._raw() if (key := self._key(event)) is not None]

    def _raw(self) -> list[evdev.InputEvent]:
        events: list[evdev.InputEvent] = []
        try:
            for _ in range(_GROUPS):
                group = list(self._device.read())
                events += group
                if len(group) < _GROUP:
                    break
        except BlockingIOError:
            return events
        except OSError as error:
            if events:
                return events  # the next look says the same again
            raise from_os(error, self._address) from error
        if not events:  # end of file: where there is no device any more, some systems answer so
            raise DeviceLost(f"{self._address} went away (end of file); check the cable")
        return events

    def _key(self, event: evdev.InputEvent) -> KeyEvent | None:
        if event.type == ecodes.EV_SYN:
            # Up to the next SYN_REPORT stand remnants (Linux, Documentation/input/event-codes.rst).
            self._dropping = event.code == ecodes.SYN_DROPPED
            return self._event(event, DROPPED) if self._dropping else None
        if event.type != ecodes.EV_KEY or self._dropping:
            return None
        return self._event(event, event.code)

    def _event(self, event: evdev.InputEvent, code: int) -> KeyEvent:
        return KeyEvent(event.sec * 1_000_000_000 + event.usec * 1000, self._number, code, event.value)


def _grab_all(addresses: Sequence[str], undo: ExitStack) -> Iterator[_Node]:
    for number, address in enumerate(addresses):
        try:
            device = evdev.InputDevice(str(Path(address).resolve()), readonly=True)
            undo.callback(device.close)
            device.grab()
            # Event times on the clock that deadlines are reckoned on; by default they jump with the wall clock.
            fcntl.ioctl(device.fd, _EVIOCSCLOCKID, struct.pack("i", _CLOCK_MONOTONIC))
        except OSError as error:
            raise from_os(error, address) from error
        except SystemError as error:  # python-evdev, when the device goes while it is being asked
            raise DeviceLost(f"{address} went away while it was opened; check the cable") from error
        yield _Node(number, address, device)
