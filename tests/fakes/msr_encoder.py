"""An MSR605 by its programmer's manual, revision B: what it says to each command, and whether it waits for a card."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar

RESET, READ_ISO = b"\x1ba", b"\x1br"
HARMFUL = frozenset(b"\x1b" + bytes([letter]) for letter in b"wncxybzo")
"""Write, write raw, erase; and the settings: coercivity, density, leading zeros, bits per character."""


def answer(*tracks: bytes, status: bytes = b"0") -> bytes:
    """The answer to READ: up to three tracks with their sentinels, in the manual's form."""
    block = b"".join(b"\x1b" + bytes([number]) + track for number, track in enumerate(tracks, start=1))
    return b"\x1bs" + block + b"?\x1c\x1b" + status


class FakeEncoder:
    """Answers commands. ``heard``: all of them, in order. Everything that any encoder heard is in ``everything``."""

    everything: ClassVar[set[bytes]] = set()

    def __init__(self, *, ram: bytes = b"0", model: bytes = b"3", firmware: bytes = b"REVT3.12") -> None:
        self._says = {b"\x1be": b"\x1by", b"\x1bt": b"\x1b" + model + b"S", b"\x1bv": b"\x1b" + firmware}
        self._says[b"\x1b\x87"] = b"\x1b" + ram if ram else b""
        self.heard: list[bytes] = []
        self.armed = threading.Event()
        """Set while it waits for a card."""
        self.on = True
        self._half = b""

    def hear(self, data: bytes) -> bytes:
        """What it says to ``data``. Each command has two bytes; what a harmful one brings with it looks like more."""
        self._half += data
        said = b""
        while len(self._half) >= 2:
            command, self._half = self._half[:2], self._half[2:]
            said += self._obey(command)
        return said if self.on else b""

    def _obey(self, command: bytes) -> bytes:
        self.heard.append(command)
        self.everything.add(command)
        if command == RESET:
            self.armed.clear()
        if command == READ_ISO and self.on:
            self.armed.set()
        return self._says.get(command, b"")


class Attendant:
    """The thread in which a fake encoder lives. ``receive`` gives what the driver sent, or nothing for now."""

    def __init__(self, encoder: FakeEncoder, receive: Callable[[], bytes], send: Callable[[bytes], None]) -> None:
        self._encoder, self._receive, self._send = encoder, receive, send
        self.lock = threading.Lock()
        """Held while the cable is in use; take it to pull the plug."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="encoder")
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.001):
            with self.lock:
                if said := self._encoder.hear(self._receive()):
                    self._send(said)
