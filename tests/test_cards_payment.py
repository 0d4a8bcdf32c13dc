"""The payment-card guard: no bank card passes `decode`, on any medium, and no digit of one is in what comes out."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from posd.cards import ber_tlv, ndef, payment
from posd.cards.checks import gs1_digit, luhn_digit, luhn_ok
from posd.cards.chip import ChipContents, encode_chip
from posd.cards.decode import decode
from posd.cards.digits import fold_digits, persian_digits
from posd.cards.iso7813 import swipe_text
from posd.cards.issuers import IRAN, SPECIFIC, IssuerRange, issuer_of
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file
from posd.cards.reads import CardRead, RejectedRead, RejectReason
from posd.cards.rules import CardRules, parse_rules
from posd.clock import Instant
from posd.errors import ConfigError
from posd.events import DeviceClass, RawRead

AT = Instant(0, "", 0)
RULES = CardRules()
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
}


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
    said = [repr(result), *_texts(dataclasses.asdict(result))]
    digits = ["".join(c for c in fold_digits(unquote(text)) if c.isascii() and c.isdigit()) for text in said]
    return any(number[n : n + 6] in text for text in digits for n in range(len(number) - 5))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
        yield value.hex()
    elif isinstance(value, str):
        yield value


def refuse_all(count: int, seed: int, form: str) -> None:
    for number, rng in cards(count, seed):
        result = decode(FORMS[form](number, rng), RULES)
        assert isinstance(result, RejectedRead), (form, issuer_of(number), len(number))
        assert result.reason in (RejectReason.PAYMENT_CARD, RejectReason.PRODUCT_BARCODE), (form, result.reason)
        assert result.reason is RejectReason.PAYMENT_CARD or len(number) == 13, form
        assert not leaks(result, number), form


@pytest.mark.parametrize("form", FORMS)
def test_no_payment_card_passes(form: str) -> None:
    refuse_all(400, 1, form)


MEDIA = {
    "swipe": (
        "both tracks",
        "track 1",
        "track 2",
        "track 2 bare",
        "track 3",
        "swipe with LRC",
        "half swipe",
        "two swipes",
    ),
    "barcode": ("barcode", "Code 128", "GS1-128, internal", "number and date run together"),
    "QR": ("grouped", "Persian digits", "QR text", "QR link"),
    "NDEF": ("NDEF text", "NDEF text in UTF-16", "NDEF link", "NDEF external", "garbled NDEF"),
    "file": (
        "loyalty file",
        "loyalty file, grouped",
        "plain file",
        "file of digits",
        "EMV number",
        "packed",
        "packed file",
        "packed track",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("medium", MEDIA)
def test_no_payment_card_of_twenty_thousand_passes(medium: str) -> None:
    forms = MEDIA[medium]
    for seed, form in enumerate(forms, start=100):
        refuse_all(-(-20_000 // len(forms)), seed, form)


def test_every_form_belongs_to_a_medium() -> None:
    assert sorted(form for forms in MEDIA.values() for form in forms) == sorted(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_with_the_guard_off_the_number_is_found(form: str) -> None:
    """Positive control: the same reads with the card's own issuer let through carry the digits that `leaks` looks for.
    Where the number is packed or the swipe is broken, it is only the reason that changes."""
    read_anyway = 0
    for number, rng in cards(200, 3):
        if any(bank.covers(number) for bank in IRAN):
            continue
        result = decode(FORMS[form](number, rng), CardRules(own_prefixes=(number[:8],)))
        if isinstance(result, RejectedRead):
            continue
        read_anyway += 1
        assert leaks(result, number), form
    broken = form in ("half swipe", "two swipes", "EMV number", "track 3", "number and date run together")
    assert read_anyway > 0 or broken, form


# --- what must be refused, by name


@pytest.mark.parametrize(
    "text",
    [
        "%B4242424242424242^SURNAME/FIRSTNAME I^15052011000000000000?;4242424242424242=15052011000000000000?",
        "%B4242 4242 4242 4242^SURNAME/F^1505?",
        "%B4123456789012349^PERSON/RANDOM.MR                ^18112019420244000001  199      ?",
        "%B378282246310005^DOE/JANE^1805101000000000000000503000000?",
        "%B378282246310006^DOE/JANE^1805101?",
        ";4111111111111111=2512101?",
        ";4222222222222=2512101?",
        ";67677000000" + luhn_digit("67677000000") + "=2512101?",
        ";6037991234567893=0212101?",
        ";2512101?+014111111111111111=1?",
        "%E?;4111111111111111=2512101?",
    ],
)
def test_swipes_of_bank_cards(text: str) -> None:
    result = decode(raw(text), RULES)
    assert isinstance(result, RejectedRead)
    assert result.reason is RejectReason.PAYMENT_CARD


@pytest.mark.parametrize(
    "text",
    [
        "%B654321^DOE/JOHN?",
        ";0090073029910=?",
        "%B212562477074168^ABCD/A MR^P 1501M                                         ^?;35345345345345345=2323?",
        "%LC/MR/ABCDEFG/A/ABCDE?;45454545454=112015?",
        ";92101707137827464=2456?",
        ";00000000==201100100900083753?",
        ";5646456464564565656=12491010000000000?",
        ";6009050000000000?",
        ";0123456789012345=18112019420244019901?",
        ";4111111111111112=2512101?",
        "9876543210123456",
        "4111111111111112",
        "411111111111",
        "41111111111111119999",
        "]C18018400638133393100007",
        "]C10104006381333931",
        "]E04000000000006",
        '{"m":"A-77","t":1763668800}',
        "+98 912 000 1234",
    ],
)
def test_what_is_no_bank_card_is_left_in_peace(text: str) -> None:
    assert not isinstance(decode(raw(text), RULES), RejectedRead)


def test_a_chip_that_the_script_refused_stays_refused() -> None:
    payload = encode_chip(ChipContents(b"\x3b\x00", b"\x04" * 7, {}, RejectReason.PAYMENT_CARD))
    result = decode(RawRead("reader", DeviceClass.SMARTCARD, payload, AT), RULES)
    assert isinstance(result, RejectedRead)
    assert result.reason is RejectReason.PAYMENT_CARD


# --- own prefixes


@pytest.mark.parametrize(
    "text",
    [
        "%B6009051234567890^A/B^2512101?;6009051234567890=2512101?",
        ";9860123456789012=2512101?",
        "9860 1234 5678 9012",
        "]Q16009-0512-3456-7890",
    ],
)
def test_own_prefixes_win_over_structure_and_range(text: str) -> None:
    assert issuer_of("9860123456789012") == "humo"
    assert not isinstance(decode(raw(text), CardRules(own_prefixes=("600905", "986012"))), RejectedRead)


def test_a_foreign_card_beside_an_own_one_is_still_refused() -> None:
    own = CardRules(own_prefixes=("987654",))
    for text in (";9876543210?+014111111111111111?", "9876543210123456;4111111111111111"):
        result = decode(raw(text), own)
        assert isinstance(result, RejectedRead)
        assert result.reason is RejectReason.PAYMENT_CARD


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("603799", "belongs to a bank"),
        ("6037", "belongs to a bank"),
        ("60379912", "belongs to a bank"),
        ("9", "belongs to a bank"),
        ("4", "payment card range"),
        ("98", "payment card range"),
        ("22", "payment card range"),
        ("", "1 to 12 digits"),
        ("98x", "1 to 12 digits"),
    ],
)
def test_an_own_prefix_that_would_let_bank_cards_through_is_refused(prefix: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_rules({"own_prefixes": [prefix]})


@pytest.mark.parametrize("prefix", ["0", "12", "985", "70", "600905", "411234"])
def test_own_prefixes_that_a_club_may_have(prefix: str) -> None:
    assert parse_rules({"own_prefixes": [prefix]}).own_prefixes == (prefix,)


# --- false refusals, measured


def refused(numbers: Iterator[str]) -> float:
    results = [payment.in_text(number) for number in numbers]
    return sum(results) / len(results)


def random_numbers(length: int, first: str = "", count: int = 20_000) -> Iterator[str]:
    rng = random.Random(length)
    return (first + "".join(rng.choice("0123456789") for _ in range(length - len(first))) for _ in range(count))


def test_member_numbers_that_are_refused_by_accident() -> None:
    """The figures of docs/cards.md. One in ten passes Luhn; of those, as many as lie in a payment range."""
    assert refused(random_numbers(16)) < 0.04
    assert refused(random_numbers(10)) == refused(random_numbers(12)) == 0
    assert refused(random_numbers(13)) < 0.015
    assert refused(random_numbers(16, first="90")) == 0
    assert refused(random_numbers(16, first="0")) == 0
    assert refused(number[:15] + str((int(luhn_digit(number[:15])) + 1) % 10) for number in random_numbers(16)) == 0


def test_goods_are_never_taken_for_bank_cards() -> None:
    rng = random.Random(5)
    looked_like_cards = 0
    for _ in range(20_000):
        body = "".join(rng.choice("0123456789") for _ in range(12))
        ean = body + gs1_digit(body)
        looked_like_cards += payment.is_payment_number(ean)
        for text in (ean, "]E0" + ean, f"]C1010{ean}", f"]I10{ean}" if luhn_ok("0" + ean) else "]E0" + ean):
            result = decode(raw(text), RULES)
            assert not (isinstance(result, RejectedRead) and result.reason is RejectReason.PAYMENT_CARD)
    assert looked_like_cards > 50, "control: some goods have numbers that a card could have"
