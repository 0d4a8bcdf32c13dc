"""MIFARE DESFire EV1 to EV3 with AES: select posd's application, authenticate with the key of this very card, read and
verify its file. Native commands in ISO 7816 wrapping (class 90); status in SW2 behind 91.
"""

from __future__ import annotations

from posd.cards.aes import BLOCK
from posd.cards.card_keys import DESFIRE_MAC, DESFIRE_READ
from posd.cards.chip import DESFIRE, ChipContents
from posd.cards.desfire import Authentication, Communication, Ev1Authentication, Ev2Authentication, Session
from posd.cards.desfire_file import LENGTH, DesfireFile, parse_desfire_file
from posd.cards.iso7816 import CommandApdu, ResponseApdu
from posd.cards.reads import RejectReason
from posd.cards.scripts.dialogue import Script, ask
from posd.cards.scripts.layouts import DesfireLayout
from posd.cards.scripts.setup import Card
from posd.cards.scripts.uid import read_uid

_SELECT, _FILE_SETTINGS, _READ, _MORE = 0x5A, 0xF5, 0xBD, 0xAF
_OK, _ADDITIONAL_FRAME, _ILLEGAL_COMMAND = 0x9100, 0x91AF, 0x911C
_UID_BYTES = 7
_MODES = {0b00: Communication.PLAIN, 0b01: Communication.MAC, 0b11: Communication.FULL}
_MOST_FRAMES = 4


def read_desfire(card: Card) -> Script[ChipContents | None]:
    """The member number of a genuine card, a refusal of one that carries the application and is not genuine; None for
    a card without the application."""
    layout, keys = card.setup.layout.desfire, card.setup.keys
    if layout is None or not card.kind.contactless or not (yield from _select(layout)):
        return None
    uid = yield from read_uid()
    if uid is None or len(uid) != _UID_BYTES:
        return _refused("the DESFire card shows a random UID; posd's layout needs the real one")
    mode = yield from _mode(layout)
    session = yield from _authenticate(card, layout, layout.key_for(keys[DESFIRE_READ], uid))
    if session is None:
        return _refused("the DESFire card does not have the club's key")
    data = yield from _read(session, layout.file, mode)
    file = (
        RejectReason.NOT_GENUINE if data is None else parse_desfire_file(data, layout.key_for(keys[DESFIRE_MAC], uid))
    )
    if not isinstance(file, DesfireFile):
        return ChipContents(refusal=file, detail="the DESFire file is not in posd's layout, or not of this card")
    return ChipContents(card.atr, None, {DESFIRE: file.member.encode()})


def _select(layout: DesfireLayout) -> Script[bool]:
    return (yield from _native(_SELECT, layout.application)).sw == _OK


def _mode(layout: DesfireLayout) -> Script[Communication]:
    """How the file travels, where the card tells it to anybody; a lie here ends at the file's own MAC."""
    answer = yield from _native(_FILE_SETTINGS, bytes((layout.file,)))
    if answer.sw == _OK and len(answer.data) > 1:
        return _MODES.get(answer.data[1] & 0b11, Communication.PLAIN)
    return layout.communication


def _authenticate(card: Card, layout: DesfireLayout, key: bytes) -> Script[Session | None]:
    """EV2's way; where the card does not know it, EV1's."""
    ways: tuple[type[Authentication], ...] = (Ev2Authentication, Ev1Authentication)
    for way in ways:
        # An error ends what was selected on some cards, so the application is selected for each try.
        if not (yield from _select(layout)):
            return None
        authentication = way(key, card.setup.random_bytes(BLOCK))
        start = bytes((layout.key_number,)) + authentication.parameters
        answer = yield from _native(authentication.instruction, start)
        if answer.sw == _ILLEGAL_COMMAND:
            continue
        reply = authentication.answer(answer.data) if answer.sw == _ADDITIONAL_FRAME else None
        if reply is None:
            return None
        answer = yield from _native(_MORE, reply)
        return authentication.session(answer.data) if answer.sw == _OK else None
    return None


def _read(session: Session, file: int, mode: Communication) -> Script[bytes | None]:
    header = bytes((file,)) + bytes(3) + LENGTH.to_bytes(3, "little")
    answer = yield from _native(_READ, session.command(_READ, header, mode))
    data = answer.data
    for _ in range(_MOST_FRAMES):
        if answer.sw != _ADDITIONAL_FRAME:
            break
        answer = yield from _native(_MORE, b"")
        data += answer.data
    return session.open(data, LENGTH, mode) if answer.sw == _OK else None


def _native(instruction: int, data: bytes) -> Script[ResponseApdu]:
    return (yield from ask(CommandApdu(0x90, instruction, 0x00, 0x00, data, 256)))


def _refused(why: str) -> ChipContents:
    return ChipContents(refusal=RejectReason.NOT_GENUINE, detail=why)
