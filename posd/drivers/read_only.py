"""The guard between posd and every chip card: only commands that read go out, whoever asks.

Three wrong codes kill a memory card for ever, and a written byte is not posd's to write; so what is not on this list is
refused before it reaches the reader.
"""

from __future__ import annotations

from posd.errors import ProtocolFault

_ISO_READS = {0xA4: "SELECT", 0xB0: "READ BINARY", 0xB2: "READ RECORD", 0xC0: "GET RESPONSE", 0xCA: "GET DATA"}
"""ISO/IEC 7816-4 instructions, class 0X (no secure messaging, any logical channel)."""
_READER_READS = {0xCA: "GET DATA", 0xB0: "READ BINARY"}
"""Commands of class FF that the reader itself answers (PC/SC part 3)."""


def read_only(command: bytes) -> bytes:
    """``command`` itself. Raises `ProtocolFault` for anything that is not known to only read."""
    if len(command) >= 4:
        cla, ins = command[0], command[1]
        if (cla <= 0x03 and ins in _ISO_READS) or (cla == 0xFF and ins in _READER_READS):
            return command
    head = command[:2].hex(" ")
    raise ProtocolFault(f"posd sends no command {head!r} to a card: it only reads; correct the card script")
