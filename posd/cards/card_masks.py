"""What a recording shows of a card: numbers, names and UIDs replaced by fakes that decode the same way.

Default-deny: of a chip only contents whose form is known are shown, masked; anything else becomes zero bytes.
"""

from __future__ import annotations

import re
from dataclasses import replace

from posd.cards import chip, ndef
from posd.cards.chip import ChipContents
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file, parse_loyalty_file
from posd.cards.masking import SHORTEST, Masker

_HOLDER = re.compile(r"(?<=\^)[^^?]+(?=\^)")
_AIM_ID = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_MIXED = re.compile(r"(?=[0-9]*[A-Za-z])(?=[A-Za-z]*[0-9])[0-9A-Za-z]{6,}")
"""A number with letters in it, a UID in hex: no check digit to keep."""
_SHORT_RUN = re.compile(rf"(?<![0-9])[0-9]{{1,{SHORTEST - 1}}}(?![0-9])")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SHORT_NUMBER = re.compile(rf"[%;+]?[0-9]{{1,{SHORTEST - 1}}}\??")


class CardMasks:
    """The masks of one recording: the same card becomes the same fake wherever it stands. ``keep``: the club's own
    prefixes, which stay."""

    def __init__(self, keep: tuple[str, ...] = ()) -> None:
        self._masker = Masker(keep)
        self._uids: dict[bytes, bytes] = {}

    def digits(self, text: str) -> str:
        """Runs of digits alone: for words of ours that may quote a number."""
        return self._masker.text(text)

    def text(self, text: str) -> str:
        """A scan, or the tracks of a stripe. An AIM identifier stays: its digit belongs to no number."""
        aim = _AIM_ID.match(text)
        return aim[0] + self._text(text[aim.end() :]) if aim else self._text(text)

    def _text(self, text: str) -> str:
        if _SHORT_NUMBER.fullmatch(text):  # too short for a check digit to matter
            return _nines(text)
        masked = _HOLDER.sub(lambda name: re.sub(r"[^/ ]", "X", name[0]), self._masker.text(text))
        return _MIXED.sub(lambda mixed: _SHORT_RUN.sub(lambda run: _nines(run[0]), mixed[0]), masked)

    def chip(self, read: ChipContents) -> ChipContents:
        """What a card script found."""
        contents = {name: self._mask_content(name, data) for name, data in read.contents.items()}
        return replace(read, uid=self._mask_uid(read.uid), contents=contents)

    def _mask_content(self, name: str, data: bytes) -> bytes:
        """What has no known form is not shown: nobody knows what stands in it."""
        file = parse_loyalty_file(data) if name == chip.LOYALTY else None
        if isinstance(file, LoyaltyFile):  # masked inside, so that its checksum holds again
            return encode_loyalty_file(LoyaltyFile(file.issuer, self.text(file.number)))
        match name:
            case chip.SUN:
                return self._mask_uid(data) or b""
            case chip.NDEF:
                return self._mask_ndef(data)
            case chip.LOYALTY | chip.DESFIRE if _is_text(data):
                return _without_words(self.text(data.decode("latin-1"))).encode("latin-1")
            case chip.LOYALTY:  # another layout: two digits a byte keep their check, anything else is not shown
                masked = self._masker.bytes(data)
                return masked if masked != data else bytes(len(data))
        return bytes(len(data))

    def _mask_ndef(self, message: bytes) -> bytes:
        """Record by record, so that rules still find what they look for."""
        try:
            records = ndef.parse_message(message)
        except ndef.NdefError:
            return bytes(len(message))
        return ndef.encode_message(replace(record, text=self._mask_record(record)) for record in records)

    def _mask_record(self, record: ndef.NdefRecord) -> str | None:
        if record.text is None:
            return None
        masked = self.text(record.text)
        return masked if record.type == ndef.URI else _without_words(masked)

    def _mask_uid(self, uid: bytes | None) -> bytes | None:
        """The first byte says maker or "random" and stays."""
        if not uid:
            return uid
        room = len(uid) - 1
        number = (len(self._uids) + 1) % 256**room
        return self._uids.setdefault(uid, uid[:1] + number.to_bytes(room, "big"))


def _nines(text: str) -> str:
    return re.sub("[0-9]", "9", text)


def _without_words(text: str) -> str:
    return _WORD.sub(lambda word: "X" * len(word[0]), text)


def _is_text(data: bytes) -> bool:
    """Printable ASCII, filled up with zeros or ones as memories are."""
    return data.strip(b"\0\xff").decode("latin-1").isprintable() and data.strip(b"\0\xff").isascii()
