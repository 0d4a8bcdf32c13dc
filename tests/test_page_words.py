"""The catalogues: what `docs/wording.md` asks of every sentence, and that every key in use is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from posd.cards.reads import RejectReason

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "posd" / "api" / "page"
LANGUAGES = ("en", "fa", "ar")
FORMS = ("zero", "one", "two", "few", "many", "other")
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
LONGEST = 100
QUANTITIES = ("earned", "spent", "balance", "missing", "cost", "limit", "rate")

STEMS = {"use.on", "balance.now"}
"""Beginnings of keys that the page completes with a unit."""

Entry = str | dict[str, str]
SAMPLES = {  # as long as what the till really puts there
    "amount": "۱٬۲۸۸٬۰۰۰ تومان", "value": "۱٬۲۸۸٬۰۰۰ تومان", "earned": "۱۰۱ امتیاز", "spent": "۵۰۰ امتیاز",
    "balance": "۱٬۸۴۰ امتیاز", "missing": "۱۲٬۰۰۰ تومان", "cost": "۵۰۰ امتیاز", "limit": "۵۰۰ امتیاز",
    "rate": "۱ امتیاز",
    "member": "زهرا ر", "tier": "نقره‌ای", "reader": "MSR90", "shop": "کتاب آبان", "key": "F12", "code": "QHDZ",
    "date": "۱۵ دی", "time": "۱۴:۰۵", "count": "۳۷", "n": "۳۷", "reward": "بن ۱۰ درصدی", "phone": "•••• ۴۵۶۷",
    "amount_words": "یک میلیون تومان", "reason": "فقط برای خرید اول است.",
}  # fmt: skip


def read(language: str) -> dict[str, Entry]:
    found: dict[str, Entry] = json.loads((PAGE / "words" / f"{language}.json").read_text())
    return found


CATALOGUES = {language: read(language) for language in LANGUAGES}
KEYS = sorted(CATALOGUES["en"])


def forms(entry: Entry) -> dict[str, str]:
    return {"other": entry} if isinstance(entry, str) else entry


def sentences(language: str) -> Iterator[tuple[str, str]]:
    for key, entry in CATALOGUES[language].items():
        for form, text in forms(entry).items():
            yield f"{key}/{form}", text


def bare(text: str) -> str:
    return PLACEHOLDER.sub("", text)


def wrong(language: str, pattern: str) -> list[str]:
    return [f"{where}: {text}" for where, text in sentences(language) if re.search(pattern, bare(text))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_is_missing_and_none_is_empty(language: str) -> None:
    assert sorted(CATALOGUES[language]) == KEYS
    assert [where for where, text in sentences(language) if not text.strip() or text != text.strip()] == []


def test_the_catalogues_are_sorted_so_that_two_people_can_add_to_them() -> None:
    for language in LANGUAGES:
        assert list(CATALOGUES[language]) == sorted(CATALOGUES[language])


@pytest.mark.parametrize("language", ["fa", "ar"])
def test_every_language_has_the_same_placeholders(language: str) -> None:
    different = {
        key: (ours, theirs)
        for key in KEYS
        if (ours := set(PLACEHOLDER.findall(forms(CATALOGUES["en"][key])["other"])))
        != (theirs := set(PLACEHOLDER.findall(forms(CATALOGUES[language][key])["other"])))
    }
    assert different == {}


def test_a_form_leaves_out_nothing_but_its_number() -> None:
    """ "One point" needs no digit; a name or an amount may never get lost in a form."""
    lost = [
        f"{language} {key}/{form}"
        for language in LANGUAGES
        for key in KEYS
        for form, text in forms(CATALOGUES[language][key]).items()
        if form != "zero"
        and set(PLACEHOLDER.findall(forms(CATALOGUES[language][key])["other"])) - set(PLACEHOLDER.findall(text))
        > {"{count}", "{n}"}
    ]
    assert lost == []


def test_arabic_has_all_six_forms_where_english_counts() -> None:
    counted = [key for key in KEYS if isinstance(CATALOGUES["en"][key], dict)]
    assert len(counted) > 20
    assert [key for key in counted if tuple(forms(CATALOGUES["ar"][key])) != FORMS] == []


def test_persian_is_written_with_persian_letters_and_digits() -> None:
    assert wrong("fa", "[يىكةۀٔ]") == []
    assert wrong("fa", "[0-9٠-٩]") == []
    assert wrong("fa", "(?<![آ-ی])می | ها[ .،؛]|می‌باشد|نمودن|(?<![آ-ی])گردید") == []
    assert wrong("fa", "\u200c\\s|\\s\u200c|\u200c\u200c|[اآدذرزژوء]\u200c") == []
    assert wrong("fa", "[,;?]") == []


def test_arabic_is_written_with_arabic_letters() -> None:
    assert wrong("ar", "[یکگچپ]") == []
    assert wrong("ar", "[,;?]") == []
    stretched = [where for where, text in sentences("ar") if re.search(r"ـ(?!\{)", text)]
    assert stretched == [], "a tatweel stands before a placeholder only"


def test_words_that_mislead_are_not_used() -> None:
    """From the glossary: each means something else to a cashier."""
    assert wrong("fa", "کوپن|ووچر|بازخرید|تراکنش|نامعتبر|پوز(?!د)(?<!دستگاه پوز)|مشتری وفادار|دکتر") == []
    assert wrong("ar", "ائتمان|استرداد|محظورة|طابور|معاملة|يانصيب|صرّاف") == []
    assert wrong("en", "(?i)invalid|error|!|\\bPAN\\b|\\blease\\b") == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_is_one_line_of_a_hundred_characters(language: str) -> None:
    filled = {
        where: PLACEHOLDER.sub(lambda m: SAMPLES.get(m[0][1:-1], "۱۲۳"), text) for where, text in sentences(language)
    }
    assert {where: len(text) for where, text in filled.items() if len(text) > LONGEST} == {}


def test_a_quantity_in_arabic_stands_after_a_colon_or_bracket() -> None:
    """So that the dual is always in its plain form and no verb has to agree with it."""
    names = "|".join(QUANTITIES)
    loose = [
        f"{where}: {text}"
        for where, text in sentences("ar")
        for found in re.finditer(rf"\{{(?:{names})\}}", text)
        if not re.search(r"[:(][^:(.،؛]*$", text[: found.start()]) and text != found[0]
    ]
    assert loose == []


def test_every_key_that_python_tells_is_in_the_catalogue() -> None:
    """`Words("…")` anywhere in posd; a key that is built from parts must say its parts in `BUILT`."""
    literal = re.compile(r"\bWords\(\s*\"([a-z0-9_.]+)\"", re.IGNORECASE)
    told = {
        (key, str(file.relative_to(ROOT)))
        for file in (ROOT / "posd").rglob("*.py")
        for key in literal.findall(re.sub(r'""".*?"""', "", file.read_text(), flags=re.DOTALL))
    }
    assert told, "positive control: somebody tells something"
    assert sorted((key, where) for key, where in told if key not in CATALOGUES["en"]) == []


def test_every_key_that_is_built_from_parts_is_in_the_catalogue() -> None:
    for reason in RejectReason:
        if reason is not RejectReason.NOISE:
            assert f"card.{reason.value}" in CATALOGUES["en"]


def test_every_key_that_the_page_says_is_in_the_catalogue() -> None:
    source = "\n".join(file.read_text() for file in PAGE.rglob("*.js"))
    families = {key.split(".")[0] for key in KEYS}
    said = {key for key in re.findall(r"\"([a-z]+(?:\.[a-zA-Z_]+)+)\"", source) if key.split(".")[0] in families}
    assert len(said) > 80
    assert sorted(said - set(KEYS) - STEMS) == []


def test_every_sentence_of_the_page_itself_is_used() -> None:
    """What only the page says and nobody says any more is thrown away."""
    source = "\n".join(file.read_text() for file in PAGE.rglob("*.js"))
    ours = (
        "banner.",
        "bank.",
        "button.",
        "done.",
        "fault.",
        "field.",
        "find.",
        "help.",
        "idle.amount",
        "lost.",
        "paper.",
        "slip.",
    )
    quoted = set(re.findall(r"[\"`]([a-z]+\.[a-zA-Z_.]*)", source))
    unused = [
        key for key in KEYS
        if key.startswith(ours) and key not in quoted and key.removesuffix(".why") not in quoted
        and not any(key.startswith(start) for start in quoted if start.endswith("."))
    ]  # fmt: skip
    assert unused == []


def test_the_catalogues_are_plain_text() -> None:
    marks = "[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff<>]"
    for language in LANGUAGES:
        assert wrong(language, marks) == [], "isolates and markup are the page's business"


def test_a_view_sample_names_only_known_keys() -> None:
    from tests.fakes.cashier_views import SCREENS, STRESS

    def keys_of(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if set(value) == {"key", "args"}:
                yield value["key"]
            for part in value.values():
                yield from keys_of(part)
        elif isinstance(value, list):
            for part in value:
                yield from keys_of(part)

    for make in {**SCREENS, **STRESS}.values():
        assert set(keys_of(make("fa"))) <= set(KEYS)
