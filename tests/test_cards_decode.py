"""From a read to the member it names, by the club's rules; and why not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.cards import ndef
from posd.cards.candidates import is_random_uid
from posd.cards.checks import gs1_digit, luhn_digit
from posd.cards.chip import LOYALTY, NDEF, ChipContents, encode_chip
from posd.cards.decode import decode
from posd.cards.identity import Identity, card_key, phone_identity
from posd.cards.iso7813 import swipe_text
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file
from posd.cards.reads import (
    BarcodeRead,
    ChipRead,
    MagstripeRead,
    Medium,
    RejectedRead,
    RejectReason,
    flaw,
    parse_flaw,
)
from posd.cards.rules import CardRules, identify, parse_rules
from posd.clock import Instant
from posd.errors import ConfigError
from posd.events import DeviceClass, RawRead

AT = Instant(1, "b", 2)
UID = bytes.fromhex("04A1B2C3D4E5F6")
FRESH = CardRules()
PIECES = st.sampled_from(
    [b"%", b";", b"?", b"]C1", b"]E0", b"8018", b"\x1d", b"https://", b"/", b"(", b"4111111111111111", b"\xe3", b"\xc4"]
)


def text_read(text: str, device_class: DeviceClass = DeviceClass.SCANNER) -> RawRead:
    return RawRead("r1", device_class, text.encode(), AT)


def chip_read(uid: bytes | None = None, **contents: bytes) -> RawRead:
    return RawRead("r1", DeviceClass.SMARTCARD, encode_chip(ChipContents(b"\x3b\x00", uid, contents)), AT)


def ndef_message(*records: tuple[str, str]) -> bytes:
    return ndef.encode_message([ndef.NdefRecord(kind, text) for kind, text in records])


def member(raw: RawRead, rules: CardRules = FRESH) -> Identity | RejectReason:
    read = decode(raw, rules)
    found = read if isinstance(read, RejectedRead) else identify(read, rules)
    return found.reason if isinstance(found, RejectedRead) else found


def value(raw: RawRead, rules: CardRules = FRESH) -> str:
    found = member(raw, rules)
    assert isinstance(found, Identity), found
    return found.value


# --- decode


def test_one_device_may_send_swipes_and_scans() -> None:
    for device_class in (DeviceClass.MSR, DeviceClass.SCANNER):
        assert isinstance(decode(text_read("%B9876543210^A?;9876543210?", device_class), FRESH), MagstripeRead)
        assert isinstance(decode(text_read("MEM-0007719", device_class), FRESH), BarcodeRead)


def test_what_a_read_carries() -> None:
    swipe = decode(text_read("%e?\r;9876543210=1?\r+22?"), FRESH)
    assert swipe == MagstripeRead("r1", AT, None, "9876543210=1", "22", failed=(1,))
    assert decode(text_read("]C0MEM-1\r"), FRESH) == BarcodeRead("r1", AT, "MEM-1", "]C0")
    chip = decode(chip_read(UID, loyalty=b"x"), FRESH)
    assert chip == ChipRead("r1", AT, b"\x3b\x00", UID, {LOYALTY: b"x"})


def test_no_read_shows_a_digit() -> None:
    for raw in (text_read(";9876543210?"), text_read("9876543210"), chip_read(UID, loyalty=b"9876543210")):
        assert "9876" not in repr(raw) + repr(decode(raw, FRESH)) + repr(member(raw))
    assert "A1B2" not in repr(decode(chip_read(UID), FRESH)).upper()


@pytest.mark.parametrize(
    ("raw", "medium", "reason"),
    [
        (text_read("%B98765432"), Medium.MAGSTRIPE, RejectReason.PARTIAL),
        (text_read("%E?;E?"), Medium.MAGSTRIPE, RejectReason.UNREADABLE),
        (text_read(";23?6"), Medium.MAGSTRIPE, RejectReason.BAD_CHECK),
        (text_read(""), Medium.BARCODE, RejectReason.NOISE),
        (text_read("  \r"), Medium.BARCODE, RejectReason.NOISE),
        (text_read("NOREAD\r"), Medium.BARCODE, RejectReason.NOISE),
        (text_read("]Z6um: N/A"), Medium.BARCODE, RejectReason.NOISE),
        (text_read("x" * 5000), Medium.BARCODE, RejectReason.UNREADABLE),
        (RawRead("r1", DeviceClass.SCANNER, b"\xff\xfe", AT), Medium.BARCODE, RejectReason.UNREADABLE),
        (RawRead("r1", DeviceClass.SMARTCARD, b"hello", AT), Medium.CHIP, RejectReason.UNREADABLE),
    ],
)
def test_what_is_no_read_says_why(raw: RawRead, medium: Medium, reason: RejectReason) -> None:
    read = decode(raw, FRESH)
    assert isinstance(read, RejectedRead)
    assert (read.medium, read.reason) == (medium, reason)


@pytest.mark.parametrize("reason", list(RejectReason))
def test_a_flaw_keeps_its_reason_and_detail(reason: RejectReason) -> None:
    assert parse_flaw(flaw(reason)) == (reason, "")
    assert parse_flaw(flaw(reason, "why: this")) == (reason, "why: this")
    read = decode(RawRead("r1", DeviceClass.MSR, b"", AT, flaw(reason, "in words")), FRESH)
    assert read == RejectedRead("r1", AT, Medium.MAGSTRIPE, reason, "in words")


def test_a_strangers_flaw_is_unreadable_and_its_digits_are_masked() -> None:
    read = decode(RawRead("r1", DeviceClass.SCANNER, b"", AT, "oops 9876543210123456"), FRESH)
    assert isinstance(read, RejectedRead)
    assert read.reason is RejectReason.UNREADABLE
    assert "9876543210" not in read.detail


@pytest.mark.fuzz
@settings(deadline=None)
@given(
    st.binary(max_size=120) | st.text(max_size=60).map(str.encode) | st.lists(PIECES, max_size=12).map(b"".join),
    st.sampled_from(DeviceClass),
)
def test_decode_and_identify_never_raise(payload: bytes, device_class: DeviceClass) -> None:
    read = decode(RawRead("r1", device_class, payload, AT), FRESH)
    if not isinstance(read, RejectedRead):
        assert isinstance(identify(read, FRESH), Identity | RejectedRead)


@pytest.mark.fuzz
@settings(deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60), st.none() | st.binary(min_size=4, max_size=10))
def test_any_chip_is_somebody_or_nobody(loyalty: bytes, message: bytes, uid: bytes | None) -> None:
    member(chip_read(uid, loyalty=loyalty, ndef=message))


# --- a fresh shop


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (text_read(";0090073029910=?"), "0090073029910"),
        (text_read("%B1234567890^A/B^?;0090073029910=2512?"), "0090073029910"),
        (text_read("%B0090073029910^DOE/JOHN?"), "0090073029910"),
        (text_read("%0090073029910?"), "0090073029910"),
        (text_read("MEM-0007719"), "MEM-0007719"),
        (text_read("]C0 0007719 "), "0007719"),
        (text_read("]C18018123456789012345675"), "123456789012345675"),
        (text_read("]Q1https://club.example/8018/123456789012345675"), "123456789012345675"),
        (chip_read(UID, loyalty=encode_loyalty_file(LoyaltyFile("ABAN", "0007719")), ndef=b""), "0007719"),
        (chip_read(UID, ndef=ndef_message((ndef.URI, "posd:0007719"))), "0007719"),
        (chip_read(UID, ndef=ndef_message((ndef.TEXT, "0007719"))), "0007719"),
        (chip_read(UID, ndef=ndef_message(("urn:nfc:ext:club.example:member", "0007719"))), "0007719"),
        (
            chip_read(
                UID, ndef=ndef_message((ndef.URI, "https://x.example/"), (ndef.TEXT, "Hello there"), (ndef.TEXT, "M-1"))
            ),
            UID.hex().upper(),
        ),
        (
            chip_read(UID, ndef=ndef_message((ndef.URI, "https://c.example/8018/123456789012345675"))),
            "123456789012345675",
        ),
        (chip_read(UID), UID.hex().upper()),
        (chip_read(UID, ndef=b"garbled"), UID.hex().upper()),
    ],
)
def test_a_fresh_shop_reads_what_there_is(raw: RawRead, number: str) -> None:
    assert value(raw) == number


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (text_read(";1234567?"), RejectReason.OTHER_CLUB),
        (text_read("%LC/MR/ABC?"), RejectReason.OTHER_CLUB),
        (text_read("+12345678901?"), RejectReason.OTHER_CLUB),
        (text_read("4006381333931"), RejectReason.PRODUCT_BARCODE),
        (text_read("]E0036000291452"), RejectReason.PRODUCT_BARCODE),
        (text_read("123"), RejectReason.OTHER_CLUB),
        (text_read("x" * 65), RejectReason.OTHER_CLUB),
        (text_read("%E?;E?"), RejectReason.UNREADABLE),
        (text_read("%B0090073029910^A?;E?"), RejectReason.UNREADABLE),
        (chip_read(), RejectReason.OTHER_CLUB),
        (chip_read(bytes.fromhex("08A1B2C3")), RejectReason.OTHER_CLUB),
        (chip_read(loyalty=b"someone else's file"), RejectReason.UNREADABLE),
        (
            chip_read(loyalty=encode_loyalty_file(LoyaltyFile("ABAN", "0007719")).replace(b"77", b"78")),
            RejectReason.BAD_CHECK,
        ),
    ],
)
def test_a_fresh_shop_says_why_not(raw: RawRead, reason: RejectReason) -> None:
    assert member(raw) is reason


@pytest.mark.complaint(26)
def test_the_same_number_is_the_same_member_on_every_medium() -> None:
    number = "0098765432109"
    reads = [
        text_read(f";{number}=2512?"),
        text_read(f"%B{number}^A/B?"),
        text_read("]C0" + number),
        chip_read(loyalty=encode_loyalty_file(LoyaltyFile("ABAN", number))),
        chip_read(UID, ndef=ndef_message((ndef.URI, "posd:" + number))),
    ]
    keys = set()
    for raw in reads:
        found = member(raw)
        assert isinstance(found, Identity)
        assert (found.scheme, found.value, found.tail, found.earn_only) == ("card", number, "2109", False)
        keys.add(card_key(b"club", found))
    assert len(keys) == 1


def test_a_uid_is_a_number_on_plastic() -> None:
    found = member(chip_read(UID))
    assert isinstance(found, Identity)
    assert (found.scheme, found.earn_only, found.medium) == ("uid", True, Medium.CHIP)


@pytest.mark.parametrize(("uid", "random"), [("08112233", True), ("04112233", False), ("0811223344556677", False)])
def test_random_uids(uid: str, random: bool) -> None:
    assert is_random_uid(bytes.fromhex(uid)) is random


def test_a_short_number_shows_less_of_itself() -> None:
    assert [len(member(text_read(f"A{'7' * n}")).tail) for n in (4, 7, 12)] == [1, 2, 4]  # type: ignore[union-attr]  # identities, as the values above


def test_keys_differ_by_club_scheme_and_value_and_hide_all() -> None:
    one = Identity("card", "0007719", Medium.BARCODE)
    keys = {
        card_key(b"a", one),
        card_key(b"b", one),
        card_key(b"a", Identity("uid", "0007719", Medium.CHIP)),
        card_key(b"a", Identity("card", "007719", Medium.BARCODE)),
        card_key(b"a", phone_identity("+989120001234")),
    }
    assert len(keys) == 5
    assert all(len(key) == 32 for key in keys)
    assert phone_identity("+989120001234").tail == "34"
    assert "7719" not in repr(one)


# --- the club's own rules


def rules(*tables: dict[str, Any], **more: Any) -> CardRules:
    return parse_rules({"rule": list(tables), **more})


def luhn(body: str) -> str:
    return body + luhn_digit(body)


def test_own_rules_come_first_and_the_defaults_can_be_left_out() -> None:
    own = {"read": "track2", "pattern": "9876([0-9]{6})", "scheme": "club"}
    found = member(text_read(";9876543210?"), rules(own))
    assert isinstance(found, Identity)
    assert (found.scheme, found.value) == ("club", "543210")
    assert value(text_read(";1234567890?"), rules(own)) == "1234567890"
    assert member(text_read(";1234567890?"), rules(own, defaults=False)) is RejectReason.OTHER_CLUB


def test_a_wrong_check_digit_ends_the_search() -> None:
    own = rules({"read": "barcode", "pattern": "29[0-9]{11}", "check": "gs1"}, {"read": "track2", "check": "luhn"})
    right = "291234567890"
    assert value(text_read(right + gs1_digit(right)), own) == right + gs1_digit(right)
    assert member(text_read(right + str((int(gs1_digit(right)) + 1) % 10)), own) is RejectReason.BAD_CHECK
    assert value(text_read(f";{luhn('9876543210')}?"), own) == luhn("9876543210")
    assert member(text_read(";98765432100?"), own) is RejectReason.BAD_CHECK


def test_a_barcode_rule_with_a_pattern_takes_product_codes_too() -> None:
    own = rules({"read": "barcode", "pattern": "2[0-9]{12}", "symbologies": ["]E0"]})
    assert value(text_read("]E02000000000008"), own) == "2000000000008"
    assert member(text_read("2000000000008"), own) is RejectReason.PRODUCT_BARCODE, "not the named symbology"
    assert member(text_read("]E04006381333931"), own) is RejectReason.PRODUCT_BARCODE


def test_upc_a_is_one_number_with_and_without_its_zero() -> None:
    own = rules({"read": "barcode", "pattern": "0?036000[0-9]{6}"})
    assert value(text_read("036000291452"), own) == value(text_read("]E00036000291452"), own) == "0036000291452"


def test_lengths_and_alternatives_in_a_pattern() -> None:
    own = rules({"read": "barcode", "lengths": [6, 10]}, {"read": "barcode", "pattern": "A(1)?[0-9]+"}, defaults=False)
    assert value(text_read("ABC123"), own) == "ABC123"
    assert member(text_read("ABC1234"), own) is RejectReason.OTHER_CLUB
    assert value(text_read("A99"), own) == "A99", "a group that took no part gives the whole"


def test_a_rule_reads_the_track_it_names() -> None:
    own = rules({"read": "track3", "pattern": "[0-9]{2}([0-9]+)=?"}, {"read": "track1", "scheme": "one"})
    assert value(text_read("%A?;12345678?+011234=?"), own) == "1234"
    assert member(text_read("%A?;12345678?+E?"), own) is RejectReason.UNREADABLE
    found = member(text_read("%A-1?"), own)
    assert isinstance(found, Identity)
    assert (found.scheme, found.value) == ("one", "A-1")


def test_loyalty_files_of_others() -> None:
    plain = chip_read(loyalty=b"LOYALTY:0123456789\xff\xff")
    assert member(plain) is RejectReason.UNREADABLE
    assert value(plain, rules({"read": "loyalty", "pattern": "LOYALTY:([0-9]+)"})) == "0123456789"
    packed = chip_read(loyalty=bytes.fromhex("0100 0012 3456 7890"))
    assert value(packed, rules({"read": "loyalty_hex", "pattern": "01([0-9]{14})"})) == "00001234567890"
    ours = chip_read(loyalty=encode_loyalty_file(LoyaltyFile("OTHER", "0007719")))
    assert member(ours, rules({"read": "loyalty", "issuers": ["ABAN"]}, defaults=False)) is RejectReason.OTHER_CLUB
    assert value(ours, rules({"read": "loyalty", "issuers": ["OTHER"]}, defaults=False)) == "0007719"


def test_one_letter_prefixes_belong_to_a_reader() -> None:
    symbol = parse_rules({"code_ids": {"r1": "symbol"}})
    assert decode(text_read("D0007719"), symbol) == BarcodeRead("r1", AT, "0007719", "]C0")
    assert decode(text_read("D0007719"), FRESH) == BarcodeRead("r1", AT, "D0007719")


def test_own_prefixes_let_the_clubs_cards_through() -> None:
    card = text_read(swipe_text(track2=f"{luhn('600905123456789')}=2512101"))
    assert member(card) is RejectReason.PAYMENT_CARD
    assert value(card, rules(own_prefixes=["600905"])) == luhn("600905123456789")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"own_prefix": []}, "did you mean 'own_prefixes'"),
        ({"rule": [{"reed": "track2"}]}, r"rule\[0\].*did you mean 'read'"),
        ({"rule": [{"read": "track4"}]}, "track4"),
        ({"rule": [{"pattern": "1"}]}, "'read' is missing"),
        ({"rule": [{"read": "track2", "pattern": "("}]}, "regular expression"),
        ({"rule": [{"read": "track2", "scheme": "phone"}]}, "scheme"),
        ({"rule": [{"read": "track2", "scheme": "Card 1"}]}, "scheme"),
        ({"rule": [{"read": "track2", "symbologies": ["]E0"]}]}, "barcode"),
        ({"rule": [{"read": "track2", "issuers": ["A"]}]}, "loyalty file"),
        ({"rule": [{"read": "track2", "check": "mod11"}]}, "mod11"),
        ({"code_ids": {"r1": "zebra"}}, "not one of symbol"),
        ({"own_prefixes": "98"}, "must be a list"),
    ],
)
def test_a_wrong_table_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_rules(table)


def test_contents_are_named_as_the_scripts_name_them() -> None:
    assert (LOYALTY, NDEF) == ("loyalty", "ndef")
