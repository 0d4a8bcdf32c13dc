"""The payment-card guard: what must never leave `posd.cards`, on any medium (PCI DSS 4.0.1, requirement 3.3.1).

Two kinds of rules, as in ISO/IEC 7813 and 7812-1: the *structure* of a bank card's track, and a *number* of 13 to 19
digits that lies in a payment range, has a length of that range and passes Luhn, wherever it stands and however its
digits are grouped. Issuer prefixes that the club has configured as its own win over both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from posd.cards import ber_tlv
from posd.cards.checks import luhn_ok
from posd.cards.digits import SEPARATORS, fold_digits
from posd.cards.iso7813 import primary_number
from posd.cards.issuers import LENGTHS, issuer_of

_MONTH = "(?:0[1-9]|1[0-2])"
_YYMM = re.compile(f"[0-9]{{2}}{_MONTH}")
_TRACK_1 = re.compile(f"B([0-9][0-9 ]{{11,22}})\\^[^^]{{2,26}}\\^[0-9]{{2}}{_MONTH}")
_TRACK_2 = re.compile(f"([0-9]{{12,19}})=[0-9]{{2}}{_MONTH}[0-9]{{3}}")
_BANKING_FIRST_DIGITS = "23456"
_SHORTEST_FREE = 13
"""Digits. Shorter numbers are phone numbers, dates and members far more often than cards."""
_GROUP = re.compile("[0-9]+")
_SEPARATED = re.compile(f"[0-9]+(?:[{SEPARATORS}]{{1,3}}[0-9]+)*")
"""Digits in groups, as people write card numbers. GS and line ends separate fields, not groups."""
_PACKED = re.compile("([0-9]{13,19})(?:f|d[0-9]*f?)?")
_EMV_NUMBER_TAGS = frozenset({0x5A, 0x57, 0x56})
"""EMV Book 3: application PAN, track 2 equivalent data, track 1 data."""


def is_payment_number(number: str) -> bool:
    """Range, length and Luhn digit of a payment card. ``number``: ASCII digits without separators."""
    return len(number) >= _SHORTEST_FREE and issuer_of(number) is not None and luhn_ok(number)


def in_tracks(tracks: Mapping[int, str], own: tuple[str, ...] = ()) -> bool:
    """Does a swipe come from a payment card? ``own``: the club's own issuer prefixes; a track whose primary number
    begins with one is not looked at."""
    return any(_in_track(track, data, own) for track, data in tracks.items())


def in_text(text: str, own: tuple[str, ...] = ()) -> bool:
    """Is there a payment card number in this text (a scan, a record, a broken swipe)?"""
    plain = fold_digits(text.replace("\0", ""))  # UTF-16 of digits is UTF-8 of digits with zeros between them
    return _in_folded(plain, own) or ("%" in plain and _in_folded(fold_digits(unquote(plain)), own))


def in_bytes(data: bytes, own: tuple[str, ...] = ()) -> bool:
    """Is there a payment card number in these contents of a chip: as text of any encoding, as a packed (BCD) value, or
    as an EMV data object?"""
    objects = list(_objects(data))
    if any(tag in _EMV_NUMBER_TAGS for tag, _ in objects):
        return True
    parts = [data, *(value for tag, value in objects if not ber_tlv.is_constructed(tag))]
    return any(_is_packed_payment(part, own) or any(in_text(text, own) for text in _texts(part)) for part in parts)


def _in_track(track: int, data: str, own: tuple[str, ...]) -> bool:
    number = primary_number(track, data)
    if own and number.startswith(own):
        return False
    if (track == 1 and _TRACK_1.match(data)) or (track == 2 and _is_banking_track_2(data)):
        return True
    # Track 3 puts a two-digit format code before the number; elsewhere two digits more or less change nothing.
    return in_text(data, own) or (track == 3 and in_text(data[2:], own))


def _is_banking_track_2(data: str) -> bool:
    match = _TRACK_2.match(data)
    if match is None or not luhn_ok(match[1]):
        return False
    return match[1][0] in _BANKING_FIRST_DIGITS or issuer_of(match[1]) is not None


def _in_folded(text: str, own: tuple[str, ...]) -> bool:
    for run in _SEPARATED.finditer(text):
        groups = _GROUP.findall(run[0])
        if own and "".join(groups).startswith(own):
            continue
        if any(is_payment_number(number) for number in _numbers(groups) if not (own and number.startswith(own))):
            return True
    return False


def _numbers(groups: list[str]) -> Iterator[str]:
    """Every number that adjacent groups spell, and the head of a longer one if an expiry date follows it."""
    for first in range(len(groups)):
        number = ""
        for group in groups[first:]:
            number += group
            if len(number) > LENGTHS[-1]:
                break
            yield number
    for group in groups:
        for length in LENGTHS:
            if len(group) > LENGTHS[-1] and _YYMM.match(group, length):
                yield group[:length]


def _objects(data: bytes) -> Iterable[ber_tlv.Tlv]:
    try:
        return list(ber_tlv.walk(data))
    except ber_tlv.TlvError:
        return []


def _texts(data: bytes) -> Iterator[str]:
    """The bytes as text: UTF-8 or, failing that, byte by byte."""
    try:
        yield data.decode("utf-8")
    except UnicodeDecodeError:
        yield data.decode("latin-1")


def _is_packed_payment(data: bytes, own: tuple[str, ...]) -> bool:
    """Is this whole value a number of two digits a byte, padded with F or followed by D and the rest of a track (EMV
    "cn")? What is printable is text and not read so: "A1234567" would be 4131323334353637."""
    bare = data.strip(b"\0\xff")
    if all(0x20 <= byte < 0x7F for byte in bare):
        return False
    # A zero at the end may be padding or the last two digits.
    matches = (_PACKED.fullmatch(form.hex()) for form in (bare, data.strip(b"\xff"), data))
    numbers = {match[1] for match in matches if match}
    return any(is_payment_number(number) and not (own and number.startswith(own)) for number in numbers)
