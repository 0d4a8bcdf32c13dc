"""Chip cards: what is asked of them, in which order, and what is made of the answers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards import ber_tlv, ndef
from posd.cards.atr import parse_atr
from posd.cards.card_keys import CLASSIC_READ, CardKeys
from posd.cards.chip import LOYALTY, NDEF, ChipContents, decode_chip, encode_chip
from posd.cards.iso7816 import CommandApdu, ResponseApdu, StatusWord, get_response, read_binary
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file, parse_loyalty_file
from posd.cards.reads import RejectReason
from posd.cards.scripts.conversation import read_card
from posd.cards.scripts.dialogue import run
from posd.cards.scripts.layouts import POSD_AID, ChipLayout, ClassicLayout, DesfireLayout
from posd.cards.scripts.payment import CONTACT_PAYMENT, CONTACTLESS_PAYMENT
from posd.cards.scripts.setup import ChipSetup
from posd.cards.sun import SunLayout
from posd.drivers.read_only import read_only
from tests.fakes.apdu_watch import WATCHER
from tests.fakes.chip_card import (
    CONTACT_ATR,
    CONTACTLESS_ATR,
    NDEF_AID,
    OK,
    FakeChipCard,
    payment_directory,
    storage_atr,
    type_2_pages,
    type_4_files,
)
from tests.fakes.desfire_card import DesfireCard
from tests.fakes.storage_cards import SLE4442_ATR

FILE = encode_loyalty_file(LoyaltyFile("ABAN", "0009876543210"))
MESSAGE = ndef.encode_message([ndef.NdefRecord(ndef.TEXT, "M-0012345")])
ANY_ATR = [CONTACT_ATR, CONTACTLESS_ATR, SLE4442_ATR, DesfireCard.atr, storage_atr(3), storage_atr(1), b""]
EVERY_FAMILY = ChipLayout(classic=ClassicLayout(), desfire=DesfireLayout(), sun=SunLayout())
EVERY_KEY = CardKeys({name: bytes(6 if name == CLASSIC_READ else 16) for name in EVERY_FAMILY.needed_keys})
NUMBERS = st.from_regex(r"[A-Za-z0-9._-]{1,37}", fullmatch=True)


def loyalty_card(**changes: object) -> FakeChipCard:
    return FakeChipCard(applications={POSD_AID: b""}, files={(POSD_AID, None): FILE}, **changes)  # type: ignore[arg-type]  # fields of the fake


def read(card: FakeChipCard, layout: ChipLayout | None = None) -> ChipContents:
    return run(read_card(card.atr, ChipSetup(layout or ChipLayout())), card.transmit)


# --- the loyalty application


@pytest.mark.parametrize("t0", [False, True])
@pytest.mark.parametrize("atr", [CONTACTLESS_ATR, CONTACT_ATR])
def test_the_loyalty_file_is_read_and_then_nothing_else(atr: bytes, t0: bool) -> None:
    card = loyalty_card(atr=atr, t0=t0)
    assert read(card) == ChipContents(atr, None, {LOYALTY: FILE})
    assert not any(command[0] == 0xFF for command in card.asked), "the UID is nobody's business then"


def test_a_layout_of_another_maker_can_be_configured() -> None:
    aid = bytes.fromhex("F012345678")
    card = FakeChipCard(
        applications={aid: b"\x6f\x00"}, files={(aid, 0x0101): b"LOYALTY:0123456789".ljust(300, b"\xff")}
    )
    contents = read(card, ChipLayout(aid=aid.hex(), file_id="0101", max_bytes=200)).contents
    assert contents[LOYALTY] == b"LOYALTY:0123456789".ljust(200, b"\xff")


def test_a_missing_file_is_no_loyalty_card() -> None:
    card = FakeChipCard(applications={POSD_AID: b""})
    assert read(card).contents == {}
    assert read(card, ChipLayout(file_id="0101")).contents == {}


def test_long_files_come_in_chunks_and_stop_behind_the_object() -> None:
    long = ber_tlv.encode(0x70, bytes(300)) + bytes(200)
    card = FakeChipCard(applications={POSD_AID: b""}, files={(POSD_AID, None): long})
    assert read(card).contents[LOYALTY][:304] == long[:304]
    assert sum(command[1] == 0xB0 for command in card.asked) == 3


# --- payment cards


@pytest.mark.parametrize(
    ("atr", "directory"),
    [(CONTACTLESS_ATR, CONTACTLESS_PAYMENT), (CONTACT_ATR, CONTACT_PAYMENT)],
)
@pytest.mark.parametrize("t0", [False, True])
def test_a_payment_card_is_left_alone_at_once(atr: bytes, directory: bytes, t0: bool) -> None:
    fci = payment_directory(directory, bytes.fromhex("A0000000043060"))
    card = loyalty_card(atr=atr, t0=t0)
    card.applications = {**card.applications, directory: fci}
    assert read(card) == ChipContents(refusal=RejectReason.PAYMENT_CARD)
    assert len(card.asked) == (2 if t0 else 1), "nothing after the answer, no UID"


def test_a_contact_card_without_directory_is_known_by_its_application() -> None:
    aid = bytes.fromhex("A0000003330101")
    card = FakeChipCard(CONTACT_ATR, applications={aid: ber_tlv.encode(0x6F, ber_tlv.encode(0x84, aid))})
    assert read(card).refusal is RejectReason.PAYMENT_CARD
    assert card.asked[-1][5:10] == aid[:5]


def test_an_answer_to_the_directory_that_nobody_can_parse_counts_as_payment() -> None:
    assert read(FakeChipCard(applications={CONTACTLESS_PAYMENT: b"\x6f\x7f"})).refusal is RejectReason.PAYMENT_CARD
    card = FakeChipCard(CONTACT_ATR, applications={bytes.fromhex("A000000003"): b"\x6f\x7f"})
    assert read(card).refusal is RejectReason.PAYMENT_CARD


def test_a_simple_card_that_says_9000_to_everything_is_no_payment_card() -> None:
    def transmit(command: bytes) -> bytes:
        return FILE + OK if command[1] == 0xB0 else OK

    for atr in (CONTACT_ATR, CONTACTLESS_ATR):
        assert run(read_card(atr), transmit).contents == {LOYALTY: FILE}


# --- NDEF and UID


def test_a_type_4_tag_gives_its_message_and_uid() -> None:
    card = FakeChipCard(applications={NDEF_AID: b""}, files=type_4_files(MESSAGE))
    assert read(card) == ChipContents(CONTACTLESS_ATR, card.uid, {NDEF: MESSAGE})


def test_a_type_4_tag_is_asked_for_no_more_at_once_than_it_can_send() -> None:
    message = ndef.encode_message([ndef.NdefRecord(ndef.TEXT, "x" * 200)])
    card = FakeChipCard(applications={NDEF_AID: b""}, files=type_4_files(message))
    assert read(card).contents == {NDEF: message}
    assert max(command[4] for command in card.asked if command[1] == 0xB0) == 0x3B, "MLe of its container"


@pytest.mark.parametrize(("at", "value"), [(3, b"\0\0"), (11, b"\0\x05"), (13, b"\x80")])
def test_a_type_4_tag_whose_container_forbids_it_is_not_read(at: int, value: bytes) -> None:
    """No byte at once; a file shorter than its message; read access only with a key."""
    files = type_4_files(MESSAGE)
    container = bytearray(files[NDEF_AID, 0xE103])
    container[at : at + len(value)] = value
    card = FakeChipCard(applications={NDEF_AID: b""}, files={**files, (NDEF_AID, 0xE103): bytes(container)})
    assert read(card).contents == {}


@pytest.mark.parametrize(
    "files",
    [
        {},
        {(NDEF_AID, 0xE103): b"\x00\x0f"},
        {(NDEF_AID, 0xE103): bytes(15)},
        {key: data for key, data in type_4_files(MESSAGE).items() if key[1] == 0xE103},
        {**type_4_files(MESSAGE), (NDEF_AID, 0xE104): b"\0"},
        {**type_4_files(MESSAGE), (NDEF_AID, 0xE104): b"\0\0"},
        {**type_4_files(MESSAGE), (NDEF_AID, 0xE104): b"\xff\xff" + bytes(100)},
        {**type_4_files(MESSAGE), (NDEF_AID, 0xE104): b"\x00\x40" + bytes(5)},
    ],
)
def test_a_type_4_tag_that_breaks_the_rules_has_a_uid_and_no_message(
    files: dict[tuple[bytes, int | None], bytes],
) -> None:
    card = FakeChipCard(applications={NDEF_AID: b""}, files=files)
    assert read(card) == ChipContents(CONTACTLESS_ATR, card.uid, {})


@pytest.mark.parametrize("text", ["M-1", "x" * 60, "x" * 400])
def test_a_type_2_tag_is_read_page_by_page_and_no_further_than_needed(text: str) -> None:
    message = ndef.encode_message([ndef.NdefRecord(ndef.TEXT, text)])
    card = FakeChipCard(storage_atr(0x0003), pages=type_2_pages(message, size=496))
    assert read(card) == ChipContents(card.atr, card.uid, {NDEF: message})
    assert len(card.asked) <= 2 + (len(message) + 20) // 16
    assert all(command[0] == 0xFF for command in card.asked), "a storage card knows no ISO commands"


@pytest.mark.parametrize(
    "pages",
    [
        b"",
        bytes(200),
        type_2_pages(b"")[:16] + b"\xfe".ljust(160, b"\0"),
        type_2_pages(b""),
        type_2_pages(MESSAGE)[:16] + b"\x03\xff\xff\xff" + bytes(200),
        type_2_pages(MESSAGE)[:16] + b"\x03\x70" + bytes(60),
        type_2_pages(MESSAGE)[:16] + bytes(144 + 16),
    ],
)
def test_a_type_2_tag_without_a_message_has_its_uid(pages: bytes) -> None:
    card = FakeChipCard(storage_atr(0x0003), pages=pages)
    assert read(card) == ChipContents(card.atr, card.uid, {})


def test_a_classic_card_is_asked_for_its_uid_only() -> None:
    card = FakeChipCard(storage_atr(0x0001))
    assert read(card).uid == card.uid
    assert len(card.asked) == 1


def test_a_reader_that_tells_no_uid() -> None:
    assert read(FakeChipCard(uid=None)).uid is None


# --- whatever a card answers


@pytest.mark.fuzz
@given(st.data(), st.sampled_from(ANY_ATR), st.sampled_from(["ACS ACR122U 00", "ACS ACR39U 00", "another"]))
def test_any_card_at_all_comes_to_an_end_and_is_only_read(data: st.DataObject, atr: bytes, reader: str) -> None:
    setup = ChipSetup(EVERY_FAMILY, reader, EVERY_KEY, bytes)
    asked: list[bytes] = []
    status = st.sampled_from(
        [OK, b"\x62\x82", b"\x61\x10", b"\x6c\x08", b"\x6a\x82", b"\x63\x00", b"\x91\x00", b"\x91\xaf", b"\x91\x1c"]
    )

    def transmit(command: bytes) -> bytes:
        WATCHER.saw(command)
        asked.append(read_only(command))
        return data.draw(st.binary(max_size=20) | st.binary(min_size=16, max_size=16)) + data.draw(status)

    contents = run(read_card(atr, setup), transmit)
    assert len(asked) < 700
    assert sum(map(len, contents.contents.values())) <= ndef.LONGEST_MESSAGE
    assert decode_chip(encode_chip(contents)) == contents


def test_a_card_that_announces_more_for_ever_is_given_up() -> None:
    asked: list[bytes] = []

    def transmit(command: bytes) -> bytes:
        asked.append(command)
        return b"\x00\x61\x00"

    assert run(read_card(CONTACTLESS_ATR), transmit).contents == {}
    assert len(asked) < 100


def test_an_answer_without_status_word_is_the_readers_fault() -> None:
    with pytest.raises(ValueError, match="two status bytes"):
        run(read_card(CONTACTLESS_ATR), lambda _: b"\x90")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aid": "F0"}, "5 to 16 bytes"),
        ({"aid": "xyz"}, "hex"),
        ({"file_id": "01"}, "two bytes"),
        ({"max_bytes": 0}, "1 to 4096"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChipLayout(**changes)  # type: ignore[arg-type]  # wrong values are the point


# --- the words: APDU, status, ATR, TLV, loyalty file, payload


def test_apdus_as_bytes() -> None:
    assert bytes(CommandApdu(0, 0xA4, 4, 0, b"\x01\x02", 256)) == bytes.fromhex("00A40400 02 0102 00")
    assert bytes(CommandApdu(0, 0xB0, 0, 0)) == bytes.fromhex("00B00000")
    assert bytes(get_response(0)) == bytes(get_response(256)) == bytes.fromhex("00C0000000")
    with pytest.raises(ValueError, match="short APDU"):
        CommandApdu(0, 0xB0, 0, 0, le=257)
    with pytest.raises(ValueError, match="32 KiB"):
        read_binary(0x8000, 1)


def test_an_answer_shows_its_status_and_not_its_data() -> None:
    answer = ResponseApdu.parse(b"0123456789\x6c\x10")
    assert repr(answer) == "ResponseApdu(sw=6C10)"
    assert (answer.sw.right_le, answer.sw.more, answer.sw.ok) == (0x10, None, False)
    assert StatusWord(0x6283).selected


@pytest.mark.parametrize(
    ("atr", "contactless", "storage_card", "historical"),
    [
        (storage_atr(0x0001), True, 1, 15),
        (storage_atr(0x0003), True, 3, 15),
        (CONTACTLESS_ATR, True, None, 0),
        (CONTACT_ATR, False, None, 5),
        (bytes.fromhex("3B8180018080"), True, None, 1),
        (bytes.fromhex("3BFF9600FF8131FE43"), False, None, 0),
        (b"\x3b", False, None, 0),
        (b"\x3b\x80", False, None, 0),
        (b"", False, None, 0),
    ],
)
def test_atr(atr: bytes, contactless: bool, storage_card: int | None, historical: int) -> None:
    parts = parse_atr(atr)
    assert (parts.contactless, parts.storage_card, len(parts.historical)) == (contactless, storage_card, historical)


@given(st.lists(st.tuples(st.sampled_from([0x81, 0xC1, 0x5F2D, 0x9F8701, 0x70]), st.binary(max_size=300)), max_size=5))
def test_tlv_round_trip(objects: list[tuple[int, bytes]]) -> None:
    data = b"".join(ber_tlv.encode(tag, value) for tag, value in objects)
    assert ber_tlv.parse(data) == objects
    if objects:
        assert ber_tlv.total_length(data) == len(ber_tlv.encode(*objects[0]))


@pytest.mark.parametrize("data", ["C1", "C105", "C1054142", "C180", "C183000001", "9F", "9FFFFFFF01", "C182", "C18201"])
def test_tlv_that_lies_is_an_error(data: str) -> None:
    with pytest.raises(ber_tlv.TlvError):
        ber_tlv.parse(bytes.fromhex(data))


def test_tlv_has_bounds() -> None:
    with pytest.raises(ber_tlv.TlvError, match="more than 4096"):
        ber_tlv.parse(bytes(5000))
    deep = b""
    for _ in range(20):
        deep = ber_tlv.encode(0x70, deep + b"\xc1\x00")
    with pytest.raises(ber_tlv.TlvError, match="deep"):
        list(ber_tlv.walk(deep))


@pytest.mark.fuzz
@given(st.binary(max_size=80))
def test_any_bytes_are_tlv_or_an_error(data: bytes) -> None:
    try:
        list(ber_tlv.walk(data))
    except ber_tlv.TlvError:
        return


def test_a_length_that_is_not_there_yet() -> None:
    assert [ber_tlv.total_length(head) for head in (b"", b"\x70", b"\x70\x81", b"\x70\x81\x90")] == [
        None,
        None,
        None,
        147,
    ]


def test_find_looks_at_every_depth() -> None:
    assert ber_tlv.find(payment_directory(b"2PAY", b"\xa0\0"), 0x4F) == b"\xa0\0"
    assert ber_tlv.find(FILE, 0x4F) is None


@given(st.from_regex(r"[A-Z0-9._-]{1,16}", fullmatch=True), NUMBERS, st.binary(max_size=0) | st.just(b"\0\xff\xff"))
def test_loyalty_file_round_trip(issuer: str, number: str, padding: bytes) -> None:
    file = LoyaltyFile(issuer, number)
    assert parse_loyalty_file(encode_loyalty_file(file) + padding) == file
    assert number not in repr(file) or number in issuer + "LoyaltyFile(issuer='')"


@given(NUMBERS, st.data())
def test_a_misread_bit_in_the_loyalty_file_never_gives_another_number(number: str, data: st.DataObject) -> None:
    file = encode_loyalty_file(LoyaltyFile("ABAN", number))
    bit = data.draw(st.integers(0, len(file) * 8 - 1))
    wrong = bytearray(file)
    wrong[bit // 8] ^= 1 << bit % 8
    assert isinstance(parse_loyalty_file(bytes(wrong)), RejectReason)


@pytest.mark.parametrize(
    ("issuer", "number"), [("", "1"), ("aban", "1"), ("ABAN", ""), ("ABAN", "1" * 38), ("ABAN", "ü")]
)
def test_a_loyalty_file_outside_its_layout_is_refused(issuer: str, number: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        LoyaltyFile(issuer, number)


@given(
    st.binary(max_size=33),
    st.none() | st.binary(min_size=4, max_size=10),
    st.dictionaries(st.text(max_size=10), st.binary(max_size=2048), max_size=2),
)
def test_chip_payload_round_trip(atr: bytes, uid: bytes | None, contents: dict[str, bytes]) -> None:
    if sum(len(data) + len(name) * 4 + 20 for name, data in contents.items()) < 4000:
        chip = ChipContents(atr, uid, contents)
        assert decode_chip(encode_chip(chip)) == chip


@pytest.mark.parametrize("payload", [b"", b"\xc0", b"\x81\x00", b"\xc2\x01x", b"\xe3\x02\xc4\x00", b"hello"])
def test_a_payload_that_is_none_is_an_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"chip|TLV|tag|value|RejectReason|name"):
        decode_chip(payload)


# --- NDEF


def test_the_text_of_records() -> None:
    records = [
        ndef.NdefRecord(ndef.TEXT, "سلام M-1"),
        ndef.NdefRecord(ndef.URI, "https://club.example/8018/123456789012345675"),
        ndef.NdefRecord("urn:nfc:ext:club.example:member", "M-2"),
        ndef.NdefRecord("text/plain", "M-3"),
    ]
    assert list(ndef.parse_message(ndef.encode_message(records))) == records


def test_records_that_are_no_text_have_none() -> None:
    raw = bytes.fromhex("D4 03 02 61 3A 62 FF FE".replace(" ", ""))  # external a:b, FF FE
    assert ndef.parse_message(raw) == (ndef.NdefRecord("urn:nfc:ext:a:b", None),)
    mime = ndef.encode_message([ndef.NdefRecord("image/png", "x")])
    assert ndef.parse_message(mime)[0].text is None


def test_a_utf_16_text_record() -> None:
    payload = b"\x82en" + "M-4".encode("utf-16")
    assert ndef.parse_message(b"\xd1\x01" + bytes((len(payload),)) + b"T" + payload)[0].text == "M-4"


@pytest.mark.fuzz
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error_that_quotes_nothing(data: bytes) -> None:
    try:
        ndef.parse_message(data)
    except ndef.NdefError as error:
        assert str(error) == "not an NDEF message"
        assert error.__cause__ is None


def test_a_message_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(ndef.NdefError, match="2048"):
        ndef.parse_message(bytes(2049))


@given(st.binary(max_size=600), st.lists(st.sampled_from([b"\0", b"\x01\x03abc", b"\x02\x00"]), max_size=4))
def test_the_message_is_found_behind_other_blocks_however_little_is_read_at_first(
    message: bytes, before: list[bytes]
) -> None:
    area = b"".join(before) + ndef.type_2_area(message)
    extent = ndef.locate_message(area)
    assert (extent.found, area[extent.start : extent.end]) == (True, message)
    ends = [ndef.locate_message(area[:length]).end for length in range(len(area))]
    assert all(end > length for length, end in enumerate(ends[: extent.start])), "always asks for more"
    assert all(one <= other for one, other in pairwise(ends))
