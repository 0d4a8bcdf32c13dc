"""The payment-card guard: no bank card passes `decode`, on any medium, and no digit of one is in what comes out."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posd.cards import payment
from posd.cards.checks import gs1_digit, luhn_digit
from posd.cards.chip import ChipContents, encode_chip
from posd.cards.decode import decode
from posd.cards.issuers import IRAN, issuer_of
from posd.cards.reads import RejectedRead, RejectReason
from posd.cards.rules import CardRules, parse_rules
from posd.drivers.transcript import Transcript
from posd.errors import ConfigError
from posd.events import DeviceClass, RawRead
from tests.fakes.payment_cards import AT, FORMS, cards, leaks, raw, shows

RULES = CardRules()
ON_GOODS = ("GS1 batch", "GS1 serial", "GS1 in brackets")
"""Beside a GTIN; refused as goods, which is the likelier thing."""


def refuse_all(count: int, seed: int, form: str) -> None:
    """Nothing passes, and no six digits in a row leave: not in the result, its repr, or the line of a transcript."""
    for number, rng in cards(count, seed):
        read = FORMS[form](number, rng)
        result = decode(read, RULES)
        assert isinstance(result, RejectedRead), (form, issuer_of(number), len(number))
        may_be_goods = len(number) in (13, 14) or form in ON_GOODS
        goods = may_be_goods and result.reason in (RejectReason.PRODUCT_BARCODE, RejectReason.COUPON)
        assert goods or result.reason is RejectReason.PAYMENT_CARD, (form, result.reason)
        assert not leaks(result, number), form
        assert not shows(repr(read) + Transcript(AT).read(read), number, run=7), form


@pytest.mark.parametrize("form", FORMS)
def test_no_payment_card_passes(form: str) -> None:
    refuse_all(40, 1, form)


@pytest.mark.slow
@pytest.mark.complaint(25)
@pytest.mark.parametrize("part", range(5))
def test_no_payment_card_of_a_hundred_thousand_passes(part: int) -> None:
    forms = sorted(FORMS)[part::5]
    for seed, form in enumerate(forms, start=100 * (part + 1)):
        refuse_all(-(-20_000 // len(forms)), seed, form)


@pytest.mark.parametrize("form", FORMS)
def test_with_the_guard_off_the_number_is_found(form: str) -> None:
    """Positive control: the same reads with the card's own issuer let through carry the digits that `leaks` looks for.
    Where the number is packed or the swipe is broken, it is only the reason that changes."""
    read_anyway = 0
    for number, rng in cards(60, 3):
        if any(bank.covers(number) for bank in IRAN):
            continue
        result = decode(FORMS[form](number, rng), CardRules(own_prefixes=(number[:8],)))
        if isinstance(result, RejectedRead):
            continue
        read_anyway += 1
        assert leaks(result, number), form
    assert read_anyway > 0 or form in NEVER_READ, form


NEVER_READ = {
    "half swipe",
    "two swipes",
    "track 2 without end",
    "swipe with a wrong LRC",
    "JIS stripe",
    "percent-encoded from the start",
    "EMV number",
    "EMV track 1",
    "EMV track 2",
    "EMV record in another file",
    "track 3",
    "three tracks, Enter between",
    "second group of track 2",
    "number and date run together",
}
"""Forms that are refused for another reason if not for this one."""


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


PIECES = st.sampled_from(["4111", "1111", "%34", "%", " ", "-", "\u200f", "\0", "=", "^", "B", "٤", "9999", "\x5a"])


@pytest.mark.fuzz
@settings(deadline=None)
@given(st.text(max_size=40) | st.lists(PIECES, max_size=12).map("".join), st.binary(max_size=40))
def test_the_guard_never_raises_and_own_prefixes_only_let_through(text: str, data: bytes) -> None:
    for guard in (payment.in_text(text), payment.in_tracks({1: text, 2: text, 3: text}), payment.in_bytes(data)):
        assert isinstance(guard, bool)
    assert payment.in_text(text) or not payment.in_text(text, ("987654",))
    assert payment.in_bytes(text.encode()) or not payment.in_text(text)


# --- false refusals, measured


def refused(numbers: Iterator[str]) -> float:
    results = [payment.in_text(number) for number in numbers]
    return sum(results) / len(results)


def random_numbers(length: int, first: str = "", count: int = 20_000) -> Iterator[str]:
    rng = random.Random(length)
    return (first + "".join(rng.choice("0123456789") for _ in range(length - len(first))) for _ in range(count))


@pytest.mark.slow
def test_member_numbers_that_are_refused_by_accident() -> None:
    """The figures of docs/cards.md. One in ten passes Luhn; of those, as many as lie in a payment range."""
    assert refused(random_numbers(16)) < 0.04
    assert refused(random_numbers(10)) == refused(random_numbers(12)) == 0
    assert refused(random_numbers(13)) < 0.015
    assert refused(random_numbers(16, first="90")) == 0
    assert refused(random_numbers(16, first="0")) == 0
    assert refused(number[:15] + str((int(luhn_digit(number[:15])) + 1) % 10) for number in random_numbers(16)) == 0


REGIONS = (
    "000 030 060 100 300 380 400 450 460 480 490 500 520 540 560 570 590 599 600 608 "
    "618 621 626 629 640 690 699 700 729 730 740 750 754 759 769 773 775 779 780 789 "
    "800 840 850 860 868 870 880 885 890 893 899 900 930 940 950 955 977 978 979"
)
"""GS1 prefixes of members all over the world, by which real goods begin."""


def goods(count: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Codes on goods and what a scanner calls them: EAN-13 of each region, UPC-A, EAN-8, ITF-14, GS1-128."""
    prefixes = REGIONS.split()
    for at in range(count):
        prefix = prefixes[at % len(prefixes)]
        ean = prefix + f"{rng.randrange(10**9):09}"
        ean += gs1_digit(ean)
        yield ean, "]E0"
        if at % 4 == 0:
            eight = ean[:7] + gs1_digit(ean[:7])
            twelve = ean[1:12] + gs1_digit(ean[1:12])
            fourteen = str(rng.randrange(1, 9)) + ean[:12]
            fourteen += gs1_digit(fourteen)
            yield from ((eight, "]E4"), (twelve, "]E0"), (fourteen, "]I1"), (f"01{fourteen}", "]C1"))


@pytest.mark.slow
def test_goods_are_never_taken_for_bank_cards() -> None:
    """The figures of docs/security.md. With AIM identifiers nothing that stands on goods is called a bank card; without
    them only an ITF-14 that a bank card of 14 digits could be as well, because 14 bare digits are no EAN."""
    codes, could_be, with_aim, without_aim = 0, 0, 0, 0
    by_length: dict[int, list[int]] = {}
    for code, symbology in goods(202_000, random.Random(5)):
        codes += 1
        could_be += payment.is_payment_number(code)
        with_aim += called_a_bank_card(symbology + code)
        refused_bare = called_a_bank_card(code)
        without_aim += refused_bare
        by_length.setdefault(len(code), []).append(refused_bare)
    print(f"{codes} codes on goods, {could_be} with numbers that a bank card could have")
    print(f"called bank cards: {with_aim} with AIM identifiers, {without_aim} without ({without_aim / codes:.4%})")
    for length, refusals in sorted(by_length.items()):
        print(f"  {length} digits: {sum(refusals)} of {len(refusals)}")
    assert could_be > 500, "control: some goods have numbers that a card could have"
    assert codes > 400_000
    assert with_aim == 0
    assert all(sum(refusals) == 0 for length, refusals in by_length.items() if length in (8, 12, 13))
    assert without_aim / codes < 0.005


def called_a_bank_card(text: str) -> bool:
    result = decode(raw(text), RULES)
    return isinstance(result, RejectedRead) and result.reason is RejectReason.PAYMENT_CARD


def test_a_few_goods_are_never_taken_for_bank_cards() -> None:
    for code, symbology in goods(2_000, random.Random(6)):
        assert not called_a_bank_card(symbology + code)
        assert not called_a_bank_card(code) or len(code) not in (8, 12, 13)
