"""Phone numbers as cashiers type them, and what may be shown of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.digits import fold_digits, persian_digits
from posd.cards.phone import COUNTRIES, BadPhone, mask_phone, normalise_phone


@pytest.mark.parametrize(
    "typed",
    [
        "09120001234",
        "0912 000 1234",
        "۰۹۱۲۰۰۰۱۲۳۴",
        "٠٩١٢٠٠٠١٢٣٤",
        "+989120001234",
        "+98 912 000 12 34",
        "00989120001234",
        "989120001234",
        "9120001234",
        "+98 (0)912-000-1234",
        "\u2066+98\u00a0912 000 1234\u2069",
    ],
)
def test_one_iranian_number_however_it_is_typed(typed: str) -> None:
    assert normalise_phone(typed, "IR") == "+989120001234"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", BadPhone.EMPTY),
        (" - ", BadPhone.EMPTY),
        ("Parisa", BadPhone.NOT_A_NUMBER),
        ("0912+0001234", BadPhone.NOT_A_NUMBER),
        ("²912000123", BadPhone.NOT_A_NUMBER),
        ("0912000123", BadPhone.TOO_SHORT),
        ("091200012345", BadPhone.TOO_LONG),
        ("02188770000", BadPhone.NOT_MOBILE),
        ("+9891200012345678", BadPhone.TOO_LONG),
        ("+4912", BadPhone.TOO_SHORT),
        ("+491234567890123456", BadPhone.TOO_LONG),
    ],
)
def test_what_is_no_number_says_why(typed: str, why: BadPhone) -> None:
    assert normalise_phone(typed, "IR") is why


@pytest.mark.parametrize(
    ("typed", "country", "e164"),
    [
        ("+4915123456789", "IR", "+4915123456789"),
        ("0151 23456789", "DE", "+4915123456789"),
        ("07700 900123", "GB", "+447700900123"),
        ("050 123 4567", "AE", "+971501234567"),
        ("0770 123 4567", "IQ", "+9647701234567"),
        ("9715 0123 4567", "AE", "+971501234567"),
        ("5551 2345", "KW", "+96555512345"),
        ("1 212 555 0100", "US", "+12125550100"),
        ("(212) 555-0100", "US", "+12125550100"),
        ("+81 90 1234 5678", "JP", "+819012345678"),
    ],
)
def test_numbers_of_other_countries(typed: str, country: str, e164: str) -> None:
    assert normalise_phone(typed, country) == e164


def test_a_country_we_do_not_know_needs_the_plus() -> None:
    assert normalise_phone("09012345678", "JP") is BadPhone.NOT_A_NUMBER


@given(st.from_regex(r"9[0-9]{9}", fullmatch=True), st.sampled_from(["0", "+98", "0098", "98", ""]), st.booleans())
def test_every_form_of_a_number_is_the_same_number(national: str, prefix: str, persian: bool) -> None:
    typed = prefix + national
    assert normalise_phone(persian_digits(typed) if persian else typed, "IR") == "+98" + national


@given(st.text(max_size=30), st.sampled_from([*sorted(COUNTRIES), "JP"]))
def test_any_text_is_a_number_or_a_reason(typed: str, country: str) -> None:
    number = normalise_phone(typed, country)
    assert isinstance(number, BadPhone) or (number.startswith("+") and number[1:].isascii() and number[1:].isdigit())


@pytest.mark.parametrize(
    ("e164", "country", "mask"),
    [
        ("+989120001234", "IR", "0912 *** **34"),
        ("+4915123456789", "IR", "+4915 *** **89"),
        ("+4915123456789", "DE", "0151 *** **89"),
        ("+819012345678", "JP", "+8190 *** **78"),
    ],
)
def test_a_mask_shows_four_and_two_digits(e164: str, country: str, mask: str) -> None:
    assert mask_phone(e164, country) == mask


def test_digits_fold_both_ways() -> None:
    assert fold_digits("۰۱۲۳۴۵۶۷۸۹ ٠١٢٣٤٥٦٧٨٩ ０９ x²") == "0123456789 0123456789 09 x²"
    assert fold_digits(persian_digits("1,234")) == "1,234"
