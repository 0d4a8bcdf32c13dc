"""A chip card in Python: it answers the commands of a real one, so that a simulated tap takes the card script's way.

>>> card = card_from_text("uid:04A2B3C4D5E680")
>>> card(bytes.fromhex("FFCA000000")).hex()
'04a2b3c4d5e6809000'
"""

from __future__ import annotations

from posd.cards import ber_tlv, ndef
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file
from posd.cards.scripts.layouts import POSD_AID
from posd.cards.scripts.payment import CONTACTLESS_PAYMENT

ISO_14443_4_ATR = bytes.fromhex("3B80800101")
TYPE_2_ATR = bytes.fromhex("3B8F8001804F0CA000000306030003000000000068")
"""A storage card that the reader calls Mifare Ultralight; NTAG tags look so too (PC/SC part 3, supplement)."""

SIMULATED_ISSUER = "POSD"
SIMULATED_UID = bytes.fromhex("04A2B3C4D5E680")

_OK, _NOT_FOUND, _BEYOND, _UNKNOWN = b"\x90\x00", b"\x6a\x82", b"\x6b\x00", b"\x6d\x00"


class SimulatedCard:
    """``applications``: application identifier → what SELECT answers and the file behind it. ``memory``: pages of four
    bytes of a storage card."""

    def __init__(
        self,
        atr: bytes = ISO_14443_4_ATR,
        *,
        uid: bytes | None = SIMULATED_UID,
        applications: dict[bytes, tuple[bytes, bytes]] | None = None,
        memory: bytes = b"",
    ) -> None:
        self.atr = atr
        self._uid, self._applications, self._memory = uid, applications or {}, memory
        self._file: bytes | None = None

    def __call__(self, command: bytes) -> bytes:
        """Answer one command APDU."""
        head, place = command[:2], int.from_bytes(command[2:4], "big")
        length = command[4] or 256 if len(command) == 5 else 256
        if head == b"\xff\xca":
            return _UNKNOWN if self._uid is None else self._uid + _OK
        if head == b"\xff\xb0":
            return _part(self._memory, place * 4, length)
        if head == b"\x00\xa4":
            return self._select(command[5 : 5 + command[4]])
        if head == b"\x00\xb0" and self._file is not None:
            return _part(self._file, place, length)
        return _UNKNOWN

    def _select(self, name: bytes) -> bytes:
        answer, self._file = self._applications.get(name, (_NOT_FOUND, None))
        return answer if self._file is None else answer + _OK


def loyalty_card(number: str, issuer: str = SIMULATED_ISSUER) -> SimulatedCard:
    """A card with posd's loyalty file. Raises ValueError for a number that the file cannot carry."""
    file = encode_loyalty_file(LoyaltyFile(issuer, number))
    return SimulatedCard(applications={POSD_AID: (b"", file)})


def tag(uid: bytes = SIMULATED_UID, message: bytes = b"") -> SimulatedCard:
    """A Type 2 tag (NTAG) with an NDEF message, or an empty one."""
    area = ndef.type_2_area(message) if message else b""
    capability = b"\xe1\x10" + bytes((-(-len(area) // 8), 0x00)) if message else bytes(4)
    memory = uid.ljust(12, b"\0")[:12] + capability + area
    return SimulatedCard(TYPE_2_ATR, uid=uid, memory=memory.ljust(16 + len(area) + 16, b"\0"))


def payment_card() -> SimulatedCard:
    """Answers the payment directory and must not be asked anything else."""
    visa = ber_tlv.encode(0x61, ber_tlv.encode(0x4F, bytes.fromhex("A0000000031010")))
    directory = ber_tlv.encode(0x84, CONTACTLESS_PAYMENT) + ber_tlv.encode(0xA5, ber_tlv.encode(0xBF0C, visa))
    return SimulatedCard(applications={CONTACTLESS_PAYMENT: (ber_tlv.encode(0x6F, directory), b"")})


def card_from_text(text: str) -> SimulatedCard:
    """``9800000000012345``: a card with this number in its loyalty file. ``ndef:9800000000012345``: a tag with this
    text. ``uid:04A2B3C4D5E680``: a tag without content. ``payment``: a bank card. Raises ValueError."""
    kind, _, value = text.strip().partition(":")
    if kind == "payment" and not value:
        return payment_card()
    if kind == "uid":
        uid = bytes.fromhex(value)
        if len(uid) not in (4, 7, 10):
            raise ValueError("a UID has 4, 7 or 10 bytes, in hex: uid:04A2B3C4D5E680")
        return tag(uid)
    if kind == "ndef":
        return tag(message=ndef.encode_message([ndef.NdefRecord(ndef.TEXT, value)]))
    return loyalty_card(text.strip())


def _part(data: bytes, start: int, length: int) -> bytes:
    return data[start : start + length] + _OK if start < len(data) else _BEYOND
