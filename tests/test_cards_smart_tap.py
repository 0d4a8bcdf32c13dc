"""Google Smart Tap 2.1 against a phone of our own: passes that are read, phones without one, and phones that lie."""

from __future__ import annotations

import secrets
import tracemalloc
import zlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from posd.cards import smart_tap_records
from posd.cards.chip import SMART_TAP, ChipContents, decode_chip, encode_chip
from posd.cards.decode import decode
from posd.cards.elliptic import compressed, new_private_key, shared_secret
from posd.cards.identity import Identity
from posd.cards.ndef import NdefError
from posd.cards.reads import ChipRead, Refusal, RejectReason
from posd.cards.rules import CardRules, identify, parse_rules
from posd.cards.scripts.conversation import read_card
from posd.cards.scripts.dialogue import run
from posd.cards.scripts.setup import ChipSetup
from posd.cards.smart_tap import LONGEST_PLAIN, Channel, Offer, phone_nonce_in, phone_nonce_of
from posd.cards.wallets import AppleVas, AppleVasConfig, SmartTap, SmartTapConfig, Wallets
from posd.clock import Instant
from posd.drivers.read_only import read_only
from posd.drivers.simulated_card import loyalty_card, payment_card
from posd.events import DeviceClass, RawRead
from tests.fakes import smart_tap_phone as fake
from tests.fakes.apple_vas_phone import AppleVasPhone
from tests.fakes.smart_tap_phone import Habits, SmartTapPhone

KEY, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
CONFIG = SmartTapConfig(collector_id=20260001, key_version=3, key_file="smart-tap.pem")
SHOP = SmartTap(CONFIG, KEY)
SETUP = ChipSetup(random_bytes=secrets.token_bytes, wallets=Wallets(smart_tap=SHOP))
KNOWN = {CONFIG.collector_id: (3, KEY.public_key())}
VALUE = "M-0012345"
SELECT_OSE = bytes.fromhex("00A404000A4F53452E5641532E303100")


def read(phone: Any, setup: ChipSetup = SETUP) -> ChipContents:
    return run(read_card(phone.atr, setup), lambda command: phone(read_only(command)))


def phone(**habits: Any) -> SmartTapPhone:
    return SmartTapPhone(KNOWN, VALUE, Habits(**habits))


def channel() -> tuple[Offer, Channel, SmartTapPhone]:
    one = phone(part=4000)
    offer = Offer(SHOP, one.nonce, secrets.token_bytes)
    answer = one._negotiate(offer.request)
    opened = offer.accepted(answer[:-2])
    assert isinstance(opened, Channel)
    return offer, opened, one


OFFER, CHANNEL, PHONE = channel()


# --- the fake is right


def test_the_fakes_hkdf() -> None:
    """RFC 5869 §A.1."""
    out = fake.hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)
    assert out.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"


def test_the_fakes_counter_mode() -> None:
    key, iv, data = bytes(range(16)), b"twelve bytes", bytes(100)
    encryptor = Cipher(AES128(key), CTR(iv + bytes(4))).encryptor()
    assert fake.counter_mode(key, iv, data) == encryptor.update(data)


def test_both_sides_come_to_the_same_key() -> None:
    ours, theirs = new_private_key(secrets.token_bytes), ec.generate_private_key(ec.SECP256R1())
    assert shared_secret(ours, compressed(theirs)) == theirs.exchange(ec.ECDH(), ours.public_key())
    whole = theirs.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    for other in (b"", b"\x02" + b"\xff" * 32, b"\x05" + compressed(theirs)[1:], compressed(theirs) + b"\0", whole):
        assert shared_secret(ours, other) is None


def test_the_same_random_bytes_make_the_same_offer() -> None:
    one, same, other = (Offer(SHOP, b"n" * 32, random).request for random in (bytes, bytes, secrets.token_bytes))
    assert one == same != other


# --- passes


@pytest.mark.parametrize(
    "habits",
    [
        {},
        {"compress": False},
        {"text_record": True},
        {"part": 40},
        {"part": 1000},
        {"nonce_in_ose": False},
        {"may_skip_select": False},
    ],
)
def test_the_value_of_the_pass_is_read_and_nothing_else(habits: dict[str, Any]) -> None:
    one = phone(**habits)
    assert read(one) == ChipContents(one.atr, None, {SMART_TAP: VALUE.encode()})
    asked = [command[:2].hex() for command in one.asked]
    selects = 1 if habits.get("nonce_in_ose", True) and habits.get("may_skip_select", True) else 2
    assert one.asked[0] == SELECT_OSE
    assert asked[: selects + 2] == ["00a4"] * selects + ["9053", "9050"]
    assert set(asked[selects + 2 :]) <= {"90c0"}, "no payment directory, no UID"


def test_every_tap_has_keys_of_its_own_though_the_phone_repeats_its_nonce_and_key() -> None:
    one = phone()
    assert read(one) == read(one)
    assert len(set(one.derived)) == 2


def test_a_pass_collects_and_does_not_spend_unless_the_club_says_so() -> None:
    raw = RawRead("door", DeviceClass.SMARTCARD, encode_chip(read(phone())), Instant(0, "", 0))
    chip = decode(raw, CardRules())
    assert isinstance(chip, ChipRead)
    identity = identify(chip, CardRules())
    assert isinstance(identity, Identity)
    assert (identity.value, identity.scheme, identity.earn_only) == (VALUE, "card", True)
    lifted = identify(chip, parse_rules({"rule": [{"read": "smart_tap"}]}))
    assert isinstance(lifted, Identity)
    assert not lifted.earn_only


def test_a_payment_card_number_in_a_pass_is_refused() -> None:
    found = read(SmartTapPhone(KNOWN, "4111111111111111"))
    read_ = decode(RawRead("door", DeviceClass.SMARTCARD, encode_chip(found), Instant(0, "", 0)), CardRules())
    assert getattr(read_, "reason", None) is RejectReason.PAYMENT_CARD


# --- phones without a pass, and other cards


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (fake.NO_PASS, "no pass of this collector"),
        (b"\x91\x02", "no pass of this collector"),
        (b"\x92\x00", "tap again"),
        (fake.MUST_CHOOSE, "choose a pass"),
        (fake.TOO_MANY, "too often"),
        (b"\x6d\x00", "6D00"),
    ],
)
def test_a_phone_without_a_pass_is_no_payment_card(status: bytes, why: str) -> None:
    one = phone(status=status)
    found = read(one)
    assert (found.refusal, why in found.detail) == (RejectReason.EMPTY_PHONE, True)
    assert fake.PPSE not in b"".join(one.asked), "it is not even asked"


@pytest.mark.parametrize(
    "shops",
    [{}, {CONFIG.collector_id: (4, KEY.public_key())}, {CONFIG.collector_id: (3, STRANGER.public_key())}],
    ids=["collector", "version", "key"],
)
def test_a_phone_that_does_not_know_the_shop(shops: dict[int, Any]) -> None:
    found = read(SmartTapPhone(shops, VALUE))
    assert (found.refusal, "collector_id, key_version and key_file" in found.detail) == (RejectReason.EMPTY_PHONE, True)


def test_a_pass_without_a_loyalty_value_is_none() -> None:
    for plain in (fake.message(("asv", fake.message(("of", b"")))), fake.message(("cus", b""))):
        assert read(phone(plain=plain, compress=False)).refusal is RejectReason.EMPTY_PHONE
    assert read(phone(value_name="p")).refusal is RejectReason.EMPTY_PHONE
    for value in ("", "x" * 5000):
        assert read(SmartTapPhone(KNOWN, value)).refusal is RejectReason.EMPTY_PHONE


def test_where_no_wallet_is_configured_a_phone_is_a_payment_card_and_the_first_question_is_that() -> None:
    for one in (phone(), payment_card()):
        asked: list[bytes] = []

        def transmit(command: bytes, one: Any = one, asked: list[bytes] = asked) -> bytes:
            asked.append(command)
            return bytes(one(command))

        assert run(read_card(one.atr, ChipSetup()), transmit).refusal is RejectReason.PAYMENT_CARD
        assert [command[5:19] for command in asked] == [fake.PPSE]


def test_with_wallets_a_payment_card_is_refused_behind_one_question_and_others_are_read() -> None:
    asked: list[bytes] = []
    cards = {"payment": payment_card(), "loyalty": loyalty_card("0012345")}

    def transmit(command: bytes, name: str) -> bytes:
        asked.append(command)
        return cards[name](command)

    refused = run(read_card(cards["payment"].atr, SETUP), lambda command: transmit(command, "payment"))
    assert refused.refusal is RejectReason.PAYMENT_CARD
    assert [command[5:-1] for command in asked] == [b"OSE.VAS.01", fake.PPSE]
    found = run(read_card(cards["loyalty"].atr, SETUP), lambda command: transmit(command, "loyalty"))
    assert found.contents.keys() == {"loyalty"}


@pytest.mark.parametrize("fci", [b"", b"\x6f\x7f", bytes.fromhex("6F0A50084F74686572506179"), b"\x6f\x02\x50\x00"])
def test_what_answers_to_the_wallets_name_and_is_none_may_be_a_payment_card(fci: bytes) -> None:
    asked: list[bytes] = []

    def transmit(command: bytes) -> bytes:
        asked.append(command)
        return (fci if len(asked) == 1 else fake.PAYMENT_FCI) + b"\x90\x00"

    assert run(read_card(phone().atr, SETUP), transmit).refusal is RejectReason.PAYMENT_CARD
    assert len(asked) == 2


def test_a_contact_card_is_no_phone() -> None:
    asked: list[bytes] = []

    def transmit(command: bytes) -> bytes:
        asked.append(command)
        return b"\x6a\x82"

    run(read_card(bytes.fromhex("3B6500009C02020702"), SETUP), transmit)
    assert SELECT_OSE not in asked


def test_a_phone_with_the_other_wallet() -> None:
    one = phone()
    apple = AppleVas(AppleVasConfig(("pass.com.example.club",), "apple-vas.pem"), KEY)
    found = read(one, ChipSetup(wallets=Wallets(apple_vas=apple)))
    assert (found.refusal, len(one.asked)) == (RejectReason.EMPTY_PHONE, 1)
    assert "[reader.smart_tap] is not configured" in found.detail
    other = AppleVasPhone({}, 0)
    found = read(other)
    assert (found.refusal, len(other.asked)) == (RejectReason.EMPTY_PHONE, 1)
    assert "[reader.apple_vas] is not configured" in found.detail


@pytest.mark.parametrize("answer", [b"\x6a\x82", b"\0\0\0\1\x90\x00", bytes(50) + b"\x90\x00"])
def test_a_phone_that_gives_no_nonce(answer: bytes) -> None:
    one = phone(nonce_in_ose=False)
    found = run(read_card(one.atr, SETUP), lambda command: answer if fake.SMART_TAP in command else one(command))
    assert (found.refusal, "gave no pass" in found.detail) == (RejectReason.EMPTY_PHONE, True)


# --- phones that lie


@pytest.mark.parametrize("flags", [0b00, 0b10, 0b101, 0b1001, 0b1111, 0x41, 0xFF])
def test_a_pass_in_a_form_that_nobody_agreed_on_is_refused(flags: int) -> None:
    """Not encrypted, or with flags whose meaning is unknown."""
    found = read(phone(flags=flags))
    assert (found.refusal, "form" in found.detail) == (RejectReason.UNREADABLE, True)


def test_turning_the_flag_of_compression_gives_no_other_value() -> None:
    assert read(phone(compress=True, flags=0b01)).refusal is RejectReason.UNREADABLE
    assert read(phone(compress=False, flags=0b11)).refusal is RejectReason.UNREADABLE


def test_an_answer_of_an_earlier_tap_is_refused() -> None:
    """The thief recorded a tap, and has the phone's nonce and public key, but no private key."""
    victim = phone(part=4000)
    assert read(victim).contents
    (recorded,) = victim.sent
    session_at = recorded.index(b"ses") + 3

    class Replay(SmartTapPhone):
        def _bundle(self) -> bytes:
            return recorded[recorded.index(b"reb") + 3 :]

    thief = Replay(KNOWN, VALUE, Habits(part=4000))
    thief.nonce, thief.key = victim.nonce, victim.key  # even so
    found = read(thief)
    assert (found.refusal, found.contents) == (RejectReason.NOT_GENUINE, {})
    assert "HMAC" in found.detail
    assert thief.sent[0][session_at : session_at + 8] != recorded[session_at : session_at + 8]


def test_an_answer_of_another_session_is_refused() -> None:
    assert read(phone(other_session=True)).refusal is RejectReason.UNREADABLE


@pytest.mark.parametrize(("size", "taken"), [(LONGEST_PLAIN, True), (LONGEST_PLAIN + 1, False), (900_000, False)])
def test_a_bomb_is_not_unpacked(size: int, taken: bool) -> None:
    """Each carries the value behind a filler that zlib makes nothing of; ndeflib would take all of them."""
    loyalty = fake.message(("ly", fake.record("n", b"\0" + VALUE.encode(), first=True, last=True)))
    behind = fake.record("asv", loyalty, last=True)
    filler = size - len(behind) - len(fake.record("xx", bytes(300))) + 300
    found = read(phone(plain=fake.record("xx", bytes(filler), first=True) + behind))
    assert found.contents == ({SMART_TAP: VALUE.encode()} if taken else {})
    assert found.refusal is (None if taken else RejectReason.UNREADABLE)


def test_a_pass_without_its_vector_is_refused() -> None:
    bundle = b"\x01" + fake.sealed(PHONE.derived[-1], b"short", b"")
    answer = fake.message(("srs", fake.message(("ses", PHONE._tap.session + b"\x04\x01"), ("reb", bundle))))
    assert CHANNEL.value(answer) == Refusal(RejectReason.UNREADABLE, "the phone's answer is not Smart Tap 2.1")


def test_a_bomb_takes_no_memory() -> None:
    bomb = fake.sealed(PHONE.derived[-1], b"twelve bytes", zlib.compress(bytes(12_000_000)))
    session = PHONE._tap.session + b"\x04\x01"
    answer = fake.message(("srs", fake.message(("ses", session), ("reb", b"\x03" + bomb))))
    tracemalloc.start()
    try:
        assert isinstance(CHANNEL.value(answer), Refusal)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_phone_that_has_more_for_ever_is_given_up() -> None:
    class Endless(SmartTapPhone):
        def _part(self) -> bytes:
            return bytes(200) + fake.MORE

    one = Endless(KNOWN, VALUE)
    assert read(one).refusal is RejectReason.EMPTY_PHONE
    assert len(one.asked) < 80


def test_a_phone_that_corrects_the_length_is_asked_again() -> None:
    """6Cxx, to which the same command goes out once more with another Le; found by the test of changed answers."""
    one, corrected = phone(part=60), False

    def transmit(command: bytes) -> bytes:
        nonlocal corrected
        if command[:2] == b"\x90\xc0" and not corrected:
            corrected = True
            return b"\x6c\x3c"
        return one(read_only(command))

    assert run(read_card(one.atr, SETUP), transmit).contents == {SMART_TAP: VALUE.encode()}
    assert b"\x90\xc0\x00\x00\x3c" in one.asked


@pytest.mark.fuzz
@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_a_refusal(data: bytes, inner: bytes) -> None:
    nonce = phone_nonce_of(data)
    assert nonce is None or len(nonce) == 32
    assert phone_nonce_in(data) is None or len(data) > 36
    for answer in (
        data,
        fake.message(("nrs", data)),
        fake.message(("nrs", fake.message(("ses", inner), ("dpk", data)))),
    ):
        assert isinstance(OFFER.accepted(answer), Refusal)
    for answer in (
        data,
        fake.message(("srs", data)),
        fake.message(("srs", fake.message(("ses", inner), ("reb", data)))),
    ):
        assert isinstance(CHANNEL.value(answer), Refusal)


@pytest.mark.fuzz
@given(st.binary(max_size=300), st.booleans())
def test_any_pass_of_a_phone_with_the_right_keys_is_a_value_or_a_refusal(plain: bytes, compress: bool) -> None:
    """The phone is a stranger's program that does the cryptography right."""
    body = zlib.compress(plain) if compress else plain
    bundle = bytes((0b11 if compress else 0b01,)) + fake.sealed(PHONE.derived[-1], b"twelve bytes", body)
    session = PHONE._tap.session + b"\x02\x01"
    found = CHANNEL.value(fake.message(("srs", fake.message(("ses", session), ("reb", bundle)))))
    assert isinstance(found, Refusal) or 0 < len(found) < 300
    assert not isinstance(found, Refusal) or found.reason is not RejectReason.NOT_GENUINE, "the MAC was right"


@pytest.mark.fuzz
@given(st.data())
def test_one_changed_answer_gives_the_value_or_a_refusal_and_never_another_value(data: st.DataObject) -> None:
    one = phone(part=data.draw(st.sampled_from([60, 250])), compress=data.draw(st.booleans()))
    changed_at, count = data.draw(st.integers(0, 5)), iter(range(1000))

    def transmit(command: bytes) -> bytes:
        answer = one(read_only(command))
        if next(count) != changed_at:
            return answer
        kind = data.draw(st.sampled_from(["flip", "cut", "insert", "status"]))
        at = data.draw(st.integers(0, len(answer) - 1))
        match kind:
            case "flip":
                return answer[:at] + bytes((answer[at] ^ 1 << data.draw(st.integers(0, 7)),)) + answer[at + 1 :]
            case "cut":
                return answer[:at] + answer[-2:]
            case "insert":
                return answer[:at] + data.draw(st.binary(min_size=1, max_size=5)) + answer[at:]
        return answer[:-2] + data.draw(st.binary(min_size=2, max_size=2))

    found = run(read_card(one.atr, SETUP), transmit)
    if found.contents:
        assert found.contents.get(SMART_TAP) == VALUE.encode()
    assert decode_chip(encode_chip(found)) == found


@pytest.mark.fuzz
@given(st.binary(max_size=120))
def test_any_bytes_are_records_or_an_error_that_quotes_nothing(data: bytes) -> None:
    try:
        for one in smart_tap_records.parse(data):
            assert one.text is None or isinstance(one.text, str)
    except NdefError as error:
        assert str(error) == "not a message of Smart Tap"
        assert error.__cause__ is None


@pytest.mark.parametrize(
    ("payload", "is_text", "text"),
    [
        (b"\x00abc", False, "abc"),
        (b"\x02\xc3\xa9", False, "é"),
        (b"\x02\xff", False, None),
        (b"\x04abc", False, None),
        (b"", False, None),
        (b"\x00abc", True, "abc"),
        (b"\x02enabc", True, "abc"),
        (b"\x82enabc", True, None),
        (b"", True, None),
    ],
)
def test_primitives_and_text_records(payload: bytes, is_text: bool, text: str | None) -> None:
    assert smart_tap_records.Record("n", payload, is_text).text == text


# --- secrets and settings


def test_the_key_shows_itself_nowhere() -> None:
    shown = repr((SETUP, SHOP, Wallets(SHOP)))
    assert "20260001" in shown, "positive control"
    assert "ECPrivateKey" not in shown


@pytest.mark.parametrize("change", [{"collector_id": 0}, {"collector_id": 2**32}, {"key_version": -1}])
def test_numbers_that_do_not_fit_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="four bytes"):
        SmartTapConfig(**{"collector_id": 1, "key_version": 1, "key_file": "k", **change})  # type: ignore[arg-type]
