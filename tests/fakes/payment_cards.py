"""Payment cards out of thin air, in every form in which one can reach a till: swiped, half swiped, scanned, typed, on a
chip. The numbers are drawn from the ranges of all brands and belong to nobody, or to a bank that does not know it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, unquote

from posd.cards import ber_tlv, ndef
from posd.cards.checks import luhn_digit
from posd.cards.chip import ChipContents, encode_chip
from posd.cards.digits import fold_digits, persian_digits
from posd.cards.gs1 import GS
from posd.cards.iso7813 import swipe_text
from posd.cards.issuers import SPECIFIC, IssuerRange
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file
from posd.cards.reads import CardRead, RejectedRead
from posd.clock import Instant
from posd.events import DeviceClass, RawRead

AT = Instant(0, "", 0)
Form = Callable[[str, random.Random], RawRead]


def raw(text: str, device_class: DeviceClass = DeviceClass.SCANNER) -> RawRead:
    return RawRead("reader", device_class, text.encode(), AT)


def chip(**contents: bytes) -> RawRead:
    return RawRead("reader", DeviceClass.SMARTCARD, encode_chip(ChipContents(contents=contents)), AT)


def record(kind: str, text: str) -> bytes:
    return ndef.encode_message([ndef.NdefRecord(kind, text)])


def utf_16_record(text: str) -> bytes:
    payload = b"\x82en" + text.encode("utf-16")
    return b"\xd1\x01" + bytes((len(payload),)) + b"T" + payload


def grouped(number: str, rng: random.Random) -> str:
    separator = rng.choice([" ", "-", "\u00a0", " - "[:2], "."])
    return separator.join(number[n : n + 4] for n in range(0, len(number), 4))


def expiry(rng: random.Random) -> str:
    return f"{rng.randrange(100):02}{rng.randrange(1, 13):02}"


def packed(number: str) -> bytes:
    return bytes.fromhex(number + "f" * (len(number) % 2))


def no_text(number: str) -> str:
    """Packed digits can be the same bytes as a text ("A1234567"); such a file is text, and this card another one."""
    while all(0x20 <= byte < 0x7F for byte in packed(number).strip(b"\0\xff")):
        number = number[:6] + "00" + number[8:-1]
        number += luhn_digit(number)
    return number


def in_script(number: str, zero: int) -> str:
    """In other digits, of which ``zero`` is the first."""
    return "".join(chr(zero + int(digit)) for digit in number)


def percent(text: str) -> str:
    """Every byte of it, also those that need not be."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


def emv(number: str, tag: int, rng: random.Random) -> bytes:
    """A record of a bank's chip: the number itself, or the track as it is put on chips."""
    value = {
        0x5A: packed(number),
        0x57: packed(f"{number}d{expiry(rng)}1010000"),
        0x56: f"B{number}^A/B^{expiry(rng)}101".encode(),
    }[tag]
    return ber_tlv.encode(0x70, ber_tlv.encode(0x5F20, b"DOE/J") + ber_tlv.encode(tag, value))


FORMS: dict[str, Form] = {
    "both tracks": lambda n, r: raw(swipe_text(f"B{n}^A/B^{expiry(r)}101", f"{n}={expiry(r)}101000")),
    "track 1": lambda n, r: raw(swipe_text(f"B{n}^DOE/J^{expiry(r)}1010000000000"), DeviceClass.MSR),
    "track 2": lambda n, r: raw(swipe_text(track2=f"{n}={expiry(r)}1010000"[:37]), DeviceClass.MSR),
    "track 2 bare": lambda n, r: raw(swipe_text(track2=n)),
    "track 3": lambda n, r: raw(swipe_text(track3=f"01{n}=724724000000")),
    "swipe with LRC": lambda n, r: raw(swipe_text(track2=f"{n}={expiry(r)}101", lrcs=True)),
    "half swipe": lambda n, r: raw(f"%B{n}^DOE/J"),
    "two swipes": lambda n, r: raw(2 * swipe_text(f"B{n}^A/B^{expiry(r)}101")),
    "barcode": lambda n, r: raw(n),
    "Code 128": lambda n, r: raw("]C0" + n),
    "GS1-128, internal": lambda n, r: raw("]C191" + n),
    "grouped": lambda n, r: raw("]Q1" + grouped(n, r)),
    "Persian digits": lambda n, r: raw(persian_digits(grouped(n, r))),
    "QR text": lambda n, r: raw(f"PAY;{r.randrange(10**6)};to {grouped(n, r)};2512"),
    "QR link": lambda n, r: raw("https://pay.example/c?n=" + "%20".join((n[:4], n[4:8], n[8:]))),
    "number and date run together": lambda n, r: raw(n + expiry(r) + "101") if len(n) > 15 else raw(n),
    "NDEF text": lambda n, r: chip(ndef=record(ndef.TEXT, "card " + grouped(n, r))),
    "NDEF text in UTF-16": lambda n, r: chip(ndef=utf_16_record(n)),
    "NDEF link": lambda n, r: chip(ndef=record(ndef.URI, f"https://pay.example/{n}")),
    "NDEF external": lambda n, r: chip(ndef=record("urn:nfc:ext:club.example:member", n)),
    "garbled NDEF": lambda n, r: chip(ndef=b"\xff\xfe" + n.encode()),
    "loyalty file": lambda n, r: chip(loyalty=encode_loyalty_file(LoyaltyFile("ABAN", n))),
    "loyalty file, grouped": lambda n, r: chip(loyalty=encode_loyalty_file(LoyaltyFile("ABAN", n[:8] + "-" + n[8:]))),
    "plain file": lambda n, r: chip(loyalty=b"CARD:" + n.encode() + b"\xff" * 9),
    "file of digits": lambda n, r: chip(loyalty=ber_tlv.encode(0xC2, n.encode().ljust(0x31, b" "))),
    "EMV number": lambda n, r: chip(loyalty=ber_tlv.encode(0x70, ber_tlv.encode(0x5A, packed(n)))),
    "packed": lambda n, r: chip(loyalty=ber_tlv.encode(0x70, ber_tlv.encode(0xC9, packed(no_text(n))))),
    "packed file": lambda n, r: chip(loyalty=packed(no_text(n)) + b"\xff" * 20),
    "packed track": lambda n, r: chip(loyalty=ber_tlv.encode(0xC9, packed(no_text(n).rstrip("f") + "d" + expiry(r)))),
    "three tracks, Enter between": lambda n, r: raw(
        f"%B{n}^DOE/J^{expiry(r)}101?\r;{n}={expiry(r)}101?\r+01{n}=724?\r", DeviceClass.MSR
    ),
    "second group of track 2": lambda n, r: raw(f";12345678?;01{n}=724724?"),
    "track 2 after @": lambda n, r: raw(f"%A?@{n}={expiry(r)}101?"),
    "track 1 failed": lambda n, r: raw(f"%E?;{n}={expiry(r)}101?"),
    "track 2 without end": lambda n, r: raw(f";{n}={expiry(r)}"),
    "swipe without start": lambda n, r: raw(f"B{n}^DOE/J^{expiry(r)}101?"),
    "swipe with noise": lambda n, r: raw(f"xx%B{n}^DOE/J^{expiry(r)}101?;{n}={expiry(r)}?"),
    "swipe with a wrong LRC": lambda n, r: raw(f";{n}={expiry(r)}101?" + r.choice("01234")),
    "JIS stripe": lambda n, r: raw(f"\x7f{n}\x7f"),
    "typed, spaced dashes": lambda n, r: raw(" - ".join(n[at : at + 4] for at in range(0, len(n), 4))),
    "typed, tabs": lambda n, r: raw("no " + "\t".join(n[at : at + 4] for at in range(0, len(n), 4))),
    "right-to-left marks": lambda n, r: raw("\u200f".join(n[at : at + 4] for at in range(0, len(n), 4))),
    "Arabic digits": lambda n, r: raw(in_script(n, 0x0660)),
    "full-width digits": lambda n, r: raw(in_script(n, 0xFF10)),
    "Devanagari digits": lambda n, r: raw("]Q1" + in_script(n, 0x0966)),
    "UTF-16 scan": lambda n, r: RawRead("reader", DeviceClass.SCANNER, n.encode("utf-16-le"), AT),
    "percent-encoded": lambda n, r: raw(f"https://pay.example/?c={percent(n)}"),
    "percent-encoded from the start": lambda n, r: raw(percent(n)),
    "percent-encoded Persian": lambda n, r: raw(f"]Q1https://pay.example/{quote(persian_digits(n))}"),
    "QR JSON": lambda n, r: raw(f'{{"pan":"{n}","exp":"{expiry(r)}","amount":{r.randrange(10**6)}}}'),
    "GS1 batch": lambda n, r: raw(f"]C1010400638133393110{n}{GS}21X"),
    "GS1 serial": lambda n, r: raw(f"]d2010400638133393121{n}"),
    "GS1 internal 90": lambda n, r: raw(f"]Q390{n}"),
    "GS1 in brackets": lambda n, r: raw(f"(01)04006381333931(21){n}"),
    "GS1 garbled": lambda n, r: raw(f"]C18019{n}"),
    "Digital Link with it": lambda n, r: raw(f"https://x.example/8018/123456789012345675?pan={n}"),
    "Interleaved 2 of 5": lambda n, r: raw(f"]I0{n}") if len(n) in (16, 18) else raw(f"]S0{n}"),
    "Codabar": lambda n, r: raw(f"]F0A{n}B"),
    "NDEF link, percent-encoded": lambda n, r: chip(ndef=record(ndef.URI, f"https://pay.example/{percent(n)}")),
    "NDEF Persian": lambda n, r: chip(ndef=record(ndef.TEXT, persian_digits(n))),
    "NDEF plain text": lambda n, r: chip(ndef=record("text/plain", f"card={n}")),
    "file in Arabic digits": lambda n, r: chip(loyalty=in_script(n, 0x0660).encode()),
    "file in UTF-16": lambda n, r: chip(loyalty=n.encode("utf-16-be")),
    "EMV track 2": lambda n, r: chip(loyalty=emv(n, 0x57, r)),
    "EMV track 1": lambda n, r: chip(loyalty=emv(n, 0x56, r)),
    "EMV record in another file": lambda n, r: chip(ndef=emv(n, 0x5A, r)),
}
"""By name. ``raw`` is what a keyboard or a line delivers, ``chip`` what a card script found."""


def cards(count: int, seed: int) -> Iterator[tuple[str, random.Random]]:
    rng = random.Random(seed)
    brands = sorted({issuer.brand for issuer in SPECIFIC})
    for _ in range(count):
        brand = rng.choice(brands)
        yield card_of(rng.choice([issuer for issuer in SPECIFIC if issuer.brand == brand]), rng), rng


def card_of(issuer: IssuerRange, rng: random.Random) -> str:
    length = rng.choice(issuer.lengths)
    prefix = str(rng.randint(int(issuer.first), int(issuer.last)))
    body = prefix + "".join(rng.choice("0123456789") for _ in range(length - 1 - len(prefix)))
    return body + luhn_digit(body)


def leaks(result: CardRead | RejectedRead, number: str) -> bool:
    """Do six digits in a row of the card stand anywhere in the result: fields, bytes, repr?"""
    return any(shows(text, number) for text in (repr(result), *_texts(dataclasses.asdict(result))))


def shows(text: str, number: str, run: int = 6) -> bool:
    """Do ``run`` digits in a row of the card stand in this text, whatever stands between them?"""
    digits = "".join(c for c in fold_digits(unquote(text)) if c.isascii() and c.isdigit())
    return any(number[n : n + run] in digits for n in range(len(number) - run + 1))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
        yield value.hex()
    elif isinstance(value, str):
        yield value
