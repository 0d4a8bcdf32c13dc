"""The loyalty file of a chip card: posd's own documented layout. Where it lies on a card is
`scripts.layouts.ChipLayout`.

One BER-TLV template, padding behind it allowed::

    70 len                      template
       C1 len issuer            1 to 16 characters A-Z 0-9 . - _ : who issued the card
       C2 len number            1 to 37 characters A-Z a-z 0-9 . - _ : the member number, as text
       C3 02  check             CRC-16/CCITT-FALSE over C1 and C2, tags and lengths included

The check finds misreads. It does not stop copying: a card that may redeem much should use DESFire or NTAG 424 instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from posd.cards import ber_tlv
from posd.cards.checks import crc16
from posd.cards.reads import RejectReason

_TEMPLATE, _ISSUER, _NUMBER, _CHECK = 0x70, 0xC1, 0xC2, 0xC3
_ISSUER_FORM = re.compile(r"[A-Z0-9._-]{1,16}", re.ASCII)
_NUMBER_FORM = re.compile(r"[A-Za-z0-9._-]{1,37}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LoyaltyFile:
    """Raises ValueError for an issuer or number outside the layout."""

    issuer: str
    number: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _ISSUER_FORM.fullmatch(self.issuer):
            raise ValueError("the issuer has 1 to 16 characters A-Z 0-9 . - _")
        if not _NUMBER_FORM.fullmatch(self.number):
            raise ValueError("the member number has 1 to 37 characters A-Z a-z 0-9 . - _")


def encode_loyalty_file(file: LoyaltyFile) -> bytes:
    """What to put on the card."""
    body = _body(file)
    return ber_tlv.encode(_TEMPLATE, body + ber_tlv.encode(_CHECK, crc16(body)))


def parse_loyalty_file(data: bytes) -> LoyaltyFile | RejectReason:
    """The file's meaning, or why not: BAD_CHECK when it was misread, UNREADABLE when it is something else."""
    try:
        parts = dict(ber_tlv.parse(dict(ber_tlv.parse(data))[_TEMPLATE]))
        file = LoyaltyFile(parts[_ISSUER].decode("ascii"), parts[_NUMBER].decode("ascii"))
        check = parts[_CHECK]
    except (KeyError, ValueError):
        return RejectReason.UNREADABLE
    return file if crc16(_body(file)) == check else RejectReason.BAD_CHECK


def is_whole(file: bytes) -> bool:
    """Is posd's own template complete? Of other layouts nobody knows where they end."""
    return file[:1] == bytes((_TEMPLATE,)) and len(file) >= (ber_tlv.total_length(file) or ber_tlv.LONGEST)


def _body(file: LoyaltyFile) -> bytes:
    return ber_tlv.encode(_ISSUER, file.issuer.encode()) + ber_tlv.encode(_NUMBER, file.number.encode())
