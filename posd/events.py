"""What can happen at a till's edges. Drivers put these into the till's inbox and know nothing else of posd."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from posd.clock import Instant


class DeviceClass(StrEnum):
    """UnifiedPOS device categories."""

    MSR = "msr"
    SCANNER = "scanner"
    SMARTCARD = "smartcard"


class DeviceState(StrEnum):
    """What the supervisor knows of a device."""

    ABSENT = "absent"
    OPENING = "opening"
    READY = "ready"
    LOST = "lost"
    WAITING = "waiting"
    FAULT = "fault"
    """Needs a person: denied, busy, broken plug-in. ``detail`` says what to do."""


@dataclass(frozen=True, slots=True)
class RawRead:
    """All that a driver may say: these bytes came from this device at this time.

    ``payload``: for MSR and SCANNER the text as UTF-8, as the device sent it (sentinels and AIM prefix kept; line ends
    between tracks as CR); for SMARTCARD the TLV form of `posd.cards.chip.ChipContents`. Its repr never shows a digit.
    ``flaw`` is set by the driver when bytes were lost or a swipe did not close, written by `posd.cards.reads.flaw`;
    then ``payload`` is empty.
    """

    device: str
    device_class: DeviceClass
    payload: bytes
    read_at: Instant
    flaw: str | None = None

    def __repr__(self) -> str:
        return f"RawRead({self.device!r}, {self.device_class.value}, <{len(self.payload)} bytes>, flaw={self.flaw!r})"


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """UnifiedPOS StatusUpdateEvent: a device changed its state. ``detail`` is for the technician, one line, no digits
    of any card; ``name`` is what people call the device."""

    device: str
    device_class: DeviceClass
    state: DeviceState
    at: Instant
    detail: str = ""
    name: str = ""
