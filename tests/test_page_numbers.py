"""What the page does with numbers, asked of its own modules in the browser: money without floats, digits of three
scripts, amounts in words, plural forms, dates of two calendars."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.cashier_views import idle
from tests.fakes.chromium import browser
from tests.fakes.page_server import PageServer

pytestmark = pytest.mark.slow

Ask = Callable[..., Any]
TOMAN = {"unit": "IRR", "minor_digits": 0, "name": "toman", "factor": 10}
RIAL = {"unit": "IRR", "minor_digits": 0, "name": "rial", "factor": 1}
DIRHAM = {"unit": "AED", "minor_digits": 2, "name": "dirham", "factor": 1}
PERSIAN, ARABIC = "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩"
CASES = random.Random(7)


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """``ask("money.js", "formatAmount(...a)", cases)``: the expression for each case, in one round trip."""
    server = PageServer(idle("en"))
    with browser() as chrome:
        chrome.get(server.url)

        def evaluate(module: str, expression: str, cases: list[list[Any]]) -> Any:
            script = (
                f"const done = arguments[1]; import('/{module}').then((m) => {{"
                f"const answers = arguments[0].map((a) => {expression});"
                "done(answers); }).catch((error) => done(String(error)));"
            )
            return chrome.execute_async_script(script, cases)

        yield evaluate
    server.stop()


def group(number: int, mark: str) -> str:
    return f"{number:,}".replace(",", mark)


def test_money_is_divided_exactly_and_never_rounded(ask: Ask) -> None:
    amounts = [
        0,
        1,
        9,
        10,
        11,
        99,
        100,
        12_880_000,
        12_880_005,
        10**15 - 1,
        *(CASES.randrange(10**15) for _ in range(200)),
    ]
    shown = ask("money.js", "m.formatAmount(a[0], a[1], 'latn')", [[amount, TOMAN] for amount in amounts])
    for amount, text in zip(amounts, shown, strict=True):
        whole, rest = divmod(amount, 10)
        assert text == group(whole, ",") + (f".{rest}" if rest else "")
    shown = ask("money.js", "m.formatAmount(a[0], a[1], 'arab')", [[amount, DIRHAM] for amount in amounts])
    for amount, text in zip(amounts, shown, strict=True):
        whole, rest = divmod(amount, 100)
        assert text == (group(whole, "٬") + f"٫{rest:02}").translate(str.maketrans("0123456789", ARABIC))


def test_a_negative_amount_has_its_minus_on_the_left(ask: Ask) -> None:
    assert ask(
        "money.js", "m.formatAmount(a[0], a[1], a[2])", [[-386_400, TOMAN, "arabext"], [-5, DIRHAM, "latn"]]
    ) == ["−۳۸٬۶۴۰", "−0.05"]


def test_a_factor_that_is_no_power_of_ten_is_refused(ask: Ask) -> None:
    assert "power of ten" in ask("money.js", "m.formatAmount(100, {...a[0], factor: 7}, 'latn')", [[TOMAN]])


def test_what_is_typed_comes_back_as_the_same_amount(ask: Ask) -> None:
    for money in (TOMAN, RIAL, DIRHAM):
        amounts = [CASES.randrange(1, 10**13) // 10 * 10 for _ in range(100)]
        back = ask(
            "money.js", "m.parseAmount(m.typedAmount(a[0], a[1]), a[1])", [[amount, money] for amount in amounts]
        )
        assert back == amounts
    assert ask(
        "money.js",
        "m.parseAmount(a[0], a[1])",
        [["", TOMAN], ["12", TOMAN], ["12.", DIRHAM], ["12.5", DIRHAM], ["0.07", DIRHAM]],
    ) == [None, 120, 1200, 1250, 7]


def test_typing_stops_where_an_amount_ends(ask: Ask) -> None:
    typed = "[...a[0]].reduce((text, c) => m.typeAmount(text, c, a[1]), '')"
    cases = [["007", TOMAN], ["1.5", TOMAN], ["1.234", DIRHAM], [".5", DIRHAM], ["1..2", DIRHAM], ["9" * 30, TOMAN]]
    assert ask("money.js", typed, cases) == ["7", "15", "1.23", "0.5", "1.2", "9" * 14]


def test_digits_of_three_scripts_are_folded_and_nothing_else(ask: Ask) -> None:
    assert ask("numbers.js", "m.foldDigits(a[0])", [[PERSIAN], [ARABIC], ["۱٢3"], ["²③Ⅷ"]]) == [
        "0123456789",
        "0123456789",
        "123",
        "²③Ⅷ",
    ]
    assert ask(
        "numbers.js", "m.localDigits(a[0], a[1])", [["0912", "arabext"], ["0912", "arab"], ["0912", "latn"]]
    ) == ["۰۹۱۲", "٠٩١٢", "0912"]


def test_the_digits_of_a_language_follow_its_country(ask: Ask) -> None:
    cases = [["en", "IRR"], ["fa", "IRR"], ["ar", "IQD"], ["ar", "AED"], ["ar", "SAR", "arab"], ["fa", "IRR", "latn"]]
    assert ask("numbers.js", "m.digitSet(...a)", cases) == ["latn", "arabext", "arab", "latn", "arab", "arabext"]


DINAR_AR = {"one": "دينار واحد", "two": "ديناران", "few": "دنانير", "many": "دينارًا", "other": "دينار"}


@pytest.mark.parametrize(
    ("language", "noun", "words"),
    [
        ("en", {"one": "rial", "other": "rials"}, {
            1: "one rial", 12: "twelve rials", 21: "twenty-one rials", 100: "one hundred rials",
            1_288_000: "one million two hundred eighty-eight thousand rials", 1_000_005: "one million five rials",
        }),
        ("fa", "تومان", {
            1: "یک تومان", 1000: "هزار تومان", 12_000: "دوازده هزار تومان", 101: "صد و یک تومان",
            1_288_000: "یک میلیون و دویست و هشتاد و هشت هزار تومان", 2_000_000_350: "دو میلیارد و سیصد و پنجاه تومان",
        }),
        ("ar", DINAR_AR, {
            1: "دينار واحد", 2: "ديناران", 3: "ثلاثة دنانير", 10: "عشرة دنانير", 11: "أحد عشر دينارًا", 100: "مئة دينار",
            103: "مئة وثلاثة دنانير", 200: "مئتا دينار", 2000: "ألفا دينار", 3000: "ثلاثة آلاف دينار",
            25_000: "خمسة وعشرون ألف دينار",
            200_000: "مئتا ألف دينار", 128_750: "مئة وثمانية وعشرون ألفًا وسبعمئة وخمسون دينارًا",
            2_500: "ألفان وخمسمئة دينار",
            1_288_000: "مليون ومئتان وثمانية وثمانون ألف دينار", 101: None, 1002: None, 101_000: None,
        }),
    ],
)  # fmt: skip
def test_amounts_in_words_or_none_where_grammar_is_not_certain(
    ask: Ask, language: str, noun: Any, words: dict[int, str | None]
) -> None:
    said = ask("spelling.js", "m.spell(...a)", [[language, number, noun] for number in words])
    assert dict(zip(words, said, strict=True)) == words
    assert ask("spelling.js", "m.spell(...a)", [[language, 0, noun], [language, 10**12, noun]]) == [None, None]


def test_english_words_are_the_number(ask: Ask) -> None:
    numbers = [CASES.randrange(1, 10**12) for _ in range(200)]
    said = ask("spelling.js", "m.spell('en', a[0], 'x')", [[number] for number in numbers])
    assert [_read_english(text.removesuffix(" x")) for text in said] == numbers


SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def _read_english(text: str) -> int:
    values = {word: n for n, word in enumerate(SMALL.split())}
    values |= {word: 10 * n for n, word in enumerate(TENS.split(), start=2)}
    scales = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
    total = part = 0
    for word in text.replace("-", " ").split():
        if word in values:
            part += values[word]
        elif word == "hundred":
            part *= 100
        else:
            total, part = total + part * scales[word], 0
    return total + part


def test_plural_forms_are_those_of_the_languages(ask: Ask) -> None:
    counts = [0, 1, 2, 3, 10, 11, 99, 100, 101, 102, 103, 111, 1000, 1002]
    forms = ask("words.js", "m.pluralForm('ar', a[0])", [[n] for n in counts])
    assert " ".join(forms) == "zero one two few few many many other other other few many other other"
    assert ask("words.js", "m.pluralForm(...a)", [["en", 1], ["en", 2], ["fa", 1], ["fa", 5]]) == [
        "one",
        "other",
        "other",
        "other",
    ]
    assert forms == ask("words.js", "new Intl.PluralRules('ar').select(a[0])", [[n] for n in counts]), "as CLDR has it"


def test_sentences_are_filled_and_isolated(ask: Ask) -> None:
    speech = (
        "((s) => { const box = document.createElement('p'); box.append(s.say(a[2], a[3]));"
        "return [box.textContent, [...box.querySelectorAll('bdi')].map((b) => b.dir)]; })"
        "(new m.Speech(a[0], a[1], {money: a[4], calendar: 'persian'}))"
    )
    catalogue = {
        "hello": "{member}، مانده: {balance}. {key}",
        "wait": {"zero": "هیچ", "other": "{count} مورد"},
        "when": "{date} {time}",
        "unit.PTS": "{n} امتیاز",
        "money.toman": "تومان",
        "tier": "سطح {tier}",
    }
    args = {"member": "Zahra", "balance": {"amount": 1284, "unit": "PTS"}, "key": "F12"}
    assert ask("words.js", speech, [[catalogue, "fa", "hello", args, TOMAN]]) == [
        ["Zahra، مانده: ۱٬۲۸۴ امتیاز. F12", ["auto", "rtl", "ltr", "ltr"]]
    ]
    money = {"member": "x", "balance": {"amount": 12_880_000, "unit": "IRR"}, "key": "Esc"}
    assert (
        ask("words.js", speech, [[catalogue, "fa", "hello", money, TOMAN]])[0][0]
        == "x، مانده: ۱٬۲۸۸٬۰۰۰\u00a0تومان. Esc"
    )
    counted = [[catalogue, "fa", "wait", {"count": n}, TOMAN] for n in (0, 3700)]
    assert [text for text, _ in ask("words.js", speech, counted)] == ["هیچ", "۳٬۷۰۰ مورد"]
    named = [
        [catalogue, "fa", "tier", {"tier": {"en": "Gold", "fa": "طلایی"}}, TOMAN],
        [catalogue, "fa", "tier", {"tier": {"en": "Star"}}, TOMAN],
    ]
    assert [text for text, _ in ask("words.js", speech, named)] == ["سطح طلایی", "سطح Star"]
    assert ask("words.js", speech, [[catalogue, "fa", "no.such.key", {}, TOMAN]])[0][0] == "no.such.key"


def test_dates_in_both_calendars(ask: Ask) -> None:
    noon = 1_795_262_400_000  # 21 November 2026, 12:00 UTC
    date = f"new m.Dates(...a).date({noon})"
    cases = [
        ["en", "persian", "latn", "IRR"],
        ["fa", "persian", "arabext", "IRR"],
        ["ar", "gregory", "arab", "IQD"],
        ["ar", "gregory", "latn", "AED"],
        ["en", "gregory", "latn", "USD"],
    ]
    assert ask("dates.js", date, cases) == [
        "30 Aban 1405",
        "۳۰ آبان ۱۴۰۵",
        "٢١ تشرين الثاني ٢٠٢٦",
        "21 نوفمبر 2026",
        "21 November 2026",
    ]
    assert ask("dates.js", f"new m.Dates('fa', 'persian', 'arabext', 'IRR').weekday({noon})", [[]]) == [
        "شنبه ۳۰ آبان ۱۴۰۵"
    ]


def test_phone_numbers_are_grouped_for_the_eye_only(ask: Ask) -> None:
    cases = [["09350000172"], ["0935"], ["09350"], ["+989350000172"], ["0771234567890"]]
    assert ask("entry.js", "m.groupPhone(a[0])", cases) == [
        "0935 000 0172",
        "0935",
        "0935 0",
        "+989350000172",
        "0771234567890",
    ]


def test_the_enter_key_waits_and_a_scanner_is_recognised(ask: Ask) -> None:
    """Times in milliseconds between keys; the last key is Enter."""
    script = (
        "((pace) => { let now = 1000; let answer; a[0].forEach((gap, i) => { now += gap;"
        "answer = pace.note(i === a[0].length - 1 ? {cap: 'Enter'} : {character: '1'}, now); });"
        "return answer; })(new m.Pace())"
    )
    cases = [[[0, 300]], [[0, 299]], [[5] * 13], [[0, 150, 150, 150, 150, 150, 150, 150]], [[5] * 12 + [900]]]
    assert ask("keys.js", script, cases) == ["press", "hasty", "scanner", "hasty", "press"]
