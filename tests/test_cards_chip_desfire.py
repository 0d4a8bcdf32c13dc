"""DESFire: AES, authentication and secure messaging against a card's side of our own, and the file behind them."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards import aes
from posd.cards.card_keys import DESFIRE_MAC, DESFIRE_READ, CardKeys
from posd.cards.checks import gs1_digit
from posd.cards.chip import DESFIRE, ChipContents, encode_chip
from posd.cards.decode import decode
from posd.cards.desfire import (
    Communication,
    Ev1Authentication,
    Ev1Session,
    Ev2Authentication,
    Ev2Session,
    ev2_session_keys,
)
from posd.cards.desfire_file import LENGTH, DesfireFile, encode_desfire_file, parse_desfire_file
from posd.cards.identity import Identity
from posd.cards.reads import ChipRead, RejectedRead, RejectReason
from posd.cards.rules import CardRules, identify
from posd.cards.scripts.conversation import read_card
from posd.cards.scripts.dialogue import run
from posd.cards.scripts.layouts import ChipLayout, DesfireLayout
from posd.cards.scripts.setup import ChipSetup
from posd.clock import Instant
from posd.events import DeviceClass, RawRead
from tests.fakes.apdu_watch import Watcher
from tests.fakes.desfire_card import FULL, MACED, PLAIN, DesfireCard, cmac

READ, MAC = bytes(range(16)), bytes(range(16, 32))
UID = bytes.fromhex("04112233445566")
LAYOUT = DesfireLayout()
MEMBER = "54000000001234567"
MEMBER += gs1_digit(MEMBER)
FILE = DesfireFile("ABAN", MEMBER, sequence=2, issued="20261121")
KEYS = CardKeys({DESFIRE_READ: READ, DESFIRE_MAC: MAC})


def card(**changes: object) -> DesfireCard:
    """A genuine one."""
    genuine = {
        "key": LAYOUT.key_for(READ, UID),
        "file": encode_desfire_file(FILE, LAYOUT.key_for(MAC, UID)),
        "uid": UID,
    }
    return DesfireCard(**genuine | changes)  # type: ignore[arg-type]  # fields of the fake


def read(card: DesfireCard, layout: DesfireLayout | None = LAYOUT) -> ChipContents:
    setup = ChipSetup(ChipLayout(desfire=layout), keys=KEYS, random_bytes=secrets.token_bytes)
    return run(read_card(card.atr, setup), card)


@pytest.mark.parametrize("mode", [PLAIN, MACED, FULL])
@pytest.mark.parametrize("ev2", [False, True])
@pytest.mark.parametrize("frame", [59, 20])
def test_a_genuine_card_gives_its_member_and_no_uid(ev2: bool, mode: int, frame: int, watched: Watcher) -> None:
    one = card(ev2=ev2, mode=mode, frame=frame)
    assert read(one) == ChipContents(one.atr, None, {DESFIRE: MEMBER.encode()})


@pytest.mark.parametrize("mode", [PLAIN, MACED, FULL])
@pytest.mark.parametrize("ev2", [False, True])
def test_where_the_card_tells_no_settings_the_configured_mode_counts(ev2: bool, mode: int) -> None:
    configured = DesfireLayout(communication=[*Communication][[PLAIN, MACED, FULL].index(mode)])
    assert read(card(ev2=ev2, mode=mode, tells_settings=False), configured).contents == {DESFIRE: MEMBER.encode()}


@pytest.mark.parametrize("ev2", [False, True])
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": secrets.token_bytes(16)}, "club's key"),
        ({"key": READ}, "club's key"),
        ({"uid": bytes.fromhex("04112233445567")}, "club's key"),
        ({"uid": bytes.fromhex("08112233")}, "random UID"),
        ({"uid": b""}, "random UID"),
        ({"file": encode_desfire_file(FILE, LAYOUT.key_for(MAC, bytes(7)))}, "not of this card"),
        ({"file": bytes(LENGTH)}, "not in posd's layout"),
        ({"file": bytes(4)}, "not in posd's layout"),
    ],
)
def test_a_card_that_is_not_genuine_is_refused_with_a_reason(ev2: bool, changes: dict[str, bytes], why: str) -> None:
    one = card(ev2=ev2)
    for name, value in changes.items():
        setattr(one, name, value)
    refused = read(one)
    assert refused.refusal in (RejectReason.NOT_GENUINE, RejectReason.UNREADABLE)
    assert why in refused.detail
    assert (refused.uid, refused.contents) == (None, {})


def test_a_card_without_the_application_is_no_desfire_card_of_ours() -> None:
    other = card(aid=b"\x01\x02\x03")
    assert read(other) == ChipContents(other.atr, UID)


def test_without_its_table_no_desfire_card_is_asked() -> None:
    one = card()
    assert read(one, None).uid == UID
    assert not any(command[0] == 0x90 for command in one.asked)


@pytest.mark.parametrize("ev2", [False, True])
@given(st.data())
def test_a_bit_changed_on_the_air_never_gives_another_member(ev2: bool, data: st.DataObject) -> None:
    one = card(ev2=ev2, mode=data.draw(st.sampled_from([PLAIN, MACED, FULL])))
    victim = data.draw(st.integers(0, 9))

    def transmit(command: bytes) -> bytes:
        answer = bytearray(one(command))
        if len(one.asked) - 1 == victim and len(answer) > 2:
            bit = data.draw(st.integers(0, 8 * (len(answer) - 2) - 1))
            answer[bit // 8] ^= 1 << bit % 8
        return bytes(answer)

    setup = ChipSetup(ChipLayout(desfire=LAYOUT), keys=KEYS, random_bytes=secrets.token_bytes)
    contents = run(read_card(one.atr, setup), transmit).contents
    assert contents in ({}, {DESFIRE: MEMBER.encode()})


# --- the parts


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=70))
def test_cmac_is_cryptographys(key: bytes, data: bytes) -> None:
    assert aes.cmac(key, data) == cmac(key, data)
    assert aes.short_mac(key, data) == cmac(key, data)[1::2]


def test_the_published_example_of_a_diversified_key() -> None:
    """NXP AN10922 §2.2.1."""
    master, system = bytes.fromhex("00112233445566778899AABBCCDDEEFF"), bytes.fromhex("4E585020416275")
    key = aes.diversified_key(master, bytes.fromhex("04782E21801D803042F5") + system)
    assert key.hex().upper() == "A8DD63A3B89D54B37CA802473FDA9175"
    with pytest.raises(ValueError, match="16 to 31"):
        aes.diversified_key(master, bytes(15))


def test_the_published_example_of_ev2_session_keys() -> None:
    """NXP AN12196 §6.6, key of zeros."""
    ours = bytes.fromhex("13C5DB8A5930439FC3DEF9A4C675360F")
    theirs = bytes.fromhex("B9E2FC789B64BF237CCCAA20EC7E6E48")
    encryption, mac = ev2_session_keys(bytes(16), ours, theirs)
    assert encryption.hex().upper() == "1309C877509E5A215007FF0ED19CA564"
    assert mac.hex().upper() == "4C6626F5E72EA694202139295C7A7FC7"


@pytest.mark.parametrize("way", [Ev1Authentication, Ev2Authentication])
@pytest.mark.parametrize("length", [0, 8, 15, 17, 32, 48])
def test_answers_of_another_length_are_no_proof(
    way: type[Ev1Authentication] | type[Ev2Authentication], length: int
) -> None:
    authentication = way(READ, bytes(16))
    assert authentication.answer(bytes(length)) is None
    assert authentication.answer(bytes(16))
    assert authentication.session(bytes(length)) is None


@pytest.mark.fuzz
@given(st.binary(max_size=80), st.sampled_from(Communication), st.integers(0, 64), st.booleans())
def test_any_answer_in_a_session_is_opened_or_refused(
    answer: bytes, mode: Communication, length: int, ev2: bool
) -> None:
    session = Ev2Session(READ, MAC, b"abcd") if ev2 else Ev1Session(READ)
    session.command(0xBD, b"\x01", mode)
    opened = session.open(answer, length, mode)
    assert opened is None or len(opened) == length


@pytest.mark.fuzz
@given(st.binary(max_size=40) | st.binary(min_size=31, max_size=31).map(lambda rest: b"\x01" + rest))
def test_any_bytes_are_a_desfire_file_or_a_reason(data: bytes) -> None:
    assert isinstance(parse_desfire_file(data, MAC), RejectReason)


@given(st.from_regex(r"[A-Z0-9._-]{1,8}", fullmatch=True), st.integers(0, 10**17 - 1), st.integers(0, 0xFFFF))
def test_desfire_file_round_trip(issuer: str, member: int, sequence: int) -> None:
    body = f"{member:017}"
    file = DesfireFile(issuer, body + gs1_digit(body), sequence, "20261121")
    data = encode_desfire_file(file, MAC)
    assert len(data) == LENGTH
    assert parse_desfire_file(data, MAC) == file
    assert parse_desfire_file(data, READ) is RejectReason.NOT_GENUINE
    assert body not in repr(file)


def test_a_file_with_a_right_mac_and_wrong_content_is_unreadable() -> None:
    body = bytearray(encode_desfire_file(FILE, MAC)[:24])
    body[10] ^= 0x0F
    assert parse_desfire_file(bytes(body) + cmac(MAC, bytes(body))[:8], MAC) is RejectReason.UNREADABLE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"issuer": "aban"}, "issuer"),
        ({"member": "123"}, "GSRN"),
        ({"member": MEMBER[:-1] + "x"}, "GSRN"),
        ({"sequence": 65536}, "sequence"),
        ({"issued": "2026"}, "date"),
    ],
)
def test_a_file_outside_its_layout_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DesfireFile(**{"issuer": "ABAN", "member": MEMBER} | changes)  # type: ignore[arg-type]  # wrong values are the point


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aid": "F0"}, "three bytes"),
        ({"aid": "000000"}, "000000"),
        ({"system_id": "00"}, "6 to 21"),
        ({"key_number": 14}, "key_number"),
        ({"file": 32}, "file"),
    ],
)
def test_a_desfire_table_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DesfireLayout(**changes)  # type: ignore[arg-type]  # wrong values are the point


def test_the_member_of_a_genuine_card_is_an_identity_like_that_of_a_bar_code() -> None:
    """Whatever its digits look like: the club's key vouches for it."""
    like_a_bank_card = "603799123456789" + "02"
    like_a_bank_card += gs1_digit(like_a_bank_card)
    chip = ChipContents(DesfireCard.atr, None, {DESFIRE: like_a_bank_card.encode()})
    found = decode(RawRead("door", DeviceClass.SMARTCARD, encode_chip(chip), Instant(0, "", 0)), CardRules())
    assert isinstance(found, ChipRead)
    identity = identify(found, CardRules())
    assert isinstance(identity, Identity)
    assert (identity.value, identity.scheme, identity.earn_only) == (like_a_bank_card, "card", False)


def test_a_refusal_keeps_its_reason_and_detail() -> None:
    one = card()
    one.key = READ
    raw = RawRead("door", DeviceClass.SMARTCARD, encode_chip(read(one)), Instant(0, "", 0))
    rejected = decode(raw, CardRules())
    assert isinstance(rejected, RejectedRead)
    assert (rejected.reason, "club's key" in rejected.detail) == (RejectReason.NOT_GENUINE, True)
