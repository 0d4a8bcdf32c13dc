"""Keyboard wedges on the real kernel: identical ones, the cashier's keyboard left alone, the kernel's own traps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.vm import readers
from tests.vm.machine import until
from tests.vm.samples import SAMPLES, present
from tests.vm.till import PosdTill
from tests.vm.usb_device import UsbDevice

KEYBOARD_PORT = 4
WATCH_S = 12
KEYS_1234 = [2, 3, 4, 5, 28]
"""Key codes of 1, 2, 3, 4 and Enter."""
SCANS = 25
STORM = 40


@pytest.fixture(scope="module")
def keyboard(till: PosdTill) -> Iterator[tuple[UsbDevice, str]]:
    """The cashier's keyboard, and its node."""
    device = UsbDevice(till.machine.socket_of(f"usb{KEYBOARD_PORT}"), readers.CASHIERS_KEYBOARD)
    until(lambda: node_at(till, KEYBOARD_PORT), "the keyboard's node")
    yield device, node_at(till, KEYBOARD_PORT)
    device.unplug()


def node_at(till: PosdTill, port: int) -> str:
    return till.machine.sh(f"readlink -f /dev/input/by-path/*usb-0:{port}:1.0-event-kbd | grep 'event[0-9]'", ok=False)


def watch(till: PosdTill, node: str, *how: str) -> int:
    """Another program opens the node; returns once it has."""
    started = till.machine.begin("/usr/bin/python3", "/opt/vm/watch_events.py", node, str(WATCH_S), *how)
    until(lambda: till.machine.sh(f"ls -l /proc/{started}/fd | grep {node}", ok=False), "the other program to open it")
    return started


def seen(till: PosdTill, started: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(till.machine.finish(started).stdout)
    return found


def test_two_identical_scanners_are_told_apart_by_port(till: PosdTill) -> None:
    """Same ids, no serial number: only the port differs, and the address names it."""
    for name, port in (("left", 2), ("right", 3)):
        assert f"usb-0_{port}_" in till.addresses[name], till.addresses[name]


def test_two_identical_scanners_at_once_are_never_mixed(till: PosdTill) -> None:
    """A number of its own for each scan, each pair sent at the same moment."""
    heard = till.listen()
    for n in range(SCANS):
        till.send("left", f"LEFT00000000{n:03}L\n")
        till.send("right", f"RIGHT0000000{n:03}R\n")
        for name in ("left", "right"):
            heard.until_heard(n + 1, name)
    heard.until_quiet()
    for name, mark in (("left", "L"), ("right", "R")):
        assert [event.get("tail") for event in heard.of(name)] == [f"{n:03}{mark}" for n in range(SCANS)]


def test_a_storm_of_scans_gives_whole_numbers_or_none(till: PosdTill) -> None:
    """Sent faster than a till can take them: the kernel drops keys, and posd must not make numbers of what is left."""
    heard = till.listen()
    for n in range(STORM):
        till.send("left", f"LEFT00000000{n:03}L\n")
    heard.until_heard(1, "left")
    heard.until_quiet(3)
    numbers = [event["tail"] for event in heard.of("left", "card.read")]
    assert set(numbers) <= {f"{n:03}L" for n in range(STORM)}
    assert numbers == sorted(set(numbers))
    assert len(numbers) == STORM or {"partial"} == {event["reason"] for event in heard.of("left", "card.refused")}
    present(till, "left")


def test_nobody_else_hears_the_reader_and_everybody_hears_the_keyboard(
    till: PosdTill, keyboard: tuple[UsbDevice, str]
) -> None:
    """The wedge is grabbed; the cashier's keyboard is not: positive control and proof in one."""
    device, node = keyboard
    at_wedge, at_keyboard = watch(till, node_at(till, 2)), watch(till, node)
    heard = till.listen()
    till.send("left", "1234\n")
    device.send("1234\n")
    heard.until_heard(1, "left")
    assert seen(till, at_wedge)["presses"] == []
    assert seen(till, at_keyboard)["presses"] == KEYS_1234
    assert len([event for event in heard.heard if event["type"].startswith("card.")]) == 1


def test_the_desktop_ignores_the_reader_and_not_the_keyboard(till: PosdTill, keyboard: tuple[UsbDevice, str]) -> None:
    for name in ("swiper", "left", "right"):
        node = till.properties(till.addresses[name])
        assert node.get("LIBINPUT_IGNORE_DEVICE") == "1"
        assert "uaccess" not in node.get("CURRENT_TAGS", "")
    assert "LIBINPUT_IGNORE_DEVICE" not in till.properties(keyboard[1])


def test_when_the_kernel_drops_events_the_read_is_refused(till: PosdTill, keyboard: tuple[UsbDevice, str]) -> None:
    """Linux keeps some dozens of events for a program that does not fetch them, throws away 1,200 more and says
    SYN_DROPPED. A number that lost keys must never come out shorter."""
    device, node = keyboard
    asleep = watch(till, node, "asleep")
    device.send("9" * 200)
    found = seen(till, asleep)
    assert found["dropped"] >= 1, "the rig did not overflow the kernel's queue"
    assert len(found["presses"]) < 200

    heard = till.listen()
    till.machine.sh("systemctl kill --signal=STOP --kill-whom=main posd")
    till.send("left", "9" * 200 + "\n")
    till.machine.sh("sleep 3; systemctl kill --signal=CONT --kill-whom=main posd")
    heard.until_heard(1, "left")
    heard.until_quiet(2)
    assert not heard.of("left", "card.read"), heard.heard
    present(till, "left")


@pytest.mark.parametrize("name", ["left", "magtek"])
def test_what_comes_while_the_reader_is_opened_is_no_read(till: PosdTill, name: str) -> None:
    """usbhid throws away what comes in the first 50 ms after it was opened, so half a number may be left."""
    till.unplug(name)
    till.wait_state(name, "absent")
    heard = till.listen()
    till.plug(name, on_open=SAMPLES[name].text)
    till.wait_state(name, "ready")
    heard.until_quiet(2)
    assert not heard.of(name, "card.read"), heard.heard
    present(till, name)


def test_another_program_is_told_that_the_device_went(till: PosdTill) -> None:
    """The errno that posd has to understand, as this kernel says it."""
    watching = watch(till, node_at(till, 2))
    till.unplug("left")
    assert seen(till, watching)["ended"] == "ENODEV"
    till.plug("left")
    till.wait_state("left", "ready")
