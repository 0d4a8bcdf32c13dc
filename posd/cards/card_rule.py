"""One rule of the club: which part of which medium is the member's number. Written as ``[[cards.rule]]``, see
``docs/cards.md``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from posd.cards.checks import gs1_ok, luhn_ok, mod_11_2_ok, mod_37_36_ok, mod_43_ok, mod_97_10_ok
from posd.cards.ean_mask import parse_mask
from posd.cards.reads import Refusal, RejectReason

LONGEST_VALUE = 64
"""Characters of a member number; what is longer is no card."""


class Source(StrEnum):
    """The part of a read that a rule looks at."""

    TRACK1 = "track1"
    TRACK2 = "track2"
    TRACK3 = "track3"
    BARCODE = "barcode"
    """The data of the symbol; the GSRN where it carries AI 8018 or is a GS1 Digital Link."""
    LOYALTY = "loyalty"
    """The member number in the loyalty file of a chip; with a pattern, a file in another layout as text."""
    LOYALTY_HEX = "loyalty_hex"
    """The bytes of the loyalty file in hex, upper case: for layouts that are no text."""
    NDEF = "ndef"
    """Text of a record: text, ``posd:`` URI (without ``posd:``), GSRN of a Digital Link, external record."""
    DESFIRE = "desfire"
    """Member number (GSRN) of a DESFire card that proved itself by the club's key."""
    SUN = "sun"
    """UID of an NTAG 424 DNA that proved itself by the club's key, hex, upper case."""
    SMART_TAP = "smart_tap"
    """Value of a pass in Google Wallet. The phone proves nothing about itself: as good as a bar code."""
    APPLE_VAS = "apple_vas"
    """Message of a pass in Apple Wallet. Anybody can make one, or show a recorded one: for collecting only."""
    UID = "uid"
    """Number that the maker gave to a contactless chip, hex, upper case; never a random one."""


class Check(StrEnum):
    """Check digit or character at the end of the number. `MOD_43` stands at the end of a Code 39 symbol, is no part of
    the number, and may have been taken off by the scanner."""

    NONE = "none"
    LUHN = "luhn"
    GS1 = "gs1"
    MOD_11_2 = "mod11-2"
    MOD_37_36 = "mod37-36"
    MOD_97_10 = "mod97-10"
    MOD_43 = "mod43"


_HOLDS: Mapping[Check, Callable[[str], bool]] = {
    Check.LUHN: luhn_ok,
    Check.GS1: gs1_ok,
    Check.MOD_11_2: mod_11_2_ok,
    Check.MOD_37_36: mod_37_36_ok,
    Check.MOD_97_10: mod_97_10_ok,
}


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a rule does not fit; the next one is tried. Carries nothing of the card."""

    why: str


@dataclass(frozen=True, slots=True)
class CardRule:
    """One ``[[cards.rule]]``. ``read``: the source. ``pattern``: regular expression that the whole of it must match;
    its first group is the number, without a group all of it. ``mask`` instead: see `posd.cards.ean_mask`. Numbers with
    equal ``scheme`` and value are one card, whatever the medium. ``name`` is for people. Raises ValueError for values
    that cannot work.
    """

    read: Source
    pattern: str | None = None
    mask: str | None = None
    lengths: tuple[int, ...] = ()
    symbologies: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    check: Check = Check.NONE
    scheme: str = "card"
    earn_only: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,15}", self.scheme) or self.scheme == "phone":
            raise ValueError("scheme is a short word of small letters, and not 'phone'")
        for_barcodes = self.symbologies or self.mask is not None or self.check is Check.MOD_43
        if for_barcodes and self.read is not Source.BARCODE:
            raise ValueError("symbologies, mask and check mod43 belong to rules that read a barcode")
        if self.issuers and self.read is not Source.LOYALTY:
            raise ValueError("issuers belong to rules that read a loyalty file")
        if self.read is Source.APPLE_VAS and not self.earn_only:
            raise ValueError("a rule that reads apple_vas must have earn_only = true: such a pass can be copied")
        if self.pattern is not None and self.mask is not None:
            raise ValueError("a rule has a pattern or a mask, not both")
        if self.mask is not None:
            parse_mask(self.mask)
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"pattern is not a regular expression: {error}") from error

    @property
    def has_form(self) -> bool:
        """Does it say what its texts look like? Only then it may take what stands on goods."""
        return self.pattern is not None or self.mask is not None

    @property
    def has_one_length(self) -> bool:
        return self.mask is not None or len(self.lengths) == 1

    def number_in(self, text: str, *, check_stripped: bool = False) -> str | Misfit | Refusal:
        """The number; why this rule does not fit; or that it fits a misread number. ``check_stripped``: the reader has
        verified the check character of the symbol and kept it."""
        has_check = self.check is Check.MOD_43 and not check_stripped
        number = self._number(text[:-1] if has_check else text)
        if number is None:
            return Misfit(f"the {'mask' if self.mask else 'pattern'} does not fit")
        if not 0 < len(number) <= LONGEST_VALUE or not number.isprintable():
            return Misfit(f"no number: it has 1 to {LONGEST_VALUE} characters that can be printed")
        if self.lengths and len(number) not in self.lengths:
            return Misfit(f"{len(number)} characters; allowed are {_listed(self.lengths)}")
        if has_check and not mod_43_ok(text):
            return Refusal(RejectReason.BAD_CHECK, "the check character of the symbol is wrong")
        if self.mask is not None and not parse_mask(self.mask).check_holds(text):
            return Refusal(RejectReason.BAD_CHECK, "the check digit of the code is wrong")
        if self.check in _HOLDS and not _HOLDS[self.check](number):
            return Refusal(RejectReason.BAD_CHECK, f"the {self.check} check digit is wrong")
        return number

    def _number(self, text: str) -> str | None:
        if self.mask is not None:
            return parse_mask(self.mask).number(text)
        if self.pattern is None:
            return text
        match = re.fullmatch(self.pattern, text, re.ASCII)
        if match is None:
            return None
        return match[1] if match.re.groups and match[1] is not None else match[0]


def _listed(lengths: tuple[int, ...]) -> str:
    """``4 to 64`` or ``8, 10``."""
    if len(lengths) > 2 and lengths == tuple(range(lengths[0], lengths[-1] + 1)):
        return f"{lengths[0]} to {lengths[-1]}"
    return ", ".join(map(str, lengths))


DEFAULT_RULES: tuple[CardRule, ...] = (
    CardRule(Source.TRACK2, r"([0-9]{8,37})(?:=.*)?"),
    CardRule(Source.TRACK1, r"[A-Z]?([0-9]{8,37})(?:\^.*)?"),
    CardRule(Source.BARCODE, lengths=tuple(range(4, LONGEST_VALUE + 1))),
    CardRule(Source.LOYALTY),
    CardRule(Source.DESFIRE),
    CardRule(Source.SUN, scheme="sun"),
    CardRule(Source.NDEF, r"(?=.*[0-9])[A-Za-z0-9._-]{4,64}"),
    CardRule(Source.SMART_TAP, earn_only=True),
    CardRule(Source.APPLE_VAS, earn_only=True),
    CardRule(Source.UID, scheme="uid", earn_only=True),
)
"""What a fresh shop reads. A barcode rule without pattern takes everything but product codes."""
