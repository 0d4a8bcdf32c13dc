"""Cards in Python, and the slot of a virtual reader to put them in (vpcd's protocol: 2 bytes of length, then so many).

A message of one byte is the reader's: 0 power off, 1 power on, 2 reset, 4 send the ATR. All others are commands.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from tests.fakes.apdu_watch import WATCHER

Card = Callable[[bytes], bytes]
"""A command in, an answer with its status word out."""

_SEND_ATR = 4


class Slot:
    """One slot of a virtual reader. A connection is a card lying in it."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.commands: list[bytes] = []

    def insert(self, atr: bytes, card: Card, *, vanish_at: int | None = None) -> None:
        """Put a card in. ``vanish_at``: it is pulled instead of answering its n-th command."""
        assert self._socket is None, "there is a card in the slot"
        self.commands = []
        self._socket = self._connect()
        self._thread = threading.Thread(target=self._serve, args=(self._socket, atr, card, vanish_at), name="card")
        self._thread.start()

    def remove(self) -> None:
        channel, self._socket = self._socket, None
        if channel is not None and self._thread is not None:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
            self._thread.join(5)
            channel.close()

    def _connect(self) -> socket.socket:
        end = time.monotonic() + 5
        while True:
            try:
                channel = socket.create_connection(self._address, timeout=1)
            except OSError:  # pcscd is still starting
                assert time.monotonic() < end, "the virtual reader does not listen"
                time.sleep(0.01)
            else:
                channel.settimeout(None)
                return channel

    def _serve(self, channel: socket.socket, atr: bytes, card: Card, vanish_at: int | None) -> None:
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._answer(channel, atr, card, vanish_at)
        finally:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)

    def _answer(self, channel: socket.socket, atr: bytes, card: Card, vanish_at: int | None) -> None:
        with suppress(OSError, EOFError):
            while True:
                (length,) = struct.unpack(">H", _exactly(channel, 2))
                message = _exactly(channel, length)
                if length > 1:
                    WATCHER.saw(message)
                    self.commands.append(message)
                    if vanish_at is not None and len(self.commands) > vanish_at:
                        return
                    answer = card(message)
                elif message[0] == _SEND_ATR:
                    answer = atr
                else:
                    continue
                channel.sendall(struct.pack(">H", len(answer)) + answer)


def _exactly(channel: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        # vpcd writes length and body apart; without this each command costs 40 ms of delayed acknowledgement.
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        part = channel.recv(length - len(data))
        if not part:
            raise EOFError
        data += part
    return data
