"""Command and response APDUs (ISO/IEC 7816-4), only those that read. posd builds no command that writes to a card, and
none that presents a code (VERIFY, ``FF 20``): three wrong codes kill a memory card for ever.

>>> bytes(select_application(bytes.fromhex("F0504F5344"))).hex(" ")
'00 a4 04 00 05 f0 50 4f 53 44 00'
"""

from __future__ import annotations

from dataclasses import dataclass, field

SHORTEST_AID, LONGEST_AID = 5, 16
LONGEST_OFFSET = 0x7FFF
"""READ BINARY has 15 bits for the offset."""


class StatusWord(int):
    """SW1-SW2, two bytes."""

    @property
    def ok(self) -> bool:
        return self == 0x9000

    @property
    def selected(self) -> bool:
        """The file exists and is now current, even if it is blocked (6283) or carries a warning."""
        return self.ok or self >> 8 in (0x62, 0x63)

    @property
    def more(self) -> int | None:
        """61xx: so many bytes (0 = 256 or more) wait for GET RESPONSE."""
        return self & 0xFF if self >> 8 == 0x61 else None

    @property
    def right_le(self) -> int | None:
        """6Cxx: ask again for exactly so many bytes (0 = 256)."""
        return self & 0xFF if self >> 8 == 0x6C else None

    @property
    def has_data(self) -> bool:
        """9000, or 6282: the end of the file came before Le bytes."""
        return self.ok or self == 0x6282

    def __repr__(self) -> str:
        return f"{int(self):04X}"


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """A short command. ``le``: bytes wanted, 1 to 256; None for no Le field."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None

    def __post_init__(self) -> None:
        if len(self.data) > 255 or (self.le is not None and not 1 <= self.le <= 256):
            raise ValueError("a short APDU carries at most 255 bytes and asks for 1 to 256")

    def __bytes__(self) -> bytes:
        lc = bytes((len(self.data),)) if self.data else b""
        le = b"" if self.le is None else bytes((self.le & 0xFF,))
        return bytes((self.cla, self.ins, self.p1, self.p2)) + lc + self.data + le


@dataclass(frozen=True, slots=True)
class ResponseApdu:
    """What the card answered. Its repr shows the status and never the data."""

    data: bytes = field(repr=False)
    sw: StatusWord

    @classmethod
    def parse(cls, raw: bytes) -> ResponseApdu:
        """Raises ValueError for fewer than the two bytes of a status word."""
        if len(raw) < 2:
            raise ValueError("an answer of a card ends in two status bytes; this one is shorter")
        return cls(bytes(raw[:-2]), StatusWord(int.from_bytes(raw[-2:], "big")))


def select_application(aid: bytes) -> CommandApdu:
    """SELECT by DF name, first occurrence, FCI wanted."""
    return CommandApdu(0x00, 0xA4, 0x04, 0x00, aid, 256)


def select_file(file_id: int) -> CommandApdu:
    """SELECT an EF of the current application by its two-byte identifier; no FCI wanted."""
    return CommandApdu(0x00, 0xA4, 0x00, 0x0C, file_id.to_bytes(2, "big"))


def read_binary(offset: int, length: int) -> CommandApdu:
    """READ BINARY of the current transparent EF. Raises ValueError beyond `LONGEST_OFFSET`."""
    if not 0 <= offset <= LONGEST_OFFSET:
        raise ValueError("READ BINARY reaches 32 KiB")
    return CommandApdu(0x00, 0xB0, offset >> 8, offset & 0xFF, le=length)


def get_response(length: int) -> CommandApdu:
    """GET RESPONSE: fetch what 61xx announced."""
    return CommandApdu(0x00, 0xC0, 0x00, 0x00, le=length or 256)


def get_uid() -> CommandApdu:
    """The reader's own command for the UID of a contactless card (PC/SC part 3, 3.2.2.1.3)."""
    return CommandApdu(0xFF, 0xCA, 0x00, 0x00, le=256)


def read_block(number: int) -> CommandApdu:
    """The reader's own READ BINARY of a storage card (PC/SC part 3, 3.2.2.1.8): the 16 bytes of one MIFARE Classic
    block, or of four pages of a Type 2 tag from this one on."""
    return CommandApdu(0xFF, 0xB0, number >> 8, number & 0xFF, le=16)


def read_memory(address: int, length: int) -> CommandApdu:
    """The reader's own READ BINARY of a contact memory card, by byte address."""
    return CommandApdu(0xFF, 0xB0, address >> 8, address & 0xFF, le=length)


def select_memory_card(type_code: int) -> CommandApdu:
    """ACS's SELECT_CARD_TYPE, without which its readers do not read a memory card."""
    return CommandApdu(0xFF, 0xA4, 0x00, 0x00, bytes((type_code,)))


def load_key(key: bytes) -> CommandApdu:
    """A MIFARE Classic key into place 0 of the reader's volatile memory (PC/SC part 3, 3.2.2.1.4)."""
    return CommandApdu(0xFF, 0x82, 0x00, 0x00, key)


def authenticate_block(block: int, *, key_b: bool) -> CommandApdu:
    """Open the sector of ``block`` with the key in place 0, as key A or B (PC/SC part 3, 3.2.2.1.6)."""
    return CommandApdu(0xFF, 0x86, 0x00, 0x00, bytes((0x01, 0x00, block, 0x61 if key_b else 0x60, 0x00)))


def get_version() -> CommandApdu:
    """GET_VERSION of an NTAG or Ultralight EV1, through the PN532 inside an ACR122U (``D4 42``: InCommunicateThru)."""
    return CommandApdu(0xFF, 0x00, 0x00, 0x00, bytes.fromhex("D44260"))
