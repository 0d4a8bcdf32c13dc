"""posd's own file on a DESFire card: 32 bytes that only a card of the club's keys can carry.

====== ===== ==================================================================
offset bytes content
====== ===== ==================================================================
0      1     version, 01
1      8     issuer: A-Z 0-9 . - _ in ASCII, padded with 00
9      9     member number: GSRN of 18 digits, two a byte, check digit included
18     2     card sequence, big endian: which card of this member
20     4     date of issue, YYYYMMDD, two digits a byte
24     8     first half of AES-CMAC over bytes 0 to 23 with the card's own MAC key
====== ===== ==================================================================
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

from posd.cards import aes
from posd.cards.checks import gs1_ok
from posd.cards.reads import RejectReason

LENGTH = 32
_VERSION, _ISSUER_BYTES, _CHECKED = 1, 8, 24


@dataclass(frozen=True, slots=True)
class DesfireFile:
    """``member``: GSRN, 18 digits; ``issued``: YYYYMMDD. Raises ValueError for what the layout cannot carry."""

    issuer: str
    member: str = field(repr=False)
    sequence: int = 0
    issued: str = "00000000"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z0-9._-]{1,8}", self.issuer, re.ASCII):
            raise ValueError("the issuer has 1 to 8 characters A-Z 0-9 . - _")
        if len(self.member) != 18 or not gs1_ok(self.member):
            raise ValueError("the member number is a GSRN: 18 digits with their check digit")
        if not 0 <= self.sequence <= 0xFFFF or not re.fullmatch(r"[0-9]{8}", self.issued, re.ASCII):
            raise ValueError("the sequence is 0 to 65535, the date of issue YYYYMMDD")


def encode_desfire_file(file: DesfireFile, mac_key: bytes) -> bytes:
    """What to put on the card whose diversified MAC key this is."""
    issuer = file.issuer.encode().ljust(_ISSUER_BYTES, b"\0")
    numbers = bytes.fromhex(file.member) + file.sequence.to_bytes(2, "big") + bytes.fromhex(file.issued)
    body = bytes((_VERSION,)) + issuer + numbers
    return body + _mac(body, mac_key)


def parse_desfire_file(data: bytes, mac_key: bytes) -> DesfireFile | RejectReason:
    """NOT_GENUINE when the MAC is not of this card's key, UNREADABLE for another version or content."""
    if len(data) != LENGTH or data[0] != _VERSION:
        return RejectReason.UNREADABLE
    if not hmac.compare_digest(_mac(data[:_CHECKED], mac_key), data[_CHECKED:]):
        return RejectReason.NOT_GENUINE
    try:
        issuer = data[1:9].rstrip(b"\0").decode("ascii")
        return DesfireFile(issuer, data[9:18].hex(), int.from_bytes(data[18:20], "big"), data[20:24].hex())
    except ValueError:
        return RejectReason.UNREADABLE


def _mac(body: bytes, mac_key: bytes) -> bytes:
    return aes.cmac(mac_key, body)[: LENGTH - _CHECKED]
