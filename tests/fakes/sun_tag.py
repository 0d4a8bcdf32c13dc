"""An NTAG 424 DNA: a Type 4 tag that writes UID, counter and MAC into its link at each tap (NXP AN12196), with
`cryptography`'s CMAC and nothing of posd's verification."""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC

from posd.cards import ndef
from tests.fakes.chip_card import CONTACTLESS_ATR, NDEF_AID, FakeChipCard, type_4_files
from tests.fakes.desfire_card import cmac


class SunTag:
    """``picc_key``: encrypts UID and counter; None = both stand in the link. ``signed``: value of a parameter ``enc``,
    from which on the MAC covers the link."""

    atr = CONTACTLESS_ATR

    def __init__(self, uid: bytes, file_key: bytes, picc_key: bytes | None = None, signed: str = "") -> None:
        self.uid, self.file_key, self.picc_key, self.signed = uid, file_key, picc_key, signed
        self.counter = 0

    def tap(self) -> FakeChipCard:
        """The tag as it is for the length of one tap."""
        self.counter += 1
        return link_tag(self.link(), self.uid)

    def link(self) -> str:
        count = self.counter.to_bytes(3, "little")
        if self.picc_key is None:
            link = f"https://club.example/t?uid={self.uid.hex().upper()}&ctr={self.counter:06X}"
        else:
            plain = b"\xc7" + self.uid + count + secrets.token_bytes(5)
            data = Cipher(AES128(self.picc_key), CBC(bytes(16))).encryptor().update(plain)
            link = f"https://club.example/t?picc_data={data.hex().upper()}"
        covered = f"{self.signed}&cmac=" if self.signed else ""
        link += f"&enc={covered}" if covered else "&cmac="
        key = cmac(self.file_key, b"\x3c\xc3\x00\x01\x00\x80" + self.uid + count)
        return link + cmac(key, covered.encode())[1::2].hex().upper()


def link_tag(link: str, uid: bytes) -> FakeChipCard:
    """A plain tag that carries ``link``: what a thief makes of one that he has read."""
    message = ndef.encode_message([ndef.NdefRecord(ndef.URI, link)])
    return FakeChipCard(uid=uid, applications={NDEF_AID: b""}, files=type_4_files(message))
