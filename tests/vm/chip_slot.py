"""Cards for the virtual till's CCID reader, answered from here over QEMU's card passthrough (the VSC protocol of
libcacard's ``vscard_common.h``)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

INIT, ERROR, READER_ADD, READER_REMOVE, ATR, CARD_REMOVE, APDU, FLUSH, FLUSH_DONE = range(1, 10)
PATIENCE_S = 30.0

Card = Callable[[bytes], bytes]
"""A command in, an answer with its status word out."""


class ChipSlot:
    """The slot of a plugged-in reader, until `close`."""

    def __init__(self, path: Path) -> None:
        self._card: Card | None = None
        self._accepted = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._thread = threading.Thread(target=self._serve, name="chip slot")
        self._thread.start()
        self._send(INIT, b"VSCD" + struct.pack(">II", 2, 0))  # protocol 0.0.2, no capabilities
        self._send(READER_ADD, b"slot\0")
        assert self._accepted.wait(PATIENCE_S), "QEMU does not take the slot; is the reader plugged in?"

    def insert(self, atr: bytes, card: Card) -> None:
        self._card = card
        self._send(ATR, atr)

    def remove(self) -> None:
        self._send(CARD_REMOVE)

    def close(self) -> None:
        with suppress(OSError):
            self._send(READER_REMOVE)
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _send(self, kind: int, data: bytes = b"") -> None:
        self._socket.sendall(struct.pack(">III", kind, 0, len(data)) + data)

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _serve(self) -> None:
        with suppress(OSError, EOFError):
            while True:
                kind, _, size = struct.unpack(">III", self._receive(12))
                data = self._receive(size)
                if kind == ERROR:  # with code 0, which says that the reader was accepted
                    self._accepted.set()
                elif kind == APDU and self._card is not None:
                    self._send(APDU, self._card(data))
                elif kind == FLUSH:
                    self._send(FLUSH_DONE)
