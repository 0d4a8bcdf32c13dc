"""A till on a virtual machine: posd as its package would install it, and every family of readers in reach."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.vm import readers
from tests.vm.chip_slot import ChipSlot
from tests.vm.machine import CHIP_PORT, SERIAL_PORT, Machine, MachineError, until
from tests.vm.usb_device import Model, UsbDevice

POSD = "/opt/posd/bin/posd"
SOCKET = "/run/posd/posd.sock"
CONFIG = "/etc/posd/conf.d/readers.toml"
PATIENCE_S = 60.0
LOCAL_RULES = 'SUBSYSTEM=="tty", ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6001", ENV{POSD_ROLE}="scanner"\n'
"""FTDI's id says nothing of what hangs on the line, so a shop gives its scanner to posd by a rule of its own."""


@dataclass(frozen=True)
class Seat:
    """One reader of the till and the USB port that it is plugged into. ``settings``: further lines of its table."""

    driver: str
    port: int
    model: Model | None = None
    settings: str = ""
    serial: str = ""


class PosdTill:
    """``seats``: the readers that are assigned, by id."""

    def __init__(self, image: Path, folder: Path, seats: Mapping[str, Seat]) -> None:
        self.machine = Machine(image, folder)
        self.seats = seats
        self.timings: dict[str, float] = {}
        self.addresses: dict[str, str] = {}
        """As `posd readers` gave them."""
        self._plugged: dict[str, UsbDevice] = {}
        self.slot: ChipSlot | None = None

    # A new shop

    def open_shop(self) -> None:
        """Boot, found a club, link the till, plug everything in, assign what `posd readers` finds, start posd."""
        self.timings["boot"] = self.machine.start()
        began = time.monotonic()
        self.machine.sh(f"""
            install -d -o posd-club -g posd-club -m 700 /var/lib/posd-club
            install -d -o posd -g posd -m 700 /var/lib/posd
            club='runuser -u posd-club -- {POSD} --state-dir /var/lib/posd-club club'
            set -e
            $club init --name Club --language en
            systemctl start posd-club
            code=$($club invite --json | sed -n 's/.*"invitation": "\\(.*\\)".*/\\1/p')
            runuser -u posd -- {POSD} --state-dir /var/lib/posd enrol http://127.0.0.1:2582 $code""")
        self.timings["club founded, till linked"] = time.monotonic() - began
        self.machine.write("/etc/udev/rules.d/69-posd-local.rules", LOCAL_RULES)
        self.machine.sh("udevadm control --reload")
        for name in self.seats:
            self.plug(name)
        self.assign()

    def close(self) -> None:
        for device in self._plugged.values():
            device.unplug()
        if self.slot is not None:
            self.slot.close()
        self.machine.stop()

    def assign(self) -> None:
        """What the technician does: look with `posd readers`, write the tables, start posd."""
        until(self._are_all_shown, f"posd readers to show {', '.join(self.seats)}", 120)
        self.machine.write(CONFIG, "\n".join(self._table(name, seat) for name, seat in self.seats.items()))
        self.machine.sh("systemctl restart posd")
        for name in self.seats:
            self.wait_state(name, "ready")

    def shown(self) -> list[dict[str, Any]]:
        devices: list[dict[str, Any]] = json.loads(self.posd("readers", "--json"))["devices"]
        return devices

    def _are_all_shown(self) -> bool:
        shown = {(item["driver"], item["port"]): item["address"] for item in self.shown()}
        for name, seat in self.seats.items():
            port = "" if seat.driver == "pcsc" else f"1-{seat.port}"  # pcscd does not say where its readers are
            if address := shown.get((seat.driver, port)):
                self.addresses[name] = address
        return self.addresses.keys() == self.seats.keys()

    def _table(self, name: str, seat: Seat) -> str:
        address = json.dumps(self.addresses[name])
        return f'[[reader]]\nid = "{name}"\ndriver = "{seat.driver}"\naddress = {address}\n{seat.settings}\n'

    # Plugs

    def plug(self, name: str, *, on_open: str = "") -> None:
        seat = self.seats[name]
        if seat.model is not None:
            device = UsbDevice(self.machine.socket_of(f"usb{seat.port}"), seat.model, seat.serial)
            device.on_open = on_open
            self._plugged[name] = device
        elif seat.driver == "pcsc":
            self.machine.plug_chip_reader()
            self.slot = ChipSlot(self.machine.socket_of("chip"))
        else:
            self.machine.plug_serial()

    def unplug(self, name: str) -> None:
        if name in self._plugged:
            self._plugged.pop(name).unplug()
        elif self.slot is not None and self.seats[name].driver == "pcsc":
            self.slot.close()
            self.slot = None
            self.machine.unplug("chip")
        else:
            self.machine.unplug("serial")

    def send(self, name: str, text: str) -> None:
        """Swipe or scan."""
        if name in self._plugged:
            self._plugged[name].send(text)
        else:
            self.machine.send_serial(text)

    # What posd says

    def posd(self, *arguments: str, ok: bool = True) -> str:
        return self.machine.run(POSD, "--state-dir", "/var/lib/posd", *arguments, ok=ok).stdout

    def get(self, path: str) -> Any:
        return json.loads(self.machine.sh(f"curl -sS --max-time 100 --unix-socket {SOCKET} 'http://localhost{path}'"))

    def states(self) -> dict[str, str]:
        return {reader["id"]: reader["state"] for reader in self.get("/v1/readers")["readers"]}

    def wait_state(self, name: str, state: str) -> None:
        until(lambda: self.states().get(name) == state, f"{name} to be {state}", PATIENCE_S)

    def listen(self) -> Listener:
        return Listener(self)

    def main_pid(self) -> str:
        return self.machine.sh("systemctl show -P MainPID posd")

    def properties(self, node: str) -> dict[str, str]:
        """udev's properties of a device node."""
        text = self.machine.sh(f"udevadm info -q property {node}")
        return dict(line.split("=", 1) for line in text.splitlines())


class Listener:
    """A register that asks `/v1/events` in a loop, from its making on."""

    def __init__(self, till: PosdTill) -> None:
        self._till = till
        self._next: str = till.get("/v1/events?wait=0")["next"]
        self.heard: list[dict[str, Any]] = []

    def until_heard(self, count: int, reader: str, kind: str = "card.", timeout_s: float = PATIENCE_S) -> list[Any]:
        """The first ``count`` events of ``reader`` whose type begins with ``kind``. Raises `MachineError`."""
        end = time.monotonic() + timeout_s
        while len(found := self.of(reader, kind)) < count:
            if time.monotonic() > end:
                raise MachineError(f"{reader}: {len(found)} of {count} {kind}* events came; heard: {self.heard}")
            self.poll(5)
        return found[:count]

    def of(self, reader: str, kind: str = "card.") -> list[dict[str, Any]]:
        return [event for event in self.heard if event["reader"] == reader and event["type"].startswith(kind)]

    def until_quiet(self, seconds: int = 1) -> None:
        """Listen until nothing happened for so long."""
        while self.poll(seconds):
            pass

    def poll(self, wait_s: int) -> int:
        """Wait for what happens next, and say how much it was."""
        answer = self._till.get(f"/v1/events?since={self._next}&wait={wait_s}")
        self._next = answer["next"]
        self.heard += [{"type": e["type"], "reader": "", **e["data"]} for e in answer["events"] if e["type"] != "view"]
        return len(answer["events"])


PATIENT = "key_gap_ms = 500\nswipe_end_ms = 600\n"
"""An emulated machine stands still for a tenth of a second now and then, which to a wedge is the end of a read."""
SEATS = {
    "swiper": Seat("hid_keyboard", 1, readers.SWIPER, PATIENT + 'device_class = "msr"', serial="K1"),
    "left": Seat("hid_keyboard", 2, readers.SCANNER, PATIENT),
    "right": Seat("hid_keyboard", 3, readers.SCANNER, PATIENT),
    "cdc": Seat("serial_line", 5, readers.CDC_SCANNER, serial="C1"),
    "magtek": Seat("hid_report", 6, readers.MAGTEK_HID, 'device_class = "msr"', serial="H1"),
    "pos": Seat("hid_report", 7, readers.POS_SCANNER, 'device_class = "scanner"'),
    "ftdi": Seat("serial_line", SERIAL_PORT),
    "chips": Seat("pcsc", CHIP_PORT),
}
