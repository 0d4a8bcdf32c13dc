"""What readers read, as text: one line per read, made for bug reports, tests and the TRAFFIC log.

::

    # posd transcript 1
    +0.000 desk msr text ";9000000000001012=2512?"
    +1.250 desk msr flaw "partial: the swipe ended without end sentinel"
    +4.031 door smartcard chip {"atr": "3b80800101", "uid": "04000000000001", "contents": {"loyalty": "7019..."}}
    +9.700 door smartcard lost

Seconds since the recording began, reader, device class, what happened, its value as JSON. No line ever holds a number
of a card: digits are replaced by others that check the same way, names by X, UIDs by counters. Of what a chip holds,
only contents whose form is known are shown at all, masked; anything else becomes zero bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from posd.cards.card_masks import CardMasks
from posd.cards.chip import ChipContents, decode_chip, encode_chip
from posd.cards.decode import is_payment_card
from posd.cards.reads import RejectReason
from posd.clock import Instant
from posd.errors import ConfigError
from posd.events import DeviceClass, RawRead

HEADER = "# posd transcript 1"
TRAFFIC = 5
"""Logging level below DEBUG at which readers log these lines."""

_LINE = re.compile(r"\+(\d+)\.(\d{3}) (\S+) (msr|scanner|smartcard) (text|flaw|chip|lost)(?: (.+))?")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line. ``kind``: text, flaw, chip or lost. ``payload`` and ``flaw`` as in `RawRead`."""

    at_ms: int
    reader: str
    device_class: DeviceClass
    kind: str
    payload: bytes = b""
    flaw: str | None = None

    def as_read(self, device: str, read_at: Instant) -> RawRead:
        return RawRead(device, self.device_class, self.payload, read_at, self.flaw)


class Transcript:
    """Writes the lines of one recording. ``keep``: the club's own prefixes, which stay. The same card becomes the same
    fake in every line."""

    def __init__(self, began: Instant, keep: tuple[str, ...] = ()) -> None:
        self._began = began
        self._keep = keep
        self._masks = CardMasks(keep)

    def read(self, read: RawRead) -> str:
        """The line of one read, masked; of a payment card only that it was one."""
        if read.flaw is None and is_payment_card(read, self._keep):
            read = _as_refused(read)
        if read.flaw is not None:
            return self._line(read.read_at, read.device, read.device_class, "flaw", self._masks.digits(read.flaw))
        if read.device_class is DeviceClass.SMARTCARD:
            return self._chip(read)
        masked = self._masks.text(read.payload.decode("utf-8", "replace"))
        return self._line(read.read_at, read.device, read.device_class, "text", masked)

    def _chip(self, read: RawRead) -> str:
        try:
            masked = self._masks.chip(decode_chip(read.payload))
        except ValueError:  # a stranger's driver
            return self._line(read.read_at, read.device, read.device_class, "flaw", RejectReason.UNREADABLE)
        return self._line(read.read_at, read.device, read.device_class, "chip", _chip_as_json(masked))

    def lost(self, reader: str, device_class: DeviceClass, at: Instant) -> str:
        """The line of a device that went away."""
        return self._line(at, reader, device_class, "lost")

    def _line(self, at: Instant, reader: str, device_class: DeviceClass, kind: str, value: object = None) -> str:
        seconds, ms = divmod(max(0, at.mono_ns - self._began.mono_ns) // 1_000_000, 1000)
        shown = "" if value is None else " " + json.dumps(value)
        return f"+{seconds}.{ms:03} {reader} {device_class} {kind}{shown}"


def _as_refused(read: RawRead) -> RawRead:
    if read.device_class is DeviceClass.SMARTCARD:
        return replace(read, payload=encode_chip(ChipContents(refusal=RejectReason.PAYMENT_CARD)))
    return replace(read, payload=b"", flaw=RejectReason.PAYMENT_CARD)


def parse_line(line: str) -> Exchange | None:
    """One line; None for comments and empty ones. Raises `ConfigError` for anything else."""
    if not line.strip() or line.startswith("#"):
        return None
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise ConfigError("not a line of a posd transcript; record one with: posd record")
    seconds, ms, reader, device_class, kind, value = match.groups()
    try:
        payload, flaw = _value(kind, json.loads(value) if value else None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"a {kind} line of a posd transcript with a value of another kind") from error
    return Exchange(int(seconds) * 1000 + int(ms), reader, DeviceClass(device_class), kind, payload, flaw)


def _value(kind: str, value: Any) -> tuple[bytes, str | None]:
    match kind:
        case "text":
            return value.encode(), None
        case "flaw":
            return b"", str(value)
        case "chip":
            return encode_chip(_chip_from_json(value)), None
        case _:
            return b"", None


def _chip_as_json(read: ChipContents) -> dict[str, object]:
    if read.refusal is not None:
        return {"refusal": read.refusal.value}
    shown: dict[str, object] = {"atr": read.atr.hex()}
    if read.uid is not None:
        shown["uid"] = read.uid.hex()
    return shown | {"contents": {name: data.hex() for name, data in read.contents.items()}}


def _chip_from_json(value: Mapping[str, Any]) -> ChipContents:
    if "refusal" in value:
        return ChipContents(refusal=RejectReason(value["refusal"]))
    uid = bytes.fromhex(value["uid"]) if "uid" in value else None
    contents = {name: bytes.fromhex(data) for name, data in value["contents"].items()}
    return ChipContents(bytes.fromhex(value["atr"]), uid, contents)
