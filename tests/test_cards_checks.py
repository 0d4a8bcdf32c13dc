"""Check digits, and the masks that keep them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean as stdnum_ean
from stdnum import luhn as stdnum_luhn
from stdnum.iso7064 import mod_11_2, mod_37_36, mod_97_10

from posd.cards.checks import (
    crc16,
    gs1_digit,
    gs1_ok,
    lrc,
    luhn_digit,
    luhn_ok,
    mod_11_2_ok,
    mod_37_36_ok,
    mod_43_ok,
    mod_97_10_ok,
)
from posd.cards.masking import SHORTEST, Masker, mask_digits

BODIES = st.from_regex(r"[0-9]{1,30}", fullmatch=True)


@pytest.mark.parametrize("number", ["79927398713", "4111111111111111", "18", "0000000000000000"])
def test_luhn_of_published_numbers(number: str) -> None:
    assert luhn_ok(number)


@pytest.mark.parametrize(
    "number", ["123456789012345675", "795260646688514634", "4006381333931", "036000291452", "96385074"]
)
def test_gs1_check_of_published_numbers(number: str) -> None:
    assert gs1_ok(number)


@pytest.mark.parametrize("check", [luhn_ok, gs1_ok])
@pytest.mark.parametrize("text", ["", "0", "A8", "١٨", "²8", "79927398714", "1 8"])
def test_what_has_no_right_check_digit(check: type, text: str) -> None:
    assert not check(text)


@given(BODIES, st.integers(0, 29), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(body: str, place: int, by: int) -> None:
    place %= len(body)
    wrong = body[:place] + str((int(body[place]) + by) % 10) + body[place + 1 :]
    for digit, ok in ((luhn_digit, luhn_ok), (gs1_digit, gs1_ok)):
        assert ok(body + digit(body))
        assert not ok(wrong + digit(body))


DIGITS = st.from_regex(r"[0-9]{2,20}", fullmatch=True)
LETTERS = st.from_regex(r"[0-9A-Z]{3,20}", fullmatch=True)


@given(DIGITS, LETTERS)
def test_checks_agree_with_python_stdnum(digits: str, letters: str) -> None:
    """Numbers as drawn, of which few are right, and made right by the library."""
    for number in (digits, digits + stdnum_luhn.calc_check_digit(digits)):
        assert luhn_ok(number) is stdnum_luhn.is_valid(number)
    for number in (digits, digits + mod_11_2.calc_check_digit(digits)):
        assert mod_11_2_ok(number) is mod_11_2.is_valid(number)
    for number in (letters, letters + mod_37_36.calc_check_digit(letters)):
        assert mod_37_36_ok(number) is mod_37_36.is_valid(number)
    right = letters + mod_97_10.calc_check_digits(letters)
    assert mod_97_10_ok(right)
    assert mod_97_10.is_valid(right)
    assert mod_97_10_ok(letters) is (letters[-2:].isdigit() and mod_97_10.is_valid(letters))
    ean = digits[:12].zfill(12)
    assert gs1_digit(ean) == stdnum_ean.calc_check_digit(ean)


def test_the_check_character_of_code_39() -> None:
    assert mod_43_ok("CODE39W")
    assert mod_43_ok("12345ABCDE/V") is (sum((*range(1, 6), *range(10, 15), 40)) % 43 == 31)
    assert not mod_43_ok("CODE39V")


@pytest.mark.parametrize("check", [mod_11_2_ok, mod_37_36_ok, mod_97_10_ok, mod_43_ok])
@pytest.mark.parametrize("text", ["", "1", "X", "٣٤٥", "a1b2", "12\n", "12 3x", "²³"])
def test_what_no_check_can_be_told_of(check: type, text: str) -> None:
    assert not check(text)


def test_lrc_of_a_manual() -> None:
    """``;23?`` in the manual of an encoder, and the same rule on track 1."""
    assert lrc(";23?", 0x30) == "5"
    assert lrc("%AB?", 0x20) == chr(0x20 + (5 ^ 0x21 ^ 0x22 ^ 0x1F))


def test_crc_of_the_catalogue() -> None:
    assert crc16(b"123456789").hex() == "29b1"


# --- masks


@given(st.from_regex(rf"[0-9]{{{SHORTEST},40}}", fullmatch=True))
def test_a_mask_keeps_length_and_check_digits_and_nothing_else(number: str) -> None:
    fake = mask_digits(number)
    assert (len(fake), luhn_ok(fake), gs1_ok(fake)) == (len(number), luhn_ok(number), gs1_ok(number))
    assert fake == mask_digits(fake) or number[:-3] != fake[:-3], "digits of the card are gone"


@pytest.mark.parametrize("length", [8, 13, 14, 16, 18])
def test_every_pair_of_check_digits_can_be_kept(length: int) -> None:
    masker, seen = Masker(), set()
    for n in range(2_000):
        number = str(n * 7_919).zfill(length)
        fake = masker.text(number)
        checks = (luhn_ok(number), gs1_ok(number))
        seen.add(checks)
        assert (luhn_ok(fake), gs1_ok(fake), len(fake)) == (*checks, length)
    assert len(seen) == 4


@given(st.lists(st.from_regex(r"[0-9]{12,19}", fullmatch=True), unique=True, min_size=2, max_size=20))
def test_one_transcript_keeps_equal_numbers_equal_and_others_apart(numbers: list[str]) -> None:
    masker = Masker()
    fakes = [masker.text(number) for number in numbers]
    assert len(set(fakes)) == len(numbers)
    assert [masker.text(f"again {number}.") for number in numbers] == [f"again {fake}." for fake in fakes]


def test_grouping_scripts_and_short_runs() -> None:
    assert re.sub("[0-9]", "9", mask_digits("%B4111 1111-1111 1111^A")) == "%B9999 9999-9999 9999^A"
    assert "۴۱۱۱" not in mask_digits("۴۱۱۱۱۱۱۱۱۱۱۱۱۱۱۱")
    assert mask_digits("till 1, 1234567 rial, 12:30:55") == "till 1, 1234567 rial, 12:30:55"


def test_own_prefixes_stay_so_that_rules_still_fit() -> None:
    masker = Masker(keep=("9876",))
    assert masker.text("9876543210123456").startswith("9876000")
    assert masker.text("5555555555554444").startswith("9")
    assert masker.text("98765432") != "98765432"
    assert Masker(keep=("98765432",)).text("9876543210")[:8] != "98765432", "no room for the prefix"


def test_bytes_keep_everything_that_is_no_digit() -> None:
    assert Masker().bytes(b"\x02;9876543210123456?\xff\x03")[:3] == b"\x02;9"
    assert Masker().bytes(b"\xff\xfe12") == b"\xff\xfe12"
