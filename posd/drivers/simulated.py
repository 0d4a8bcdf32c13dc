"""Readers without hardware: a swipe, a scan or a tap goes in as text and takes a real one's way from there.

Swipes and scans become key strokes and pass the assembler of `posd.cards.wedge`; a tap becomes a card in Python that is
asked by the card script. Only the cable is missing.

    feed("simulated-swipe", ";9800000000012345?")
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from queue import SimpleQueue

from posd.cards.chip import encode_chip
from posd.cards.keymap import Stroke, strokes
from posd.cards.scripts.conversation import read_card
from posd.cards.scripts.dialogue import run
from posd.cards.wedge import WedgeAssembler, WedgeRead
from posd.clock import Clock
from posd.drivers.base import Candidate, DriverSpec, Health, HealthLevel
from posd.drivers.read_only import read_only
from posd.drivers.simulated_card import SimulatedCard, card_from_text
from posd.errors import DeviceLost, ReadCancelled
from posd.events import DeviceClass, RawRead

KEY_PACE_NS = 1_000_000
LONG_SILENCE_NS = 10_000_000_000


class Kind(StrEnum):
    """What the reader does with a card."""

    SWIPE = "swipe"
    SCAN = "scan"
    TAP = "tap"


_CLASSES = {Kind.SWIPE: DeviceClass.MSR, Kind.SCAN: DeviceClass.SCANNER, Kind.TAP: DeviceClass.SMARTCARD}


@dataclass(frozen=True, slots=True)
class SimulatedConfig:
    """``[[reader]]`` with ``driver = "simulated"``."""

    kind: Kind

    @property
    def device_class(self) -> DeviceClass:
        return _CLASSES[self.kind]


class _Unplugged:
    """Stands in the queue where the cable was pulled."""


_Presented = list[Stroke] | SimulatedCard | _Unplugged | None
"""None: reading was cancelled."""

_lock = threading.Lock()
_open_readers: dict[str, list[SimulatedReader]] = {}
_unplugged: set[str] = set()


class SimulatedReader:
    """An open simulated reader, fed by `feed`."""

    def __init__(self, device: str, config: SimulatedConfig, clock: Clock) -> None:
        self._device, self.config, self._clock = device, config, clock
        self._presented: SimpleQueue[_Presented] = SimpleQueue()
        self._reads: deque[RawRead] = deque()
        with _lock:
            if device in _unplugged:
                raise DeviceLost(f"simulated reader {device} is unplugged; plug it in again")
            _open_readers.setdefault(device, []).append(self)

    def read(self) -> RawRead:
        while not self._reads:
            self._take(self._presented.get())
        return self._reads.popleft()

    def cancel(self) -> None:
        self.present(None)

    def close(self) -> None:
        with _lock:
            still_open = _open_readers.get(self._device, [])
            if self in still_open:
                still_open.remove(self)

    def present(self, what: _Presented) -> None:
        self._presented.put(what)

    def _take(self, what: _Presented) -> None:
        match what:
            case None:
                self.present(None)  # cancelled for ever
                raise ReadCancelled("reading was stopped")
            case _Unplugged():
                raise DeviceLost(f"simulated reader {self._device} was unplugged; plug it in again")
            case SimulatedCard():
                self._reads.append(self._tapped(what))
            case _:
                self._reads += self._typed(what)

    def _typed(self, keys: list[Stroke]) -> list[RawRead]:
        assembler, time_ns = WedgeAssembler(), self._clock.now().mono_ns
        closed: list[WedgeRead] = []
        for code, value in keys:
            time_ns += KEY_PACE_NS
            closed += assembler.feed(code, value, time_ns)
        closed += assembler.expire(time_ns + LONG_SILENCE_NS)
        return [self._raw_read(read.text.encode(), read.flaw) for read in closed]

    def _tapped(self, card: SimulatedCard) -> RawRead:
        contents = run(read_card(card.atr), lambda command: card(read_only(command)))
        return self._raw_read(encode_chip(contents))

    def _raw_read(self, payload: bytes, flaw: str | None = None) -> RawRead:
        return RawRead(self._device, self.config.device_class, payload, self._clock.now(), flaw)


def feed(reader_id: str, data: str) -> None:
    """Present ``data`` to an open reader; any thread. Swipe: tracks with sentinels. Scan: the code. Tap: see
    `posd.drivers.simulated_card.card_from_text`.

    Raises LookupError when no such reader is open, ValueError when ``data`` cannot be presented.
    """
    reader = _newest(reader_id)
    if reader.config.kind is Kind.TAP:
        reader.present(card_from_text(data))
        return
    if not data.strip():
        raise ValueError("nothing to present; give the tracks or the code")
    reader.present(strokes(data.rstrip("\r\n") + "\r"))


def unplug(reader_id: str) -> None:
    """Pull the cable of a simulated reader, until `plug`."""
    with _lock:
        _unplugged.add(reader_id)
        readers = list(_open_readers.get(reader_id, []))
    for reader in readers:
        reader.present(_Unplugged())


def plug(reader_id: str) -> None:
    """The reader can be opened again."""
    with _lock:
        _unplugged.discard(reader_id)


def _newest(reader_id: str) -> SimulatedReader:
    with _lock:
        readers = _open_readers.get(reader_id)
        if not readers:
            raise LookupError(f"no simulated reader {reader_id!r} is open; see: posd readers")
        return readers[-1]


def _probe() -> list[Candidate]:
    """Nothing: a simulated reader is made by configuring it, not found."""
    return []


def _check_health(device: str, config: SimulatedConfig, level: HealthLevel) -> list[Health]:
    del level  # there is nothing to touch, and the card comes by `posd simulate`
    return [Health(True, "present", f"{device} waits for: posd simulate {config.kind}")]


SPEC = DriverSpec(
    name="simulated",
    device_class=DeviceClass.SCANNER,
    config_type=SimulatedConfig,
    probe=_probe,
    open=SimulatedReader,
    check_health=_check_health,
    present=lambda _config: True,
    repeat_ms=0,  # what is presented twice was meant twice
)
