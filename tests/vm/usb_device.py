"""USB readers made in Python and plugged into the virtual till by usbredir: the guest's own USB and HID drivers find a
device with our ids, descriptors and reports, and make the nodes that posd opens.

The wire is that of `usbredirproto.h` (usbredir 0.12) with 64-bit packet ids and 32-bit bulk lengths, as QEMU's xHCI
insists; descriptors are those of USB 2.0 chapter 9, HID 1.11 and CDC 1.2.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HELLO, CONNECT, DISCONNECT = 0, 1, 2
INTERFACES, ENDPOINTS = 4, 5
SET_CONFIGURATION, GET_CONFIGURATION, CONFIGURATION_STATUS, SET_ALT, GET_ALT, ALT_STATUS = 6, 7, 8, 9, 10, 11
START_INTERRUPTS, STOP_INTERRUPTS, INTERRUPT_STATUS = 15, 16, 17
CANCEL = 21
CONTROL, BULK, INTERRUPT = 100, 101, 103
OK, CANCELLED, STALL = 0, 1, 4
CAPABILITIES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6
"""Device version in CONNECT, packet sizes in ENDPOINTS, 64-bit ids, 32-bit bulk lengths."""

NO_ENDPOINT, CONTROL_ENDPOINT, BULK_ENDPOINT, INTERRUPT_ENDPOINT = 255, 0, 2, 3
HID_CLASS, CDC_CLASS, CDC_DATA_CLASS = 3, 2, 10
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Interface:
    """``extra``: class-specific descriptors. ``endpoints``: (address, kind, packet size)."""

    interface_class: int
    subclass: int
    protocol: int
    endpoints: tuple[tuple[int, int, int], ...]
    extra: bytes = b""

    def descriptor(self, number: int) -> bytes:
        head = struct.pack("<9B", 9, 4, number, 0, len(self.endpoints), self.interface_class, self.subclass,
                           self.protocol, 0)  # fmt: skip
        ends = (struct.pack("<BBBBHB", 7, 5, address, kind, size, 1) for address, kind, size in self.endpoints)
        return head + self.extra + b"".join(ends)


@dataclass(frozen=True)
class Model:
    """A kind of reader. ``report_descriptor`` for HID; ``reports`` turns a text into what the reader sends."""

    name: str
    vendor: int
    product: int
    interfaces: tuple[Interface, ...]
    reports: Callable[[str], Iterable[bytes]]
    report_descriptor: bytes = b""


class UsbDevice:
    """A reader, plugged in from its making until `unplug`. Without a ``serial`` it has none, as most scanners."""

    def __init__(self, path: Path, model: Model, serial: str = "") -> None:
        self._model = model
        self._strings = ("", "posd", model.name, serial)
        self._configuration = 0
        self._packet = 0
        self._asked: deque[tuple[int, bytes]] = deque()
        self._unsent: deque[bytes] = deque()
        self._lock = threading.RLock()
        self.opened = threading.Event()
        """The guest polls the device: for HID, some program or the text console has it open."""
        self.on_open: str = ""
        """Sent in the moment when the guest begins to poll."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        hello = b"posd".ljust(64, b"\0") + struct.pack("<I", CAPABILITIES)
        self._socket.sendall(struct.pack("<III", HELLO, len(hello), 0) + hello)
        self._thread = threading.Thread(target=self._serve, name="usb device")
        self._thread.start()

    def send(self, text: str) -> None:
        """One swipe or scan. Waits until the guest listens; usbhid throws away what comes in the 50 ms after."""
        if not self.opened.is_set():
            assert self.opened.wait(PATIENCE_S), f"nobody in the guest opens {self._model.name}"
            time.sleep(0.5)
        self._put(text)

    def unplug(self) -> None:
        with suppress(OSError):
            self._send(DISCONNECT)
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _put(self, text: str) -> None:
        with self._lock:
            for report in self._model.reports(text):
                if self._bulk_in:
                    self._unsent.append(report)
                else:
                    self._packet += 1
                    self._send(INTERRUPT, struct.pack("<BBH", 0x81, OK, len(report)) + report, self._packet)
            self._answer_bulk()

    @property
    def _bulk_in(self) -> int:
        return next((a for i in self._model.interfaces for a, kind, _ in i.endpoints if kind == 2 and a & 0x80), 0)

    # The wire

    def _send(self, kind: int, body: bytes = b"", ident: int = 0) -> None:
        with self._lock:
            self._socket.sendall(struct.pack("<IIQ", kind, len(body), ident) + body)

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
            _, size, _ = struct.unpack("<III", self._receive(12))  # the only packet with a short id
            self._receive(size)
            self._announce()
            while True:
                kind, size, ident = struct.unpack("<IIQ", self._receive(16))
                self._handle(kind, self._receive(size), ident)

    def _announce(self) -> None:
        interfaces = self._model.interfaces
        columns = zip(*((i.interface_class, i.subclass, i.protocol) for i in interfaces), strict=True)
        classes = b"".join(bytes(column).ljust(32, b"\0") for column in columns)
        numbers = bytes(range(len(interfaces))).ljust(32, b"\0")
        self._send(INTERFACES, struct.pack("<I", len(interfaces)) + numbers + classes)
        kinds, owners, sizes = bytearray([NO_ENDPOINT] * 32), bytearray(32), [0] * 32
        kinds[0] = kinds[16] = CONTROL_ENDPOINT  # 0 to 15 are OUT, 16 to 31 are IN
        sizes[0] = sizes[16] = 64
        for number, interface in enumerate(interfaces):
            for address, kind, size in interface.endpoints:
                place = (address & 0x80) >> 3 | address & 0x0F
                kinds[place], owners[place], sizes[place] = kind, number, size
        self._send(ENDPOINTS, bytes(kinds) + bytes([1] * 32) + bytes(owners) + struct.pack("<32H", *sizes))
        full_speed = 1
        self._send(CONNECT, struct.pack("<4BHHH", full_speed, 0, 0, 0, self._model.vendor, self._model.product, 0x100))

    def _handle(self, kind: int, body: bytes, ident: int) -> None:
        match kind:
            case _ if kind == CONTROL:
                self._answer_control(body, ident)
            case _ if kind == BULK:
                self._take_bulk(body, ident)
            case _ if kind in (SET_CONFIGURATION, GET_CONFIGURATION):
                self._configuration = body[0] if kind == SET_CONFIGURATION else self._configuration
                self._send(CONFIGURATION_STATUS, bytes([OK, self._configuration]), ident)
            case _ if kind in (SET_ALT, GET_ALT):
                self._send(ALT_STATUS, bytes([OK, body[0], 0]), ident)
            case _ if kind == START_INTERRUPTS:
                self._send(INTERRUPT_STATUS, bytes([OK, body[0]]), ident)
                self._opened()
            case _ if kind == STOP_INTERRUPTS:
                self._send(INTERRUPT_STATUS, bytes([OK, body[0]]), ident)
                self.opened.clear()
            case _ if kind == CANCEL:
                self._cancel(ident)

    def _opened(self) -> None:
        if self.on_open:
            self._put(self.on_open)
        self.opened.set()

    def _take_bulk(self, body: bytes, ident: int) -> None:
        with self._lock:
            if body[0] & 0x80:
                self._asked.append((ident, body[:8]))
                self._answer_bulk()
            else:
                self._send(BULK, body[:8], ident)  # written to us: taken and forgotten

    def _answer_bulk(self) -> None:
        while self._asked and self._unsent:
            (ident, head), data = self._asked.popleft(), self._unsent.popleft()
            endpoint, _, _, stream, _ = struct.unpack("<BBHIH", head.ljust(10, b"\0"))
            answer = struct.pack("<BBHIH", endpoint, OK, len(data) & 0xFFFF, stream, len(data) >> 16)
            self._send(BULK, answer + data, ident)

    def _cancel(self, ident: int) -> None:
        with self._lock:
            for asked in [asked for asked in self._asked if asked[0] == ident]:
                self._asked.remove(asked)

    # USB descriptors and requests

    def _answer_control(self, body: bytes, ident: int) -> None:
        endpoint, request, kind, _, value, index, length = struct.unpack_from("<4BHHH", body)
        data: bytes | None = b""
        if request == 6 and kind & 0x80:
            data = self._descriptor(value >> 8, value & 0xFF)
        elif kind & 0x80:  # status; for HID: report, idle rate, protocol
            data = bytes(length)
        status = STALL if data is None else OK
        data = (data or b"")[:length]
        told = len(data) if kind & 0x80 else length
        head = struct.pack("<4BHHH", endpoint, request, kind, status, value, index, told)
        self._send(CONTROL, head + data, ident)

    def _descriptor(self, kind: int, index: int) -> bytes | None:
        model = self._model
        if kind == 1:
            serial = 3 if self._strings[3] else 0
            ids = (model.vendor, model.product, 0x100)
            return struct.pack("<BBH4B3H4B", 18, 1, 0x200, 0, 0, 0, 64, *ids, 1, 2, serial, 1)
        if kind == 2:
            rest = b"".join(interface.descriptor(number) for number, interface in enumerate(model.interfaces))
            return struct.pack("<BBHBBBBB", 9, 2, 9 + len(rest), len(model.interfaces), 1, 0, 0x80, 50) + rest
        if kind == 3 and index < len(self._strings):
            text = self._strings[index].encode("utf-16-le") if index else b"\x09\x04"
            return bytes([2 + len(text), 3]) + text
        return model.report_descriptor if kind == 0x22 and model.report_descriptor else None
