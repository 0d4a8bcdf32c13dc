"""What the whole club shares: its name, its feed, and how the shop counts and shows money and days."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, select

from posd.club.tables import club
from posd.errors import ConfigError
from posd.units import DISPLAY_UNITS, UNITS

LANGUAGES = ("en", "fa", "ar")
CALENDARS = ("gregory", "persian")
DIGITS = ("latn", "arab")
FIVE_MINUTES_MS = 300_000


@dataclass(frozen=True, slots=True)
class Settings:
    """The owner's choices. ``money`` names a display unit (`posd.units`); ``country`` is the calling code for phone
    masks; ``time_zone`` empty means the zone of the machine; ``digits`` is what Arabic pages are set in."""

    money: str = "toman"
    language: str = "en"
    calendar: str = "gregory"
    digits: str = "arab"
    country: str = "98"
    time_zone: str = ""

    def __post_init__(self) -> None:
        _one_of("money", self.money, tuple(DISPLAY_UNITS))
        _one_of("language", self.language, LANGUAGES)
        _one_of("calendar", self.calendar, CALENDARS)
        _one_of("digits", self.digits, DIGITS)
        if self.time_zone:
            _zone(self.time_zone)

    @property
    def currency(self) -> str:
        return DISPLAY_UNITS[self.money].unit

    @property
    def money_factor(self) -> int:
        """Minor parts of the currency in one unit that is shown (1 toman = 10 rial)."""
        return int(DISPLAY_UNITS[self.money].factor * 10 ** UNITS[self.currency].minor_digits)

    @property
    def zone(self) -> tzinfo | None:
        return _zone(self.time_zone) if self.time_zone else None

    def local(self, at_ms: int) -> datetime:
        """An instant on the shop's wall."""
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)

    def day(self, at_ms: int) -> int:
        """The shop's day of an instant, as ``yyyymmdd``."""
        return day_number(self.local(at_ms).date())


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"there is no time zone {name!r}; write one like Asia/Tehran") from error


def day_number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def date_of(day: int) -> date:
    return date(day // 10_000, day // 100 % 100, day % 100)


def settings_for(language: str, money: str | None = None, **choices: str) -> Settings:
    """Settings that fit a shop which sells in ``language``: Iran's for Persian, Iraq's for Arabic, else plain."""
    first = {
        "fa": Settings(money="toman", language="fa", calendar="persian", country="98"),
        "ar": Settings(money="dinar", language="ar", calendar="gregory", country="964"),
    }.get(language, Settings(language=language))
    if money is not None:
        first = replace(first, money=money, calendar="persian" if money in {"toman", "rial"} else "gregory")
    return replace(first, **cast(dict[str, Any], choices))


@dataclass(frozen=True, slots=True)
class Club:
    """The one club of this database. ``feed`` marks the change feed; ``key_mark`` tells its key file from others'."""

    club_id: str
    name: str
    feed: str
    key_mark: str
    settings: Settings = field(default_factory=Settings)


def read_club(connection: Connection) -> Club | None:
    row = connection.execute(select(club)).mappings().first()
    if row is None:
        return None
    settings = Settings(**json.loads(row["settings"]))
    return Club(row["club_id"], row["name"], row["feed"], row["key_mark"], settings)


def settings_text(settings: Settings) -> str:
    return json.dumps(asdict(settings))


def happened_ms(wall_ms: int, received_ms: int, since_ms: int) -> int:
    """When a till's fact happened, for people: what its clock said, unless that is before the till was enrolled or
    after we heard of it; then when we heard of it. Nothing but pages and roll-ups depends on it."""
    return wall_ms if since_ms - FIVE_MINUTES_MS <= wall_ms <= received_ms else received_ms
