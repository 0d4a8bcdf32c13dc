"""How a page says numbers, money, dates and words in the owner's language. Pure but for reading the word files once.

Every figure is isolated (``<bdi>``), because a number beside Persian or Arabic letters changes places otherwise; a
number with its unit takes the direction of the language.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape
from persiantools.jdatetime import JalaliDate

from posd.club.shop import Settings

LATIN, PERSIAN, ARABIC = "0123456789", "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩"
MINUS = "\u2212"
LEVANT = frozenset({"964", "963", "962", "961"})
"""Calling codes of countries whose Gregorian months have the old Syrian names."""


@lru_cache(maxsize=3)
def catalogue(language: str) -> dict[str, Any]:
    document = json.loads((files("posd.club.dashboard") / "words" / f"{language}.json").read_text("utf-8"))
    assert isinstance(document, dict)
    return document


@dataclass(frozen=True, slots=True)
class Scale:
    """In what an amount is said: ``divisor`` minor parts make one; ``unit`` is its name."""

    divisor: int
    unit: str


@dataclass(frozen=True, slots=True)
class Speech:
    language: str
    settings: Settings

    @property
    def direction(self) -> str:
        return "ltr" if self.language == "en" else "rtl"

    # ---- words ----

    def word(self, key: str, **values: object) -> Markup:
        """The text of ``key`` with its places filled; values are escaped and must be isolated by who makes them."""
        text = catalogue(self.language)["words"][key]
        return Markup(text).format(**values)  # noqa: S704 - our own catalogue; Markup.format escapes the values

    def table(self, name: str) -> list[str]:
        rows: list[str] = catalogue(self.language)[name]
        return rows

    # ---- digits ----

    @property
    def _arabic_marks(self) -> bool:
        return self.language == "fa" or (self.language == "ar" and self.settings.digits == "arab")

    def digits(self, text: str) -> str:
        """The digits of ``text`` in the language's own; everything else stays."""
        if not self._arabic_marks:
            return text
        return text.translate(str.maketrans(LATIN, PERSIAN if self.language == "fa" else ARABIC))

    def plain(self, number: int, tenths: bool = False) -> str:
        """A number as bare text. With ``tenths`` it counts tenths, and one decimal is shown."""
        whole, rest = divmod(abs(number), 10) if tenths else (abs(number), 0)
        text = f"{whole:,}" + (f".{rest}" if tenths and rest else "")
        if self._arabic_marks:
            text = text.replace(",", "٬").replace(".", "٫")
        return (MINUS if number < 0 else "") + self.digits(text)

    def number(self, number: int, tenths: bool = False, signed: bool = False) -> Markup:
        return isolated(("+" if signed and number > 0 else "") + self.plain(number, tenths))

    def percent(self, permille: int, tenths: bool = False) -> Markup:
        """A share, given in thousandths."""
        shown = self.plain(permille, tenths=True) if tenths else self.plain((permille + 5) // 10)
        return isolated(shown + ("٪" if self._arabic_marks else "%"))

    def code(self, text: str) -> Markup:
        """A mask or a number that people read digit by digit, always left to right."""
        return isolated(self.digits(text))

    # ---- money ----

    @property
    def money_unit(self) -> str:
        return str(self.word(f"unit.{self.settings.money}"))

    def scale(self, largest_minor: int) -> Scale:
        """Millions, thousands or single units, so that figures of this size stay short."""
        factor, shown = self.settings.money_factor, abs(largest_minor) // self.settings.money_factor
        if shown >= 1_000_000:
            return Scale(factor * 1_000_000, str(self.word("scale.million", unit=self.money_unit)))
        if shown >= 100_000:
            return Scale(factor * 1_000, str(self.word("scale.thousand", unit=self.money_unit)))
        return Scale(factor, self.money_unit)

    def scaled(self, amount_minor: int, scale: Scale) -> Markup:
        """The amount in ``scale``: one decimal below a thousand of it, none above or in single units."""
        return isolated(self.scaled_text(amount_minor, scale))

    def scaled_text(self, amount_minor: int, scale: Scale) -> str:
        tenths = rounded(amount_minor * 10, scale.divisor)
        if abs(tenths) >= 10_000 or scale.divisor == self.settings.money_factor:
            return self.plain(rounded(amount_minor, scale.divisor))
        return self.plain(tenths, tenths=True)

    def amount(self, amount_minor: int) -> Markup:
        """The whole amount in the display unit, without the unit's name (its column says it)."""
        return self.number(rounded(amount_minor, self.settings.money_factor))

    # ---- time ----

    def clock(self, at_ms: int) -> Markup:
        return self.code(self.settings.local(at_ms).strftime("%H:%M"))

    def day_of_month(self, day: date) -> str:
        return self.digits(str(self._parts(day)[2]))

    def month(self, day: date) -> str:
        _, month, _ = self._parts(day)
        return self.table(self._months())[month - 1]

    def long_date(self, day: date) -> Markup:
        """Weekday, day, month and year: «شنبه ۳۰ آبان ۱۴۰۵»."""
        year, _, number = self._parts(day)
        weekday = self.table("weekdays")[day.weekday()]
        return escape(f"{weekday} {self.digits(str(number))} {self.month(day)} {self.digits(str(year))}")

    def short_date(self, at_ms: int) -> Markup:
        """Year, month, day in digits, isolated."""
        year, month, day = self._parts(self.settings.local(at_ms).date())
        if self.language == "ar":
            return self.code(f"{day:02d}/{month:02d}/{year}")
        mark = "/" if self.settings.calendar == "persian" else "-"
        return self.code(f"{year}{mark}{month:02d}{mark}{day:02d}")

    def _parts(self, day: date) -> tuple[int, int, int]:
        if self.settings.calendar != "persian":
            return day.year, day.month, day.day
        jalali = JalaliDate(day)  # type: ignore[no-untyped-call]  # the library has no types
        return jalali.year, jalali.month, jalali.day

    def _months(self) -> str:
        if self.settings.calendar == "persian":
            return "months_persian"
        return "months_levant" if self.language == "ar" and self.settings.country in LEVANT else "months"


def isolated(text: str) -> Markup:
    return Markup('<bdi dir="ltr" class="n">{}</bdi>').format(text)


def rounded(amount: int, divisor: int) -> int:
    """Quotient to the nearest, halves away from zero; integers only."""
    quotient = (2 * abs(amount) + divisor) // (2 * divisor)
    return -quotient if amount < 0 else quotient
