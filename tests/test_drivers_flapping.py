"""A serial reader with a loose plug: a real pty that comes and goes a thousand times under a running supervisor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from posd.drivers.base import ReaderConfig
from posd.drivers.contract import eventually, open_files
from posd.drivers.supervisor import Supervisor
from posd.events import DeviceState, DeviceStatus, RawRead
from posd.machine import SystemClock
from tests.fakes.serial_port import SerialPort

NUMBER = b"6331940000012345"
CYCLES = 1000


class HandHotPlug:
    """udev in the hand of the test."""

    def __init__(self) -> None:
        self.changed: Callable[[str], None] = lambda _: None

    def covers(self, subsystems: Sequence[str]) -> bool:
        return True

    def start(self, changed: Callable[[str], None]) -> None:
        self.changed = changed

    def stop(self, timeout_s: float) -> bool:
        return True


@contextmanager
def desk(port: SerialPort) -> Iterator[tuple[Supervisor, HandHotPlug, Queue[RawRead | DeviceStatus]]]:
    inbox: Queue[RawRead | DeviceStatus] = Queue(8 * CYCLES)
    hotplug = HandHotPlug()
    config = ReaderConfig("desk", "serial_line", "Desk", None, {"address": str(port.path)})
    supervisor = Supervisor([config], SystemClock(), inbox, hotplug)
    supervisor.start()
    try:
        yield supervisor, hotplug, inbox
    finally:
        assert supervisor.stop() == []


def wait_for(supervisor: Supervisor, state: DeviceState) -> None:
    eventually(lambda: supervisor.statuses()[0].state is state, f"the reader becoming {state}")


@pytest.mark.slow
@pytest.mark.complaint(12)
@pytest.mark.complaint(13)
def test_a_thousand_plug_cycles_leak_nothing_and_misread_nothing(tmp_path: Path) -> None:
    port = SerialPort(tmp_path / "scanner")
    with desk(port) as (supervisor, hotplug, inbox):
        wait_for(supervisor, DeviceState.READY)
        threads, files = set(threading.enumerate()), open_files()
        for cycle in range(CYCLES):
            port.fresh = False
            port.send(NUMBER[: cycle % len(NUMBER)])  # pulled in the middle of a read
            port.unplug()
            hotplug.changed("tty")
            wait_for(supervisor, DeviceState.ABSENT)
            port.plug()
            hotplug.changed("tty")
            wait_for(supervisor, DeviceState.READY)
        assert set(threading.enumerate()) == threads
        assert open_files() == files
        port.send(NUMBER + b"\r")
        told = [inbox.get(timeout=5)]
        while not isinstance(told[-1], RawRead):
            told.append(inbox.get(timeout=5))
        assert told[-1].payload == NUMBER, "the first read of all"
        assert supervisor.dropped_statuses == 0
        states = [item.state for item in told if isinstance(item, DeviceStatus)]
        assert states.count(DeviceState.READY) == CYCLES + 1
        assert states.count(DeviceState.LOST) == CYCLES
    port.close()
