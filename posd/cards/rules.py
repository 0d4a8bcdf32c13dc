"""The club's card rules: which prefixes are its own, and which part of which medium is the member's number.

Rules are tried in order; the first that fits decides. A rule that fits but whose check digit does not hold ends the
search, because the number was misread. Written as the ``[cards]`` tables of the configuration, see ``docs/cards.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from posd.cards import gs1, ndef
from posd.cards.barcode import CODE_ID_TABLES, Scan, is_product, normalise_gtin
from posd.cards.checks import gs1_ok, luhn_ok
from posd.cards.chip import LOYALTY, NDEF
from posd.cards.identity import Identity
from posd.cards.issuers import why_not_own
from posd.cards.loyalty_file import LoyaltyFile, parse_loyalty_file
from posd.cards.reads import BarcodeRead, CardRead, ChipRead, MagstripeRead, Medium, RejectedRead, RejectReason
from posd.tables import from_table

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
    UID = "uid"
    """Number that the maker gave to a contactless chip, hex, upper case; never a random one."""


class Check(StrEnum):
    """Check digit at the end of the number."""

    NONE = "none"
    LUHN = "luhn"
    GS1 = "gs1"


_TRACK_OF = {Source.TRACK1: 1, Source.TRACK2: 2, Source.TRACK3: 3}


@dataclass(frozen=True, slots=True)
class CardRule:
    """One ``[[cards.rule]]``. ``read``: the source. ``pattern``: regular expression that the whole of it must match;
    its first group is the number, without a group all of it. Numbers with equal ``scheme`` and value are one card,
    whatever the medium. Raises ValueError for values that cannot work.
    """

    read: Source
    pattern: str | None = None
    lengths: tuple[int, ...] = ()
    symbologies: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    check: Check = Check.NONE
    scheme: str = "card"
    earn_only: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,15}", self.scheme) or self.scheme == "phone":
            raise ValueError("scheme is a short word of small letters, and not 'phone'")
        if self.symbologies and self.read is not Source.BARCODE:
            raise ValueError("symbologies belong to rules that read a barcode")
        if self.issuers and self.read is not Source.LOYALTY:
            raise ValueError("issuers belong to rules that read a loyalty file")
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"pattern is not a regular expression: {error}") from error

    def number_in(self, text: str) -> str | None:
        """The number, or None if this rule does not fit."""
        if self.pattern is None:
            number = text
        elif match := re.fullmatch(self.pattern, text, re.ASCII):
            number = match[1] if match.re.groups and match[1] is not None else match[0]
        else:
            return None
        fits = 0 < len(number) <= LONGEST_VALUE and (not self.lengths or len(number) in self.lengths)
        return number if fits else None

    def check_holds(self, number: str) -> bool:
        return self.check is Check.NONE or (luhn_ok if self.check is Check.LUHN else gs1_ok)(number)


DEFAULT_RULES: tuple[CardRule, ...] = (
    CardRule(Source.TRACK2, r"([0-9]{8,37})(?:=.*)?"),
    CardRule(Source.TRACK1, r"[A-Z]?([0-9]{8,37})(?:\^.*)?"),
    CardRule(Source.BARCODE, lengths=tuple(range(4, LONGEST_VALUE + 1))),
    CardRule(Source.LOYALTY),
    CardRule(Source.NDEF, r"(?=.*[0-9])[A-Za-z0-9._-]{4,64}"),
    CardRule(Source.UID, scheme="uid", earn_only=True),
)
"""What a fresh shop reads. A barcode rule without pattern takes everything but product codes."""


@dataclass(frozen=True, slots=True)
class CardRules:
    """The ``[cards]`` table. Raises ValueError for an own prefix that would let bank cards through."""

    own_prefixes: tuple[str, ...] = ()
    rule: tuple[CardRule, ...] = ()
    defaults: bool = True
    """Try `DEFAULT_RULES` behind the club's own."""
    code_ids: Mapping[str, str] = field(default_factory=dict)
    """Reader id → maker's table of one-letter prefixes (`CODE_ID_TABLES`), for scanners that send them."""

    def __post_init__(self) -> None:
        for prefix in self.own_prefixes:
            if why_not := why_not_own(prefix):
                raise ValueError(f"own_prefixes: {prefix!r} {why_not}")
        for reader, table in self.code_ids.items():
            if table not in CODE_ID_TABLES:
                raise ValueError(f"code_ids.{reader}: {table!r} is not one of {', '.join(sorted(CODE_ID_TABLES))}")

    @property
    def rules(self) -> tuple[CardRule, ...]:
        return self.rule + (DEFAULT_RULES if self.defaults else ())

    def code_ids_of(self, reader: str) -> Mapping[str, str] | None:
        return CODE_ID_TABLES[self.code_ids[reader]] if reader in self.code_ids else None


def parse_rules(table: Mapping[str, Any]) -> CardRules:
    """`CardRules` from the ``[cards]`` table. Raises `ConfigError` that names the place and the nearest known key."""
    return from_table(CardRules, table, "[cards]")


def identify(read: CardRead, rules: CardRules) -> Identity | RejectedRead:
    """Whose card this is, by the club's rules; or why it is nobody's."""
    medium = medium_of(read)
    failed = read.failed if isinstance(read, MagstripeRead) else ()
    for rule in rules.rules:
        if _TRACK_OF.get(rule.read) in failed:
            # The number may stand on the track that did not decode: taking another one would make two members of one.
            return _rejected(read, RejectReason.UNREADABLE, "the track that carries the number did not decode")
        for text in _candidates(read, rule):
            number = rule.number_in(text)
            if number is None:
                continue
            if not rule.check_holds(number):
                return _rejected(read, RejectReason.BAD_CHECK, f"the {rule.check} check digit is wrong")
            return Identity(rule.scheme, number, medium, _tail(number), rule.earn_only)
    return _nobody(read)


def medium_of(read: CardRead) -> Medium:
    if isinstance(read, MagstripeRead):
        return Medium.MAGSTRIPE
    return Medium.BARCODE if isinstance(read, BarcodeRead) else Medium.CHIP


def is_random_uid(uid: bytes) -> bool:
    """Four bytes that begin with 08 are drawn anew at each tap (ISO/IEC 14443-3 §6.5.4): phones, many bank cards."""
    return len(uid) == 4 and uid[0] == 0x08


def _candidates(read: CardRead, rule: CardRule) -> Iterator[str]:
    """The texts in ``read`` that ``rule`` looks at."""
    if isinstance(read, MagstripeRead):
        tracks = {Source.TRACK1: read.track1, Source.TRACK2: read.track2, Source.TRACK3: read.track3}
        texts = [tracks.get(rule.read)]
    elif isinstance(read, BarcodeRead):
        texts = [_barcode_text(read, rule)]
    else:
        texts = list(_chip_texts(read, rule))
    yield from (text for text in texts if text)


def _barcode_text(read: BarcodeRead, rule: CardRule) -> str | None:
    if rule.read is not Source.BARCODE or (rule.symbologies and read.symbology not in rule.symbologies):
        return None
    if rule.pattern is None and is_product(Scan(read.data, read.symbology)):
        return None
    return gs1.member_number(read.data) or normalise_gtin(read.data.strip())


def _chip_texts(read: ChipRead, rule: CardRule) -> Iterator[str | None]:
    match rule.read:
        case Source.LOYALTY:
            yield _loyalty_text(read.contents.get(LOYALTY, b""), rule)
        case Source.LOYALTY_HEX:
            yield read.contents.get(LOYALTY, b"").hex().upper()
        case Source.NDEF:
            yield from _ndef_texts(read.contents.get(NDEF, b""))
        case Source.UID if read.uid is not None and not is_random_uid(read.uid):
            yield read.uid.hex().upper()


def _loyalty_text(data: bytes, rule: CardRule) -> str | None:
    file = parse_loyalty_file(data)
    if isinstance(file, LoyaltyFile):
        return file.number if not rule.issuers or file.issuer in rule.issuers else None
    # A misread file of our own layout is no text; another layout is the pattern's business.
    return data.strip(b"\0\xff ").decode("latin-1") if rule.pattern and file is RejectReason.UNREADABLE else None


def _ndef_texts(message: bytes) -> Iterator[str | None]:
    try:
        records = ndef.parse_message(message)
    except ndef.NdefError:
        return
    for record in records:
        text = record.text or ""
        if record.type == ndef.URI:
            yield text.removeprefix("posd:") if text.startswith("posd:") else gs1.member_number(text)
        else:
            yield text


def _nobody(read: CardRead) -> RejectedRead:
    if isinstance(read, BarcodeRead) and is_product(Scan(read.data, read.symbology)):
        return _rejected(read, RejectReason.PRODUCT_BARCODE)
    if isinstance(read, ChipRead) and LOYALTY in read.contents:
        file = parse_loyalty_file(read.contents[LOYALTY])
        if isinstance(file, RejectReason):
            return _rejected(read, file, "the loyalty file is not in posd's layout, or was misread")
    return _rejected(read, RejectReason.OTHER_CLUB, "no card rule fits; see [[cards.rule]] in docs/cards.md")


def _rejected(read: CardRead, reason: RejectReason, detail: str = "") -> RejectedRead:
    return RejectedRead(read.device, read.read_at, medium_of(read), reason, detail)


def _tail(number: str) -> str:
    """At most four characters, and never more than a third of the number."""
    shown = min(4, len(number) // 3)
    return number[len(number) - shown :]
