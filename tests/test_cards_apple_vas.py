"""Apple VAS 1.0 against a phone of our own: passes that are read, phones without one, and phones that lie."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from posd.cards import ber_tlv
from posd.cards.apple_vas import EPOCH_2001, key_id, message_in, pass_type_hash
from posd.cards.chip import APPLE_VAS, ChipContents, decode_chip, encode_chip
from posd.cards.decode import decode
from posd.cards.identity import Identity
from posd.cards.reads import ChipRead, Refusal, RejectReason
from posd.cards.rules import CardRules, identify, parse_rules
from posd.cards.scripts.conversation import read_card
from posd.cards.scripts.dialogue import run
from posd.cards.scripts.setup import ChipSetup
from posd.cards.wallets import AppleVas, AppleVasConfig, Wallets
from posd.clock import Instant
from posd.drivers.read_only import read_only
from posd.errors import ConfigError
from posd.events import DeviceClass, RawRead
from tests.fakes import apple_vas_phone as fake
from tests.fakes.apple_vas_phone import AppleVasPhone, Pass
from tests.fakes.smart_tap_phone import PPSE
from tests.fakes.watched_card import OK

KEY, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
CLUB, OLD = "pass.com.example.club", "pass.com.example.old"
NOW = 1_790_000_000
SHOP = AppleVas(AppleVasConfig((CLUB, OLD), "apple-vas.pem"), KEY)
SETUP = ChipSetup(wallets=Wallets(apple_vas=SHOP), unix_seconds=NOW)
MESSAGE = b"M-0012345"
SELECT_OSE = bytes.fromhex("00A404000A4F53452E5641532E303100")


def read(phone: AppleVasPhone, setup: ChipSetup = SETUP) -> ChipContents:
    return run(read_card(phone.atr, setup), lambda command: phone(read_only(command)))


def phone(name: str = CLUB, message: bytes = MESSAGE, at: int = NOW, **habits: Any) -> AppleVasPhone:
    return AppleVasPhone({name: Pass(message, KEY.public_key())}, at, **habits)


# --- known answers


def test_the_hash_of_a_published_pass_type() -> None:
    digest = pass_type_hash("pass.com.passkit.pksamples.nfcdemo").hex()
    assert (digest[:8], digest[-4:]) == ("03b57cdb", "3146")


def test_the_fakes_galois_counter_mode_with_its_long_iv() -> None:
    for plain, also in ((b"", b""), (b"x" * 16, b""), (b"time" + MESSAGE, bytes(32)), (bytes(68), b"also")):
        key = hashlib.sha256(plain + also).digest()
        assert fake.galois_counter_mode(key, bytes(16), plain, also) == AESGCM(key).encrypt(bytes(16), plain, also)


# --- passes


@pytest.mark.parametrize("long_info", [True, False])
@pytest.mark.parametrize("message", [b"1", MESSAGE, b"x" * 64, "شماره ۱".encode()])
def test_the_message_of_the_pass_is_read_and_nothing_else(message: bytes, long_info: bool) -> None:
    one = phone(message=message, long_info=long_info)
    assert read(one) == ChipContents(one.atr, None, {APPLE_VAS: message})
    assert one.asked[0] == SELECT_OSE
    assert [command[:4].hex() for command in one.asked[1:]] == ["80ca0101"], "no payment directory, no UID"


def test_pass_types_are_tried_in_order() -> None:
    one = phone(OLD)
    assert read(one).contents == {APPLE_VAS: MESSAGE}
    assert one.modes == [0x82, 0x02], "more follow; the last"
    both = AppleVasPhone({name: Pass(name.encode(), KEY.public_key()) for name in (OLD, CLUB)}, NOW)
    assert read(both).contents == {APPLE_VAS: CLUB.encode()}


def test_the_sign_of_the_phones_key_does_not_matter() -> None:
    """The phone sends X alone, and half of all keys have an odd Y."""
    signs: set[int] = set()
    while len(signs) < 2:
        own = ec.generate_private_key(ec.SECP256R1())
        signs.add(own.public_key().public_numbers().y % 2)
        sealed = fake.seal(Pass(MESSAGE, KEY.public_key()), pass_type_hash(CLUB), NOW, own=own)
        assert message_in(answer(sealed), SHOP, CLUB, NOW) == MESSAGE.decode()


@pytest.mark.parametrize(("seconds", "taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_an_answer_counts_within_the_window_only(seconds: int, taken: bool) -> None:
    found = read(phone(at=NOW + seconds))
    assert found.refusal is (None if taken else RejectReason.NOT_GENUINE)
    assert taken or "clock" in found.detail


def test_a_pass_collects_and_no_rule_can_make_it_spend() -> None:
    raw = RawRead("door", DeviceClass.SMARTCARD, encode_chip(read(phone())), Instant(0, "", 0))
    chip = decode(raw, CardRules())
    assert isinstance(chip, ChipRead)
    identity = identify(chip, CardRules())
    assert isinstance(identity, Identity)
    assert (identity.value, identity.scheme, identity.earn_only) == (MESSAGE.decode(), "card", True)
    with pytest.raises(ConfigError, match="earn_only = true"):
        parse_rules({"rule": [{"read": "apple_vas"}]})
    assert parse_rules({"rule": [{"read": "apple_vas", "earn_only": True, "pattern": "M-([0-9]+)"}]})


# --- phones without a pass


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (AppleVasPhone({}, NOW), "no pass of these pass_type_ids"),
        (phone("pass.com.example.other"), "no pass of these pass_type_ids"),
        (phone(locked=True), "unlock the phone"),
    ],
)
def test_a_phone_without_a_pass_is_no_payment_card(one: AppleVasPhone, why: str) -> None:
    found = read(one)
    assert (found.refusal, why in found.detail) == (RejectReason.EMPTY_PHONE, True)
    assert PPSE not in b"".join(one.asked), "it is not even asked"


def test_a_phone_with_the_other_wallet() -> None:
    fci = ber_tlv.encode(0x6F, ber_tlv.encode(0x50, b"AndroidPay"))
    found = run(read_card(phone().atr, SETUP), lambda _: fci + b"\x90\x00")
    assert (found.refusal, "[reader.smart_tap] is not configured" in found.detail) == (RejectReason.EMPTY_PHONE, True)


def test_a_status_that_nobody_knows_is_told() -> None:
    found = run(read_card(phone().atr, SETUP), lambda command: fake.FCI + OK if command[0] == 0 else b"\x69\x85")
    assert (found.refusal, "6985" in found.detail) == (RejectReason.EMPTY_PHONE, True)


# --- phones that lie


def answer(cryptogram: bytes) -> bytes:
    return ber_tlv.encode(0x70, ber_tlv.encode(0x9F2A, b"") + ber_tlv.encode(0x9F27, cryptogram))


GENUINE = fake.seal(Pass(MESSAGE, KEY.public_key()), pass_type_hash(CLUB), NOW)


@pytest.mark.parametrize(
    ("cryptogram", "why"),
    [
        (GENUINE[:-1] + bytes((GENUINE[-1] ^ 1,)), "does not decrypt"),
        (fake.seal(Pass(MESSAGE, KEY.public_key()), pass_type_hash(OLD), NOW), "does not decrypt"),
        (fake.seal(Pass(MESSAGE, STRANGER.public_key()), pass_type_hash(CLUB), NOW), "another key"),
        (key_id(KEY) + b"\xff" * 32 + GENUINE[36:], "not Apple VAS"),
        (fake.seal(Pass(b"", KEY.public_key()), pass_type_hash(CLUB), NOW), "not Apple VAS"),
        (fake.seal(Pass(b"x" * 65, KEY.public_key()), pass_type_hash(CLUB), NOW), "not Apple VAS"),
        (fake.seal(Pass(b"\xff\xfe", KEY.public_key()), pass_type_hash(CLUB), NOW), "not Apple VAS"),
        (GENUINE[:40], "not Apple VAS"),
        (b"", "not Apple VAS"),
    ],
    ids=["tag", "other type", "other key", "no point", "empty", "long", "no text", "short", "nothing"],
)
def test_an_answer_that_is_not_of_this_pass_is_refused(cryptogram: bytes, why: str) -> None:
    found = message_in(answer(cryptogram), SHOP, CLUB, NOW)
    assert isinstance(found, Refusal)
    assert why in found.detail
    assert message_in(answer(GENUINE), SHOP, CLUB, NOW) == MESSAGE.decode(), "positive control"


def test_a_recorded_answer_collects_again_while_its_time_fits() -> None:
    """What remains: nothing in the answer is the reader's, which is why such a pass never spends."""
    assert message_in(answer(GENUINE), SHOP, CLUB, NOW + 299) == MESSAGE.decode()
    assert isinstance(message_in(answer(GENUINE), SHOP, CLUB, NOW + 301), Refusal)


@pytest.mark.fuzz
@given(st.binary(max_size=130), st.integers(0, 2**33))
def test_any_bytes_are_refused(data: bytes, seconds: int) -> None:
    for given_ in (data, answer(data), answer(key_id(KEY) + data), answer(GENUINE[:36] + data)):
        assert isinstance(message_in(given_, SHOP, CLUB, seconds), Refusal)


@pytest.mark.fuzz
@given(st.data())
def test_one_changed_answer_gives_the_message_or_a_refusal_and_never_another_message(data: st.DataObject) -> None:
    one, changed_at, count = phone(OLD), data.draw(st.integers(0, 2)), iter(range(100))

    def transmit(command: bytes) -> bytes:
        said = one(read_only(command))
        if next(count) != changed_at:
            return said
        at = data.draw(st.integers(0, len(said) - 1))
        return data.draw(
            st.sampled_from(
                [
                    said[:at] + bytes((said[at] ^ 1 << data.draw(st.integers(0, 7)),)) + said[at + 1 :],
                    said[:at] + said[-2:],
                    said[:at] + b"\x9f\x27\x00" + said[at:],
                    said[:-2] + data.draw(st.binary(min_size=2, max_size=2)),
                ]
            )
        )

    found = run(read_card(one.atr, SETUP), transmit)
    if found.contents:
        assert found.contents.get(APPLE_VAS) == MESSAGE
    assert decode_chip(encode_chip(found)) == found


# --- secrets and settings


def test_the_key_shows_itself_nowhere() -> None:
    shown = repr((SETUP, SHOP))
    assert CLUB in shown, "positive control"
    assert "ECPrivateKey" not in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pass_type_ids": ()}, "begin with 'pass.'"),
        ({"pass_type_ids": ("com.example",)}, "begin with 'pass.'"),
        ({"window_s": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AppleVasConfig(**{"pass_type_ids": (CLUB,), "key_file": "k", **change})


def test_apples_time_begins_in_2001() -> None:
    assert EPOCH_2001 == fake.EPOCH == (2001 - 1970) * 365 * 86_400 + 8 * 86_400
