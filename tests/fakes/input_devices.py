"""Keyboards, scanners and stripe readers for real python-evdev and pyudev, under umockdev's preload.

    @pytest.fixture
    def bench() -> Iterator[InputBench]:
        with InputBench(Wedge(7), Wedge(8)) as bench:
            yield bench

The whole of pytest must run under the preload: `umockdev-wrapper python -m pytest`.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import pytest

from posd.cards.keymap import strokes

SERVER = Path(__file__).with_name("input_server.py")
PRELOAD = "libumockdev-preload.so"
EV_SYN, EV_KEY, EV_MSC = 0, 1, 4
SYN_REPORT, SYN_DROPPED, MSC_SCAN = 0, 3, 4

Event = tuple[int, int, int]
Group = list[Event]


class Described(Protocol):
    """A device as the server is told of it."""

    def described(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Wedge:
    """A USB keyboard as udev and the kernel describe it."""

    number: int
    name: str = "ACME Barcode Scanner"
    phys: str = ""
    serial: str = "S1234"
    vendor: int = 0x05E0
    product: int = 0x1200
    keys: Sequence[int] = field(default_factory=lambda: list(range(1, 128)))
    leds: Sequence[int] = ()

    def described(self) -> dict[str, Any]:
        return asdict(self) | {"phys": self.phys or f"usb-0000:00:14.0-{self.number + 1}/input0"}


class InputBench:
    """The machine's input devices for as long as the context lasts. None is plugged in at first."""

    def __init__(self, *devices: Described) -> None:
        if PRELOAD not in os.environ.get("LD_PRELOAD", ""):
            pytest.fail("fake input devices need the preload; run: umockdev-wrapper python -m pytest")
        environment = {key: value for key, value in os.environ.items() if key != "UMOCKDEV_DIR"}
        self._server = subprocess.Popen(
            ["/usr/bin/python3", str(SERVER), json.dumps([device.described() for device in devices])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._before = os.environ.get("UMOCKDEV_DIR")
        self.root = str(self._answer()["root"])
        os.environ["UMOCKDEV_DIR"] = self.root  # the preload looks at it on every call

    def plug(self, number: int) -> None:
        self._ask("plug", number)

    def unplug(self, number: int) -> None:
        self._ask("unplug", number)

    def type(self, number: int, text: str, *, layout: str = "us", gap_us: int = 100, pace_s: float = 0) -> int:
        """Type as a reader does; returns when the last key went up, in monotonic nanoseconds."""
        return self.emit(number, groups(text, layout), gap_us=gap_us, pace_s=pace_s)

    def emit(self, number: int, groups: Iterable[Group], *, gap_us: int = 100, pace_s: float = 0) -> int:
        events = [event for group in groups for event in group]
        return int(self._ask("emit", number, events, gap_us, pace_s))

    def weave(self, typed: Mapping[int, str]) -> None:
        """Type on several devices at once, a key here and a key there, with nothing but the writing in between."""
        turns = list(zip_longest(*(groups(text) for text in typed.values())))
        commands = [
            ("emit", number, group, 0, 0)
            for turn in turns
            for number, group in zip(typed, turn, strict=True)
            if group is not None
        ]
        assert self._server.stdin is not None
        self._server.stdin.write("".join(json.dumps(command) + "\n" for command in commands))
        self._server.stdin.flush()
        for _ in commands:
            self._answer()

    def settle(self, number: int) -> None:
        """Return when the driver has taken all events."""
        end = time.monotonic() + 5
        while self._ask("unread", number):
            assert time.monotonic() < end, "the driver does not read"
            time.sleep(0.001)

    def grabbed(self, number: int) -> bool:
        return bool(self._ask("grabbed", number))

    def __enter__(self) -> InputBench:
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ["UMOCKDEV_DIR"]
        else:
            os.environ["UMOCKDEV_DIR"] = self._before
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()

    def _ask(self, *command: object) -> Any:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(command) + "\n")
        self._server.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the input server died; its last words are on stderr"
        return json.loads(line)


def node(number: int) -> str:
    return f"/dev/input/event{number}"


def link(number: int) -> str:
    return f"/dev/input/by-path/pci-0000:00:14.0-usb-0:{number + 1}:1.0-event-kbd"


def groups(text: str, layout: str = "us") -> list[Group]:
    """The event groups with which a reader types ``text``: a scan code, the key, a SYN, for each press and release."""
    return [
        [(EV_MSC, MSC_SCAN, 0x70000 + code), (EV_KEY, code, value), (EV_SYN, SYN_REPORT, 0)]
        for code, value in strokes(text, layout)
    ]


def overflow() -> Group:
    """What the kernel puts in place of events that nobody read in time."""
    return [(EV_SYN, SYN_DROPPED, 0), (EV_SYN, SYN_REPORT, 0)]
