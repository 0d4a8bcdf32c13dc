"""The club's own rules: masks, symbologies, check characters, and why a rule did not fit. Ids stay text all the way."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.cards.checks import gs1_digit
from posd.cards.chip import ChipContents, encode_chip
from posd.cards.decode import decode
from posd.cards.ean_mask import parse_mask
from posd.cards.identity import Identity, card_key
from posd.cards.iso7813 import swipe_text
from posd.cards.loyalty_file import LoyaltyFile, encode_loyalty_file
from posd.cards.reads import RejectedRead, RejectReason
from posd.cards.rules import CardRules, RuleVerdict, explain, identify, parse_rules
from posd.clock import Instant
from posd.errors import ConfigError
from posd.events import DeviceClass, RawRead

AT = Instant(1, "b", 2)
FRESH = CardRules()


def scan(text: str) -> RawRead:
    return RawRead("r1", DeviceClass.SCANNER, text.encode(), AT)


def rules(*tables: dict[str, Any], defaults: bool = False) -> CardRules:
    return parse_rules({"rule": list(tables), "defaults": defaults})


def member(raw: RawRead, club: CardRules) -> str | RejectReason:
    read = decode(raw, club)
    found = read if isinstance(read, RejectedRead) else identify(read, club)
    return found.reason if isinstance(found, RejectedRead) else found.value


def verdicts(raw: RawRead, club: CardRules) -> tuple[RuleVerdict, ...]:
    read = decode(raw, club)
    assert not isinstance(read, RejectedRead), read
    return explain(read, club)


def ean(body: str) -> str:
    return body + gs1_digit(body)


# --- masks


@pytest.mark.parametrize(
    ("mask", "code", "number"),
    [
        ("2 00 ccccccccc x", ean("200123456789"), "123456789"),
        ("2 00 cccccccc nx", ean("200123456789"), "12345678"),
        ("04 nnn ccccccc x", ean("041230000001"), "0000001"),
        ("2 cc nn cccc nnn x", ean("212993456999"), "123456"),
        ("02cccccccccn", "021234567890", "123456789"),
        ("cccccccc", "00000007", "00000007"),
        ("0 2 c cccccccccx", ean("02123456789")[0:12], None),
    ],
)
def test_a_mask_says_where_the_number_stands(mask: str, code: str, number: str | None) -> None:
    assert parse_mask(mask).number(code) == number


def test_a_mask_reads_what_is_otherwise_goods_and_checks_it() -> None:
    club = rules({"read": "barcode", "mask": "2 00 cccccccccx", "name": "green cards"})
    code = ean("200000000770")
    assert member(scan(code), club) == member(scan("]E0" + code), club) == "000000770"
    assert member(scan(code), FRESH) is RejectReason.PRODUCT_BARCODE
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    assert member(scan(wrong), club) is RejectReason.BAD_CHECK
    assert member(scan(ean("201000000770")), club) is RejectReason.PRODUCT_BARCODE, "weighed goods stay goods"
    assert member(scan(ean("980000000770")), club) is RejectReason.COUPON


def test_upc_a_meets_a_mask_with_its_zero() -> None:
    club = rules({"read": "barcode", "mask": "04 cccccccccc x"})
    code = ean("041234567890")
    assert code[0] == "0"
    assert member(scan("]E0" + code[1:]), club) == member(scan("]E0" + code), club) == "1234567890"


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        ("4006381cccccx", "somebody's goods"),
        ("cccccccccccc x", "somebody's goods"),
        ("2000000000000", "c for the number"),
        ("2xcccccccccccc", "c for the number"),
        ("2 ab", "c for the number"),
        ("", "c for the number"),
    ],
)
def test_masks_that_cannot_be(mask: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        rules({"read": "barcode", "mask": mask})


@pytest.mark.parametrize(
    "table",
    [
        {"read": "barcode", "mask": "2cccc", "pattern": "2.*"},
        {"read": "track2", "mask": "2cccc"},
        {"read": "track2", "check": "mod43"},
    ],
)
def test_a_mask_belongs_to_a_barcode_and_stands_alone(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="mask"):
        rules(table)


# --- check characters


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        ("luhn", "79927398713", "79927398710"),
        ("gs1", "00012348", "00012349"),
        ("mod11-2", "000000021694233X", "0000000216942331"),
        ("mod37-36", "A12425GABC1234002M", "A12425GABC1234002N"),
        ("mod97-10", "9999123456789012141490", "9999123456789012141491"),
    ],
)
def test_the_check_of_a_rule(check: str, right: str, wrong: str) -> None:
    club = rules({"read": "barcode", "symbologies": ["]C0"], "check": check})
    assert member(scan("]C0" + right), club) == right
    assert member(scan("]C0" + wrong), club) is RejectReason.BAD_CHECK


def test_code_39_is_one_number_with_and_without_its_check_character() -> None:
    club = rules({"read": "barcode", "symbologies": ["]A0", "]A1", "]A3", "]A7"], "check": "mod43", "lengths": [6]})
    assert member(scan("]A0CODE39W"), club) == "CODE39"
    assert member(scan("]A1CODE39W"), club) == "CODE39"
    assert member(scan("]A3CODE39"), club) == member(scan("]A7CODE39"), club) == "CODE39"
    assert member(scan("]A0CODE39X"), club) is RejectReason.BAD_CHECK
    assert member(scan("]A0CODE39"), club) is RejectReason.OTHER_CLUB, "one character short"


def test_interleaved_2_of_5_is_never_taken_in_part() -> None:
    loose = rules({"read": "barcode", "pattern": "[0-9]+"}, {"read": "barcode", "lengths": [8, 10]}, defaults=True)
    assert member(scan("]I000771234"), loose) is RejectReason.OTHER_CLUB
    exact = rules({"read": "barcode", "symbologies": ["]I0", "]I1"], "lengths": [10]})
    assert member(scan("]I00000771234"), exact) == "0000771234"
    assert member(scan("]I000771234"), exact) is RejectReason.OTHER_CLUB
    assert member(scan("]I00007712345678"), exact) is RejectReason.OTHER_CLUB


@pytest.mark.parametrize("text", ["]F0A0007719B", "]G0M-0007719", "]L0M-0007719", "]Q0M-0007719", "]z0M-0007719"])
def test_free_symbologies_by_pattern(text: str) -> None:
    club = rules({"read": "barcode", "symbologies": [text[:3]], "pattern": "(?:A|M-)([0-9]{7})B?"})
    assert member(scan(text), club) == "0007719"


def test_a_number_can_be_printed() -> None:
    for text in ("M-77\x1d19", "M-77\x7f19", "M-77\u200b19", "M-77\n19"):
        assert member(scan(text), FRESH) is RejectReason.OTHER_CLUB


# --- GS1 codes and the rules


def test_a_gs1_code_is_its_member_or_nobody() -> None:
    club = rules({"read": "barcode", "pattern": "91(M[0-9]{4})"}, defaults=True)
    assert member(scan("]C191M0771"), club) == "M0771"
    assert member(scan("]C191M0771"), FRESH) is RejectReason.OTHER_CLUB
    assert member(scan("]C18017123456789012345675"), FRESH) is RejectReason.OTHER_CLUB
    assert member(scan("]C18018123456789012345674"), FRESH) is RejectReason.BAD_CHECK
    assert member(scan("]C180191234580181234567890123456755"), FRESH) is RejectReason.OTHER_CLUB
    assert member(scan("]C1801912348018123456789012345675"), FRESH) is RejectReason.UNREADABLE
    assert member(scan("(8018)123456789012345675"), FRESH) == "123456789012345675"


# --- why


def test_each_rule_says_why_it_did_not_fit() -> None:
    club = parse_rules(
        {
            "rule": [
                {"read": "track2", "name": "old stripes"},
                {"read": "barcode", "symbologies": ["]C0"], "name": "printed"},
                {"read": "barcode", "pattern": "29[0-9]+"},
                {"read": "barcode", "lengths": [8, 10]},
                {"read": "barcode", "lengths": [5, 6, 7]},
                {"read": "barcode", "mask": "2ccccccccccx"},
                {"read": "barcode", "pattern": "MEM-(.*)"},
                {"read": "barcode"},
            ]
        }
    )
    told = verdicts(scan("MEM-0007719"), club)
    assert told == (
        RuleVerdict("1 old stripes (track2)", False, "this read has no track2"),
        RuleVerdict("2 printed (barcode)", False, "symbology not told; the rule wants ]C0"),
        RuleVerdict("3 own (barcode)", False, "the pattern does not fit"),
        RuleVerdict("4 own (barcode)", False, "11 characters; allowed are 8, 10"),
        RuleVerdict("5 own (barcode)", False, "11 characters; allowed are 5 to 7"),
        RuleVerdict("6 own (barcode)", False, "the mask does not fit"),
        RuleVerdict("7 own (barcode)", True),
    )


@pytest.mark.parametrize(
    ("raw", "club", "why"),
    [
        (scan("4006381333931"), FRESH, "goods, coupons and receipts are for rules with a pattern or a mask"),
        (scan("]C191M"), FRESH, "a GS1 code without a member's number (AI 8018)"),
        (scan("]I01234"), FRESH, "Interleaved 2 of 5 may be read in part; give the one right length in the rule"),
        (
            scan("%E?;E?;12345678?"),
            rules({"read": "track2"}),
            "the search ends: the track that carries the number did not decode",
        ),
        (scan("]C18017123456789012345675"), FRESH, "the search ends: AI 8017 numbers staff, not members (8018)"),
        (
            scan("M-12345678"),
            rules({"read": "barcode", "pattern": "M-(.*)", "check": "luhn"}),
            "the search ends: the luhn check digit is wrong",
        ),
        (
            scan("20000007719" + "00"),
            rules({"read": "barcode", "mask": "2ccccccccccc x"}),
            "the search ends: the check digit of the code is wrong",
        ),
        (
            scan("]A0CODE39X"),
            rules({"read": "barcode", "check": "mod43"}),
            "the search ends: the check character of the symbol is wrong",
        ),
    ],
)
def test_reasons(raw: RawRead, club: CardRules, why: str) -> None:
    assert why in [verdict.why_not for verdict in verdicts(raw, club)]


ANY_RULE = st.fixed_dictionaries(
    {"read": st.sampled_from(["track1", "track2", "track3", "barcode", "loyalty", "ndef", "uid"])},
    optional={
        "pattern": st.sampled_from(["[0-9]+", "M-(.*)", ".*", "(x)?[0-9]{4,}"]),
        "lengths": st.lists(st.integers(1, 40), max_size=2),
        "check": st.sampled_from(["luhn", "gs1", "mod11-2", "mod37-36", "mod97-10"]),
    },
)


@pytest.mark.fuzz
@settings(deadline=None)
@given(
    st.lists(ANY_RULE, max_size=4),
    st.text(max_size=30) | st.from_regex(r"(\]C1|\]E0|\]I0|;|%)?(M-)?[0-9]{4,20}\??", fullmatch=True),
)
def test_explaining_agrees_with_identifying_and_shows_no_digit(tables: list[dict[str, Any]], text: str) -> None:
    club = rules(*tables, defaults=True)
    read = decode(scan(text), club)
    if isinstance(read, RejectedRead):
        return
    told, found = explain(read, club), identify(read, club)
    assert told[-1].fits is isinstance(found, Identity)
    assert not any(verdict.fits for verdict in told[:-1])
    shown = " ".join(verdict.why_not for verdict in told)
    assert not any(run in text for run in re.findall("[0-9]{4,}", shown) if run not in ("8017", "8018"))


# --- text from end to end


def identity(raw: RawRead) -> Identity:
    found = decode(raw, FRESH)
    assert not isinstance(found, RejectedRead), found
    who = identify(found, FRESH)
    assert isinstance(who, Identity), who
    return who


def ways(number: str) -> list[RawRead]:
    chip = ChipContents(contents={"loyalty": encode_loyalty_file(LoyaltyFile("ABAN", number))})
    return [
        scan(f"]C0{number}"),
        scan(f"]Q1{number}\r"),
        scan(swipe_text(track2=number)),
        scan(swipe_text(track2=number + "=2512", lrcs=True)),
        scan(swipe_text(f"B{number}^A/B")),
        RawRead("r1", DeviceClass.SMARTCARD, encode_chip(chip), AT),
    ]


@pytest.mark.complaint(18)
@given(st.from_regex(r"0{0,4}[1-8][0-9]{7,8}", fullmatch=True))
def test_a_leading_zero_is_never_lost_or_added(number: str) -> None:
    """Two numbers that differ by their zeros are two members, on every medium, from the bytes to the key; and one
    number is one member."""
    keys = {}
    for written in (number, "0" + number, "00" + number):
        found = {identity(raw).value for raw in ways(written)}
        assert found == {written}
        keys[written] = {card_key(b"club", identity(raw)) for raw in ways(written)}
    assert all(len(same) == 1 for same in keys.values())
    assert len(set.union(*keys.values())) == 3


@pytest.mark.complaint(18)
def test_seven_is_not_double_o_seven() -> None:
    club = rules({"read": "barcode", "pattern": "[0-9]+"})
    assert [member(scan(text), club) for text in ("7", "07", "007")] == ["7", "07", "007"]


@pytest.mark.complaint(18)
@pytest.mark.parametrize("symbology", ["", "]E0"])
def test_upc_a_and_ean_13_are_one_number_and_only_they(symbology: str) -> None:
    """The one rule by which zeros are added: 12 digits with a right check digit, in front of the pattern."""
    club = rules({"read": "barcode", "pattern": "[0-9]+", "symbologies": [symbology] if symbology else []})
    upc = ean("03600029145")
    assert member(scan(symbology + upc), club) == member(scan(symbology + "0" + upc), club) == "0" + upc
    no_upc = upc[:-1] + str((int(upc[-1]) + 1) % 10)
    assert member(scan(symbology + no_upc), club) == no_upc
    assert member(scan(symbology + ean("0000007")), club) == ean("0000007"), "EAN-8 stays EAN-8"
