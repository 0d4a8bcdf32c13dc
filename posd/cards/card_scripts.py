"""What is said to a chip card, in which order, without any I/O: generators that yield a `CommandApdu`, are sent its
`ResponseApdu` and return `ChipContents`. They only read.

Order: 1. Is it a payment card? Then stop at once: no further command, no UID kept. 2. The loyalty application. 3. NDEF
Type 4. 4. UID, and the NDEF message of a Type 2 tag. A storage card, which the reader itself names in the ATR, knows no
ISO commands and is asked only for 4: some readers lose the tag after a command that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from posd.cards import ber_tlv, ndef
from posd.cards.atr import parse_atr
from posd.cards.chip import LOYALTY, NDEF, ChipContents
from posd.cards.iso7816 import (
    LONGEST_AID,
    SHORTEST_AID,
    CommandApdu,
    ResponseApdu,
    StatusWord,
    get_response,
    get_uid,
    read_binary,
    read_pages,
    select_application,
    select_file,
)
from posd.cards.reads import RejectReason

Script = Generator[CommandApdu, ResponseApdu, ChipContents]
_Dialogue = Generator[CommandApdu, ResponseApdu, ResponseApdu]
_Reading = Generator[CommandApdu, ResponseApdu, bytes | None]

POSD_AID = bytes.fromhex("F0504F5344")
"""Proprietary (first byte F0, ISO/IEC 7816-4 §12.2.2.2), then "POSD"."""

CONTACTLESS_PAYMENT = b"2PAY.SYS.DDF01"
CONTACT_PAYMENT = b"1PAY.SYS.DDF01"
_PAYMENT_AIDS = tuple(
    bytes.fromhex(aid)
    for aid in ("A000000003", "A000000004", "A000000333", "A000000025", "A000000658", "A000000672", "A000000065")
)
"""Contact cards may come without a directory: Visa, Mastercard and Maestro, UnionPay, American Express, Mir, Troy, JCB,
each by its registered provider alone (partial DF name)."""

_NDEF_TYPE_4 = bytes.fromhex("D2760000850101")
_CAPABILITY_FILE = 0xE103
_CHUNK = 128
"""Bytes asked for at once: every card's buffer holds these, and most files fit into one or two."""
_MOST_CONTINUATIONS = 16


@dataclass(frozen=True, slots=True)
class ChipLayout:
    """Where the loyalty file is. ``aid`` as hex; ``file_id`` (four hex digits) is selected after the application, none
    = the application answers READ BINARY itself; at most ``max_bytes`` are read."""

    aid: str = POSD_AID.hex()
    file_id: str | None = None
    max_bytes: int = 512

    def __post_init__(self) -> None:
        if not SHORTEST_AID <= len(self.application) <= LONGEST_AID:
            raise ValueError("aid has 5 to 16 bytes, written in hex")
        if self.file_id is not None and len(bytes.fromhex(self.file_id)) != 2:
            raise ValueError("file_id has two bytes, written in hex")
        if not 1 <= self.max_bytes <= ber_tlv.LONGEST:
            raise ValueError(f"max_bytes must be 1 to {ber_tlv.LONGEST}")

    @property
    def application(self) -> bytes:
        return bytes.fromhex(self.aid)

    @property
    def file(self) -> int | None:
        return None if self.file_id is None else int(self.file_id, 16)


def read_card(atr: bytes, layout: ChipLayout | None = None) -> Script:
    """The whole conversation with one card."""
    kind = parse_atr(atr)
    if kind.storage_card is not None:
        uid = yield from _read_uid()
        message = (yield from _read_type_2()) if kind.reads_as_type_2 else None
        return ChipContents(atr, uid, _contents(ndef_message=message))
    if (yield from _is_payment_card(contactless=kind.contactless)):
        return ChipContents(refusal=RejectReason.PAYMENT_CARD)
    file = yield from _read_loyalty_file(layout or ChipLayout())
    if file is not None:
        return ChipContents(atr, None, _contents(loyalty=file))
    message = yield from _read_type_4()
    uid = (yield from _read_uid()) if kind.contactless else None
    return ChipContents(atr, uid, _contents(ndef_message=message))


def run(script: Script, transmit: Callable[[bytes], bytes]) -> ChipContents:
    """Hold the conversation over ``transmit`` (command bytes → answer bytes with SW1-SW2). What ``transmit`` raises
    goes through; an answer without status word raises ValueError."""
    try:
        command = next(script)
        while True:
            command = script.send(ResponseApdu.parse(transmit(bytes(command))))
    except StopIteration as end:
        contents: ChipContents = end.value
        return contents


def _contents(loyalty: bytes | None = None, ndef_message: bytes | None = None) -> dict[str, bytes]:
    found = {LOYALTY: loyalty, NDEF: ndef_message}
    return {name: data for name, data in found.items() if data is not None}


def _ask(command: CommandApdu) -> _Dialogue:
    """One command with what T=0 makes of it: 6Cxx asks again with the right length, 61xx fetches the rest."""
    answer = yield command
    if (length := answer.sw.right_le) is not None:
        answer = yield CommandApdu(command.cla, command.ins, command.p1, command.p2, command.data, length or 256)
    data = answer.data
    for _ in range(_MOST_CONTINUATIONS):
        if answer.sw.more is None or len(data) > ber_tlv.LONGEST:
            break
        answer = yield get_response(answer.sw.more)
        data += answer.data
    # A card that announces more for ever has not answered.
    return ResponseApdu(data, StatusWord(0x6F00) if answer.sw.more is not None else answer.sw)


def _is_payment_card(*, contactless: bool) -> Generator[CommandApdu, ResponseApdu, bool]:
    name = CONTACTLESS_PAYMENT if contactless else CONTACT_PAYMENT
    answer = yield from _ask(select_application(name))
    if answer.sw.selected and _is_directory(answer.data, name):
        return True
    if contactless:
        return False
    for aid in _PAYMENT_AIDS:
        answer = yield from _ask(select_application(aid))
        if answer.sw.selected and _names(answer.data, aid):
            return True
    return False


def _is_directory(fci: bytes, name: bytes) -> bool:
    """Some simple cards say 9000 to every SELECT, so the answer must say that it is the payment directory: by its name
    (tag 84) or by an application that it lists (tag 4F). What is there but cannot be parsed counts as one."""
    try:
        return any((tag == 0x84 and value == name) or tag == 0x4F for tag, value in ber_tlv.walk(fci))
    except ber_tlv.TlvError:
        return True


def _names(fci: bytes, aid: bytes) -> bool:
    try:
        return any(tag == 0x84 and value.startswith(aid) for tag, value in ber_tlv.walk(fci))
    except ber_tlv.TlvError:
        return True


def _read_loyalty_file(layout: ChipLayout) -> _Reading:
    answer = yield from _ask(select_application(layout.application))
    if not answer.sw.ok:
        return None
    if layout.file is not None:
        answer = yield from _ask(select_file(layout.file))
        if not answer.sw.ok:
            return None
    return (yield from _read_file(0, layout.max_bytes, ends=_is_whole))


def _read_type_4() -> _Reading:
    """NFC Forum Type 4: capability container, then the NDEF file with its two bytes of length."""
    for command in (select_application(_NDEF_TYPE_4), select_file(_CAPABILITY_FILE)):
        answer = yield from _ask(command)
        if not answer.sw.ok:
            return None
    container = yield from _read_file(0, 15)
    if container is None or len(container) < 15 or container[7] != 0x04:
        return None
    answer = yield from _ask(select_file(int.from_bytes(container[9:11], "big")))
    head = (yield from _read_file(0, 2)) if answer.sw.ok else None
    if head is None or len(head) < 2:
        return None
    length = int.from_bytes(head, "big")
    if not 0 < length <= ndef.LONGEST_MESSAGE:
        return None
    message = yield from _read_file(2, length)
    return message if message is not None and len(message) == length else None


def _read_file(offset: int, length: int, *, ends: Callable[[bytes], bool] = lambda _: False) -> _Reading:
    """Up to ``length`` bytes of the current file, fewer where ``ends`` says that the rest does not matter; None if it
    cannot be read."""
    data = b""
    while len(data) < length and not ends(data):
        answer = yield from _ask(read_binary(offset + len(data), min(_CHUNK, length - len(data))))
        if not answer.sw.has_data or not answer.data:
            break
        data += answer.data
        if not answer.sw.ok:
            break
    return data[:length] or None


def _is_whole(file: bytes) -> bool:
    """Is posd's own loyalty template complete? Of other layouts nobody knows where they end."""
    return file[:1] == b"\x70" and len(file) >= (ber_tlv.total_length(file) or ber_tlv.LONGEST)


def _read_uid() -> _Reading:
    answer = yield from _ask(get_uid())
    return answer.data if answer.sw.ok and answer.data else None


def _read_type_2() -> _Reading:
    """The NDEF message of a Type 2 tag: capability container in page 3, data from page 4, four pages at a time."""
    answer = yield from _ask(read_pages(3))
    if not answer.sw.ok or len(answer.data) < 16 or answer.data[0] != 0xE1:
        return None
    size = min(answer.data[2] * 8, ndef.LONGEST_MESSAGE)
    area = answer.data[4:16]
    while (extent := ndef.locate_message(area)).end > len(area) and extent.end <= size:
        answer = yield from _ask(read_pages(4 + len(area) // 4))
        if not answer.sw.ok or len(answer.data) != 16:
            return None
        area += answer.data
    complete = extent.found and extent.start < extent.end <= len(area)
    return area[extent.start : extent.end] if complete else None
