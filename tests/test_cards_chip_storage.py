"""Cards without ISO 7816 commands: MIFARE Classic, NTAG and Ultralight, contact memory cards."""

from __future__ import annotations

import pytest

from posd.cards import ndef
from posd.cards.atr import parse_atr
from posd.cards.card_keys import CLASSIC_READ, CardKeys
from posd.cards.chip import LOYALTY, NDEF, ChipContents
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file
from posd.cards.scripts.conversation import read_card
from posd.cards.scripts.dialogue import run
from posd.cards.scripts.layouts import ChipLayout, ClassicLayout, MemoryCardLayout, sector_of
from posd.cards.scripts.setup import ChipSetup
from tests.fakes.chip_card import storage_atr, type_2_pages
from tests.fakes.storage_cards import SLE4428_ATR, SLE4442_ATR, ClassicCard, MemoryCard, NtagCard
from tests.fakes.watched_card import WatchedCard

KEY, OTHER_KEY = bytes.fromhex("A0A1A2A3A4A5"), bytes.fromhex("FFFFFFFFFFFF")
FILE = encode_loyalty_file(LoyaltyFile("ABAN", "0009876543210"))
LONG_FILE = encode_loyalty_file(LoyaltyFile("ABAN-CLUB-ABCDEF", "0009876543210" * 2))
ACR122, OTHER_READER = "ACS ACR122U 00 00", "SCM uTrust 3700 F 00 00"


def read(card: WatchedCard, layout: ChipLayout | None = None, reader: str = OTHER_READER) -> ChipContents:
    setup = ChipSetup(layout or ChipLayout(), reader, CardKeys({CLASSIC_READ: KEY}))
    return run(read_card(card.atr, setup), card)


# --- MIFARE Classic


def classic(file: bytes, blocks: tuple[int, ...] = (4, 5, 6, 8, 9, 10), **changes: object) -> ClassicCard:
    parts = {block: file[n * 16 : n * 16 + 16].ljust(16, b"\0") for n, block in enumerate(blocks)}
    keys = dict.fromkeys(range(16), KEY)
    return ClassicCard(parts, **{"keys": keys} | changes)  # type: ignore[arg-type]  # fields of the fake


CLASSIC = ChipLayout(classic=ClassicLayout())


@pytest.mark.parametrize(("file", "blocks_read"), [(FILE, 2), (LONG_FILE, 4)])
def test_the_file_of_a_classic_card_is_read_with_the_clubs_key_and_no_further(file: bytes, blocks_read: int) -> None:
    card = classic(file)
    found = read(card, CLASSIC)
    assert (found.uid, found.contents[LOYALTY][: len(file)]) == (card.uid, file)
    assert sum(command[1] == 0xB0 for command in card.asked) == blocks_read


def test_blocks_and_key_can_be_configured() -> None:
    layout = ChipLayout(classic=ClassicLayout(blocks=(61, 62), key="B"))
    card = classic(b"M-1234".ljust(32, b"\0"), (61, 62), key_type=0x61)
    assert read(card, layout).contents == {LOYALTY: b"M-1234".ljust(32, b"\0")}
    assert read(classic(FILE, (61, 62)), layout).contents == {}, "key A does not open it"


def test_a_classic_card_of_somebody_else_has_its_uid_and_is_tried_once() -> None:
    card = classic(FILE, keys=dict.fromkeys(range(16), OTHER_KEY))
    assert read(card, CLASSIC) == ChipContents(card.atr, card.uid, {})
    assert [command[1] for command in card.asked] == [0xCA, 0x82, 0x86]


def test_a_second_sector_that_stays_closed_ends_the_file() -> None:
    card = classic(LONG_FILE, keys={1: KEY})
    assert read(card, CLASSIC).contents == {LOYALTY: LONG_FILE[:48]}


def test_without_its_table_a_classic_card_is_asked_for_its_uid_only() -> None:
    card = classic(FILE)
    assert read(card) == ChipContents(card.atr, card.uid)
    assert [command[1] for command in card.asked] == [0xCA]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": ()}, "at least one"),
        ({"blocks": (256,)}, "0 to 255"),
        ({"blocks": (7,)}, "keys"),
        ({"blocks": (127,)}, "keys"),
        ({"blocks": (143,)}, "keys"),
        ({"blocks": (255,)}, "keys"),
        ({"key": "C"}, "'A' or 'B'"),
    ],
)
def test_a_classic_table_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClassicLayout(**changes)  # type: ignore[arg-type]  # wrong values are the point


def test_sectors_of_a_4k_card() -> None:
    assert [sector_of(block) for block in (0, 3, 4, 127, 128, 143, 144, 255)] == [0, 0, 1, 31, 32, 32, 33, 39]
    assert ClassicLayout(blocks=(131, 142)).blocks


# --- NTAG and Ultralight

NTAG213, ULTRALIGHT_EV1 = bytes.fromhex("0004040201000F03"), bytes.fromhex("0004030101000B03")


def ntag(text: str, size: int, claims: int | None = None, version: bytes = b"") -> NtagCard:
    """``size``: bytes that there are; ``claims``: what the capability container says."""
    message = ndef.encode_message([ndef.NdefRecord(ndef.TEXT, text)])
    pages = bytearray(type_2_pages(message, size=max(size, claims or 0))[: 16 + size])
    pages[14] = (claims or size) // 8
    return NtagCard(bytes(pages) + bytes(16), version)


@pytest.mark.parametrize("reader", [ACR122, OTHER_READER])
@pytest.mark.parametrize("text", ["M-1", "x" * 100])
def test_an_ntag_is_read_whatever_the_reader(reader: str, text: str) -> None:
    card = ntag(text, 144, version=NTAG213)
    (record,) = ndef.parse_message(read(card, reader=reader).contents[NDEF])
    assert record.text == text
    assert any(command[1] == 0x00 for command in card.asked) == (reader == ACR122), "only ACR122U is asked so"


def test_a_first_ultralight_is_never_asked_what_silences_it() -> None:
    card = ntag("M-1", 48)
    assert NDEF in read(card, reader=ACR122).contents
    assert all(command[1] != 0x00 for command in card.asked)


def test_a_tag_that_does_not_know_its_version_is_bounded_by_its_container() -> None:
    card = ntag("x" * 100, 144, version=bytes(8))
    assert NDEF in read(card, reader=ACR122).contents


def test_a_message_longer_than_the_chip_is_not_read_around_the_corner() -> None:
    """Behind its last page an NTAG begins again at page 0: UID and lock bytes are no message."""
    lying = ntag("x" * 100, 48, claims=144, version=ULTRALIGHT_EV1)
    assert read(lying, reader=ACR122) == ChipContents(lying.atr, lying.uid, {})
    assert max(int.from_bytes(command[2:4], "big") for command in lying.asked if command[1] == 0xB0) <= 16


# --- SLE4442, SLE4428

ACS, OMNIKEY = "ACS ACR39U ICC Reader 00 00", "HID Global OMNIKEY 3121 00 00"


@pytest.mark.parametrize(("atr", "size", "kind"), [(SLE4442_ATR, 256, 6), (SLE4428_ATR, 1024, 5)])
@pytest.mark.parametrize(("reader", "needs_type"), [(ACS, True), (OMNIKEY, False)])
def test_a_memory_card_is_read_on_a_reader_that_can(
    atr: bytes, size: int, kind: int, reader: str, needs_type: bool
) -> None:
    memory = bytes(32) + FILE.ljust(size - 32, b"\xff")
    card = MemoryCard(atr, memory, needs_type=needs_type, protection=bytes(4))
    found = read(card, reader=reader)
    assert found.contents[LOYALTY][: len(FILE)] == FILE
    assert found.uid is None
    assert (card.asked[0] == bytes((0xFF, 0xA4, 0, 0, 1, kind))) == needs_type
    assert {command[:2] for command in card.asked} <= {b"\xff\xa4", b"\xff\xb0"}


def test_on_any_other_reader_a_memory_card_is_left_alone() -> None:
    card = MemoryCard(SLE4442_ATR, FILE, needs_type=False)
    assert read(card) == ChipContents(SLE4442_ATR)
    assert card.asked == []


def test_an_address_beyond_the_first_256_bytes() -> None:
    memory = bytes(700) + FILE.ljust(324, b"\xff")
    card = MemoryCard(SLE4428_ATR, memory, needs_type=True)
    layout = ChipLayout(memory_card=MemoryCardLayout(offset=700))
    assert read(card, layout, ACS).contents[LOYALTY][: len(FILE)] == FILE
    with pytest.raises(ValueError, match="0 to 1023"):
        MemoryCardLayout(offset=1024)


def test_an_empty_memory_card_carries_nothing() -> None:
    assert read(MemoryCard(SLE4442_ATR, b"\xff" * 256, needs_type=False), reader=OMNIKEY).contents == {}


def test_a_memory_card_that_cannot_be_selected_carries_nothing() -> None:
    card = MemoryCard(SLE4442_ATR, FILE, needs_type=True)
    card.answer = lambda _command: b"\x63\x00"  # type: ignore[method-assign, assignment]  # one that was put in wrong
    assert read(card, reader=ACS) == ChipContents(SLE4442_ATR)


def test_kinds_by_atr() -> None:
    assert parse_atr(storage_atr(0x0002)).reads_as_classic
    assert parse_atr(bytes.fromhex("3B8180018080")).may_be_desfire
    assert parse_atr(SLE4442_ATR + b"\0").memory_card is None
