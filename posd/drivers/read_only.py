"""The guard between posd and every chip card: only commands that read go out, whoever asks.

Three wrong codes kill a memory card for ever, and a written byte is not posd's to write; so what is not on this list is
refused before it reaches the reader. A wrapped or passed-through command is judged by what the card would get.
"""

from __future__ import annotations

import re

from posd.errors import ProtocolFault

_ISO_READS = {0xA4: "SELECT", 0xB0: "READ BINARY", 0xB2: "READ RECORD", 0xC0: "GET RESPONSE", 0xCA: "GET DATA"}
"""ISO/IEC 7816-4 instructions, class 0X (no secure messaging, any logical channel)."""

_DESFIRE_READS = {
    0x5A: "select application",
    0xF5: "file settings",
    0xBD: "read data",
    0xAA: "authenticate, AES",
    0x71: "authenticate, EV2 first",
    0xAF: "next part of one of these",
}
"""MIFARE DESFire's own instructions, wrapped as ``90 ins 00 00``."""

_READER_COMMANDS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rb"\xff\xca[\x00\x01]\x00.",  # GET DATA: UID, ATS
        rb"\xff\xb0...",  # READ BINARY of a storage card
        rb"\xff\xa4\x00\x00\x01[\x05\x06]",  # type of the memory card: SLE4428, SLE4442
        rb"\xff\x82\x00\x00\x06.{6}",  # a MIFARE Classic key into the reader's volatile memory
        rb"\xff\x86\x00\x00\x05\x01\x00.[\x60\x61]\x00",  # authenticate with it, as key A or B
        rb"\xff\x00\x00\x00\x03\xd4\x42\x60",  # through the reader's PN532 to the tag: GET_VERSION
    )
)
"""Class FF, which the reader itself answers (PC/SC part 3; ACS's manuals), whole."""

_WALLET_READS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rb"\x90[\x53\x50]\x00\x00.+",  # Google Smart Tap: negotiate a channel, get the pass
        rb"\x90\xc0\x00\x00.",  # its next part; with data a DESFire card would take it for a new file
        rb"\x80\xca\x01\x01.+",  # Apple VAS: get the pass
    )
)
"""What a phone is asked, whole."""


def read_only(command: bytes) -> bytes:
    """``command`` itself. Raises `ProtocolFault` for anything that is not known to only read."""
    if _is_card_read(command) or any(pattern.fullmatch(command) for pattern in _READER_COMMANDS + _WALLET_READS):
        return command
    head = command[:2].hex(" ")
    raise ProtocolFault(f"posd sends no command {head!r} to a card: it only reads; correct the card script")


def _is_card_read(command: bytes) -> bool:
    if len(command) < 4:
        return False
    cla, ins = command[0], command[1]
    return (cla <= 0x03 and ins in _ISO_READS) or (cla == 0x90 and ins in _DESFIRE_READS and command[2:4] == b"\0\0")
