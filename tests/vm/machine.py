"""One QEMU machine: on, off, USB devices, and commands run in it by the guest agent.

The disk is never written: what a run changes goes into a temporary overlay that QEMU throws away.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PORTS = range(1, 8)
"""USB ports with a socket: whoever connects to it is the device that is plugged in there (usbredir)."""
SERIAL_PORT, CHIP_PORT = 8, 9
"""USB ports of the devices that QEMU itself emulates: an FTDI serial scanner, a CCID chip reader."""

ACCELERATOR = os.environ.get("POSD_VM_ACCEL", "tcg,thread=multi")
KERNEL_ARGUMENTS = "root=/dev/vda rw console=ttyS0 quiet nokaslr mitigations=off"
BOOT_S, COMMAND_S = 300.0, 240.0


class MachineError(AssertionError):
    """The virtual machine, or a command in it, did not do what it should."""


class JsonLines:
    """JSON, one document per line, over a Unix socket: the language of QMP and of the guest agent."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._rest = b""

    def send(self, document: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(document).encode() + b"\n")

    def receive(self, timeout_s: float) -> dict[str, Any]:
        self._socket.settimeout(timeout_s)
        while b"\n" not in self._rest:
            part = self._socket.recv(65536)
            if not part:
                raise MachineError("QEMU closed its socket")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        document: dict[str, Any] = json.loads(line)
        return document

    def close(self) -> None:
        self._socket.close()


class Machine:
    """``image``: of `tests.vm.image.till_image`. ``folder``: short, because its sockets' names hold 107 bytes."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._links: list[JsonLines] = []

    def start(self) -> float:
        """Power on and wait for the guest agent. Returns the seconds that took."""
        began = time.monotonic()
        with (self.folder / "qemu.log").open("wb") as log:
            # It must not outlive the test run, however that ends.
            command = ["setpriv", "--pdeathsig", "KILL", *self._command()]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: (self.folder / "qmp.sock").exists() or self._is_off(), "QEMU's socket")
        self._qmp = self._link("qmp")
        self._qmp.receive(30)
        self.qmp("qmp_capabilities")
        self._agent = self._link("agent")
        until(self._agent_answers, "the guest agent", BOOT_S)
        return time.monotonic() - began

    def stop(self) -> None:
        """Off at once, as by pulling the mains plug."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for link in self._links:
            link.close()

    def qmp(self, execute: str, **arguments: Any) -> Any:
        self._qmp.send({"execute": execute, "arguments": arguments})
        while True:
            answer = self._qmp.receive(60)
            if "error" in answer:
                raise MachineError(f"{execute}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    # Commands in the guest

    def run(self, *command: str, ok: bool = True, timeout_s: float = COMMAND_S) -> subprocess.CompletedProcess[str]:
        """Run a program as root in the guest. With ``ok`` its exit status must be 0."""
        return self.finish(self.begin(*command), ok=ok, timeout_s=timeout_s)

    def sh(self, script: str, *, ok: bool = True, timeout_s: float = COMMAND_S) -> str:
        """Standard output of a shell script in the guest, without the last line end."""
        return self.run("/bin/sh", "-c", script, ok=ok, timeout_s=timeout_s).stdout.rstrip("\n")

    def begin(self, *command: str) -> int:
        """Start a program in the guest; give what it returns to `finish`."""
        asked = {"path": command[0], "arg": list(command[1:]), "capture-output": True}
        started: int = self._ask_agent("guest-exec", asked)["pid"]
        return started

    def finish(self, pid: int, *, ok: bool = True, timeout_s: float = COMMAND_S) -> subprocess.CompletedProcess[str]:
        status: dict[str, Any] = {}

        def has_ended() -> bool:
            status.update(self._ask_agent("guest-exec-status", {"pid": pid}))
            return bool(status["exited"])

        until(has_ended, "a command in the guest", timeout_s)
        out, err = (base64.b64decode(status.get(name, "")).decode() for name in ("out-data", "err-data"))
        done = subprocess.CompletedProcess([], status.get("exitcode", -1), out, err)
        if ok and done.returncode:
            raise MachineError(f"a command in the guest ended with {done.returncode}: {out}{err}")
        return done

    def write(self, path: str, text: str) -> None:
        """Write a file in the guest."""
        encoded = base64.b64encode(text.encode()).decode()
        self.sh(f"mkdir -p $(dirname {path}) && echo {encoded} | base64 -d > {path}")

    # Devices that QEMU emulates

    def plug_serial(self) -> None:
        self.qmp("device_add", driver="usb-serial", id="serial", bus="xhci.0", port=str(SERIAL_PORT),
                 chardev="serial", **{"always-plugged": True})  # fmt: skip

    def plug_chip_reader(self) -> None:
        self.qmp("device_add", driver="usb-ccid", id="chip", bus="xhci.0", port=str(CHIP_PORT))
        self.qmp("device_add", driver="ccid-card-passthru", id="slot", bus="chip.0", chardev="chip")

    def unplug(self, device: str) -> None:
        """``serial`` or ``chip``."""
        if device == "chip":
            self.qmp("device_del", id="slot")
        self.qmp("device_del", id=device)

    def send_serial(self, text: str) -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.socket_of("serial")))
            line.sendall(text.encode())
            time.sleep(0.3)  # QEMU drops what it has not read when we hang up

    def socket_of(self, name: str) -> Path:
        return self.folder / f"{name}.sock"

    # Inside

    def _command(self) -> list[str]:
        def channel(name: str) -> list[str]:
            return ["-chardev", f"socket,id={name},path={self.socket_of(name)},server=on,wait=off"]

        command = ["qemu-system-x86_64", "-accel", ACCELERATOR, "-M", "q35", "-cpu", "max", "-smp", "2", "-m", "512",
                   "-nodefaults", "-display", "none", "-no-reboot",
                   "-kernel", f"{self._image}/vmlinux", "-initrd", f"{self._image}/initrd.img",
                   "-append", KERNEL_ARGUMENTS, "-serial", f"file:{self.folder}/console.log",
                   "-drive", f"file={self._image}/disk.raw,format=raw,if=virtio,snapshot=on",
                   "-qmp", f"unix:{self.socket_of('qmp')},server=on,wait=off",
                   *channel("agent"), "-device", "virtio-serial-pci",
                   "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
                   "-device", "virtio-rng-pci", "-device", "qemu-xhci,id=xhci,p2=10,p3=10",
                   *channel("serial"), *channel("chip")]  # fmt: skip
        for port in PORTS:
            device = f"usb-redir,id=usb{port},chardev=usb{port},bus=xhci.0,port={port}"
            command += [*channel(f"usb{port}"), "-device", device]
        return command

    def _link(self, name: str) -> JsonLines:
        self._links.append(JsonLines(self.socket_of(name)))
        return self._links[-1]

    def _is_off(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _agent_answers(self) -> bool:
        """Answers to older questions, asked while the guest was booting, may come first."""
        if self._is_off():
            raise MachineError(f"QEMU ended: {(self.folder / 'qemu.log').read_text()}")
        mark = time.monotonic_ns() & 0x7FFFFFFF
        self._agent.send({"execute": "guest-sync", "arguments": {"id": mark}})
        try:
            while self._agent.receive(2).get("return") != mark:
                pass
        except TimeoutError:
            return False
        return True

    def _ask_agent(self, execute: str, arguments: dict[str, Any]) -> Any:
        self._agent.send({"execute": execute, "arguments": arguments})
        answer = self._agent.receive(120)
        if "error" in answer:
            raise MachineError(f"{execute}: {answer['error']['desc']}")
        return answer["return"]


def until(holds: Callable[[], object], what: str, timeout_s: float = 60.0) -> None:
    """Wait until ``holds()`` is true. Raises `MachineError` that names ``what``."""
    end = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > end:
            raise MachineError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.05)
