"""MSR605, MSR606 and MSR605X: what posd says to them and what they answer (MSR605 Programmer's Manual, revision B).

These machines can write and erase cards. The commands here are all that posd has, and none of them changes a card or a
setting. The sensor test is left out: it waits for a card, and a swipe shows the same.

>>> parser = AnswerParser()
>>> [read] = parser.feed(bytes.fromhex("1b731b012530313f1b023b32333f1b033b34353f3f1c1b30"))
>>> read.payload
b'%01?\\r;23?\\r+45?'
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from posd.cards.reads import RejectReason, flaw


class Command(Enum):
    """ESC and a letter. Named in the manual: RESET, Communication test, READ (ISO format only), Get device model, Get
    firmware version, RAM test, All LED off, GREEN LED on."""

    RESET = b"\x1ba"
    COMM_TEST = b"\x1be"
    READ_ISO = b"\x1br"
    MODEL = b"\x1bt"
    FIRMWARE = b"\x1bv"
    RAM_TEST = b"\x1b\x87"
    LEDS_OFF = b"\x1b\x81"
    GREEN_LED = b"\x1b\x83"


COMM_OK = re.compile(rb"\x1by")
MODEL_IS = re.compile(rb"\x1b([!-~])S")
FIRMWARE_IS = re.compile(rb"\x1b([ -~]{8})")
RAM_IS = re.compile(rb"\x1b([0A])")
"""``0`` is well, ``A`` is not."""

LONGEST_ANSWER = 512
"""Bytes; three full tracks make 240."""

CUT_OFF = flaw(RejectReason.PARTIAL, "the encoder's answer broke off")
MALFORMED = flaw(RejectReason.UNREADABLE, "the encoder's answer has another form; is it an MSR605, 606 or 605X?")
EMPTY_STRIPE = flaw(RejectReason.UNREADABLE, "the encoder found nothing on the stripe")
_STATUS = {
    b"1": flaw(RejectReason.UNREADABLE, "the encoder could not read the stripe (status 31)"),
    b"2": flaw(RejectReason.UNREADABLE, "the encoder met another format (status 32)"),
    b"4": flaw(RejectReason.UNREADABLE, "the encoder does not know the command (status 34)"),
    b"9": flaw(RejectReason.PARTIAL, "the card was not moved evenly (status 39)"),
}
_OTHER_STATUS = flaw(RejectReason.UNREADABLE, "the encoder answered with an unknown status")

_OK, _NO_DATA, _ERROR = b"0", b"\x1b+", b"\x1b*"
_HEAD = re.compile(rb"\x1b(?:(s)|([0-?A]))")
"""Where an answer begins: a data block, or a status alone."""
_END = re.compile(rb"\x1c\x1b(.)", re.DOTALL)
_TRACK = rb"(?:\x1b%c(%c[ -_]*\?|\x1b[+*])?)?"
"""Its number and its data; ESC ``*`` if it did not decode. Of one that the stripe has not come its number and nothing,
or its number and ESC ``+``, or not even its number."""
_BLOCK = re.compile(rb"\x1bs" + _TRACK % (1, b"%") + _TRACK % (2, b";") + _TRACK % (3, b";") + rb"\?\x1c")


@dataclass(frozen=True, slots=True)
class EncoderRead:
    """One swipe: tracks with sentinels, CR between them; or a ``flaw`` and nothing. Track 3 begins with ``+``, because
    its ``;`` would look like track 2 where that is empty; a track that did not decode is ``E``."""

    payload: bytes = field(default=b"", repr=False)
    flaw: str | None = None


class AnswerParser:
    """Bytes of the encoder, cut anywhere, into swipes."""

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def is_inside(self) -> bool:
        """Did an answer begin that has no end yet?"""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[EncoderRead]:
        """The swipes that ``data`` completes."""
        self._buffer += data
        reads: list[EncoderRead] = []
        while (head := _HEAD.search(self._buffer)) is not None:
            self._buffer = self._buffer[head.start() :]
            read = self._block() if head[1] else self._status_alone(head[2])
            if read is None:
                return reads
            reads += [read] if read.flaw or read.payload else []
        self._buffer = self._buffer[-1:] if self._buffer.endswith(b"\x1b") else b""
        return reads

    def give_up(self) -> list[EncoderRead]:
        """The encoder fell silent."""
        begun, self._buffer = self._buffer.startswith(b"\x1bs"), b""
        return [EncoderRead(flaw=CUT_OFF)] if begun else []

    def _block(self) -> EncoderRead | None:
        """None while its end is not there."""
        end = _END.search(self._buffer)
        again = self._buffer.find(b"\x1bs", 2, end.start() if end else None)
        if again > 0:
            self._buffer = self._buffer[again:]
            return EncoderRead(flaw=CUT_OFF)
        if end is None:
            if len(self._buffer) <= LONGEST_ANSWER:
                return None
            self._buffer = b""
            return EncoderRead(flaw=MALFORMED)
        block, self._buffer = self._buffer[: end.start() + 1], self._buffer[end.end() :]
        return _read_of(block, end[1])

    def _status_alone(self, status: bytes) -> EncoderRead:
        self._buffer = self._buffer[2:]
        return EncoderRead(flaw=None if status == _OK else _STATUS.get(status, _OTHER_STATUS))


def _read_of(block: bytes, status: bytes) -> EncoderRead:
    if status != _OK:
        return EncoderRead(flaw=_STATUS.get(status, _OTHER_STATUS))
    match = _BLOCK.fullmatch(block)
    if match is None:
        return EncoderRead(flaw=MALFORMED)
    tracks = [_track(start, data) for start, data in zip((b"%", b";", b"+"), match.groups(b""), strict=True)]
    payload = b"\r".join(track for track in tracks if track)
    return EncoderRead(payload) if payload else EncoderRead(flaw=EMPTY_STRIPE)


def _track(start: bytes, data: bytes) -> bytes:
    if data in (b"", _NO_DATA):
        return b""
    return start + b"E?" if data == _ERROR else start + data[1:]


PACKET_BYTES = 64
_FIRST, _LAST, _LENGTH = 0x80, 0x40, 0x3F
"""Head of an MSR605X packet: first and last of a message, bytes of it in this packet."""


def to_packets(message: bytes) -> list[bytes]:
    """``message`` as the MSR605X wants it."""
    parts = [message[at : at + _LENGTH] for at in range(0, len(message), _LENGTH)]
    return [
        bytes([(_FIRST if n == 0 else 0) | (_LAST if n == len(parts) - 1 else 0) | len(part)])
        + part.ljust(_LENGTH, b"\0")
        for n, part in enumerate(parts)
    ]


def packet_payload(packet: bytes) -> bytes:
    """The piece of a message in ``packet``; nothing if it is none. Where a message begins and ends its bytes say."""
    return packet[1 : 1 + (packet[0] & _LENGTH)] if len(packet) == PACKET_BYTES else b""
