"""A club in the middle of a Saturday: two weeks of invented sales from six tills, one of them offline, one with a lost
reader. Deterministic, so that pictures of the page only change when the page does."""

from __future__ import annotations

import json
import random
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import update

from posd.club.owner import set_program
from posd.club.programs import ready_programs
from posd.club.shop import Settings
from posd.club.tables import till
from posd.sync.wire import ReaderStatus, TillStatus
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeTill
from tests.fakes.running_club import RunningClub

DAY_MS = 86_400_000
NOON_OF = {"fa": "Asia/Tehran", "en": "Asia/Tehran", "ar": "Asia/Baghdad"}
GIVEN = {
    "en": ("Parisa", "Kaveh", "Nasrin", "Omid", "Rana", "Hamid", "Leila"),
    "fa": ("پریسا", "کاوه", "نسرین", "امید", "رعنا", "حمید", "لیلا"),
    "ar": ("سارة", "أحمد", "نور", "عبد الله", "هند", "وليد", "مريم"),
}
FAMILY = {
    "en": ("Moradi", "Darvish", "Azad", "Saberi", "Tavana", "Karimi"),
    "fa": ("مرادی", "درویش", "آزاد", "صابری", "توانا", "کریمی"),
    "ar": ("الحربي", "العبيدي", "الجبوري", "الراوي", "قاسم", "سالم"),
}
SHOPS = {"en": "Narenj Club", "fa": "باشگاه نارنج", "ar": "نادي النارنج"}
TILLS = {"en": "Till {}", "fa": "صندوق {}", "ar": "صندوق {}"}
PER_DAY = (405, 406, 429, 449, 513, 554, 253, 420, 422, 440, 467, 530, 548, 482)
"""Sales of each day, in 100,000 toman (or 10,000 dinar)."""
READERS = ("msr", "scanner", "smartcard")


def settings_of(language: str) -> Settings:
    if language == "ar":
        return Settings(money="dinar", language="ar", country="964", time_zone="Asia/Baghdad")
    return Settings(money="toman", language=language, calendar="persian", country="98", time_zone="Asia/Tehran")


class BusyClub:
    """``club`` runs; ``tills`` are connected to it; ``clock`` stands at 14:29 of 21 November 2026."""

    def __init__(self, state_dir: Path, language: str) -> None:
        zone = ZoneInfo(NOON_OF[language])
        self.language = language
        self.now_ms = int(datetime(2026, 11, 21, 14, 29, tzinfo=zone).timestamp()) * 1000
        self.clock = FakeClock(wall_ms=self.now_ms)
        settings = settings_of(language)
        self.club = RunningClub(state_dir, name=SHOPS[language], settings=settings, clock=self.clock)
        self.dice = random.Random(7)
        self.per_step = 10_000 if language == "ar" else 1_000_000
        self.currency = settings.currency
        self.tills: list[FakeTill] = []
        self.members: list[str] = []
        self.pushed: list[int] = []
        self.points: dict[str, int] = {}

    def __enter__(self) -> BusyClub:
        self.club.start()
        self.tills = [FakeTill(self.club.url, self.club.enrol(TILLS[self.language].format(n))) for n in range(1, 7)]
        self._backdate(self.now_ms - 40 * DAY_MS)
        self.pushed = [0] * len(self.tills)
        if self.currency != "IRR":
            self._programs()
        self._members()
        for n, total in enumerate(PER_DAY):
            self._day(self.now_ms - (len(PER_DAY) - 1 - n) * DAY_MS, total * self.per_step)
        self._just_now()
        self._statuses()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.tills:
            one.close()
        self.club.stop()

    def _backdate(self, created_ms: int) -> None:
        assert self.club.opened is not None
        self.club.opened.database.write(
            lambda connection: connection.execute(update(till).values(created_ms=created_ms))
        )

    def _programs(self) -> None:
        """No ready program is written for dinars, so this shop wrote its own."""
        for document in ready_programs("IRR"):
            text = json.dumps({**document, "currency": self.currency})
            text = text.replace("100000,", "1000,").replace('"worth_minor": 1000', '"worth_minor": 10')
            set_program(self.club.state_dir, json.loads(text.replace("000000,", "0000,")))

    def _members(self) -> None:
        given, family = GIVEN[self.language], FAMILY[self.language]
        for n in range(len(given) * len(family)):
            name = f"{given[n % len(given)]} {family[n % len(family)]}"
            phone = f"+{'964770' if self.language == 'ar' else '98912'}{1_000_000 + n * 7919}"
            at_ms = self.now_ms - (35 - n % 20) * DAY_MS
            self.members.append(self.tills[0].enrol(f"{n:032x}", phone=phone, name=name, gift=50, at_ms=at_ms))
        self.tills[0].push()
        self.pushed[0] = self.tills[0].head.seq

    def _day(self, at_ms: int, total_minor: int) -> None:
        """One day's sales, all tills, about 55 % with a card."""
        parts = [self.dice.randint(2, 9) for _ in range(30)]
        for n, part in enumerate(parts):
            amount = total_minor * part // sum(parts) // 1000 * 1000
            member = self.dice.choice(self.members) if n % 11 < 6 else None
            self.sell(self.dice.randrange(6), member, amount, at_ms - self.dice.randint(600, 9000) * 1000)
        for n, one in enumerate(self.tills):
            one.push(self.pushed[n])
            self.pushed[n] = one.head.seq

    def sell(self, n: int, member: str | None, amount: int, at_ms: int) -> bytes:
        points = amount // (1_000 if self.language == "ar" else 100_000)
        used = self.points.get(member or "", 0) // 100 * 100 if self.dice.random() < 0.4 else 0
        if member is not None:
            self.points[member] = self.points.get(member, 0) + points - used
        uses = member is not None and used > 0
        spent = {"PTS": used} if uses else {}
        worth = used * (10 if self.language == "ar" else 1_000)
        return self.tills[n].sell(
            member,
            amount,
            earned={"PTS": points, "CREDIT": amount // 100} if member else {},
            spent=spent,
            value_minor=worth if uses else 0,
            currency=self.currency,
            at_ms=at_ms,
        )

    def _just_now(self) -> None:
        """The last rows that the page shows: each a kind of its own."""
        unit = self.per_step // 1000
        rows = [(2, 5, 905), (0, 1, 372), (4, None, 64), (1, 0, 1288)]
        back = self.sell(1, self.members[5], 214 * unit * 10, self.now_ms - 50 * 60_000)
        for minute, (n, who, amount) in zip((5, 3, 2, 1), rows, strict=True):
            self.sell(n, None if who is None else self.members[who], amount * unit * 10, self.now_ms - minute * 60_000)
            self.clock.advance_ms(1000)
            self.tills[n].push(self.pushed[n])
            self.pushed[n] = self.tills[n].head.seq
        one = self.tills[1]
        one.refund(self.members[5], back, 214 * unit * 10, taken_back=1, currency=self.currency)
        one.push(one.head.seq - 1)
        stranger = self.tills[0]
        stranger.sell("f" * 32, 118 * unit * 10, earned={"PTS": 11}, currency=self.currency)
        stranger.push(stranger.head.seq - 1)

    def _statuses(self) -> None:
        """Till 4 is silent since 14:02 with 37 sales waiting; the stripe reader of till 5 is gone."""
        fine = tuple(ReaderStatus(kind, kind, "ready") for kind in READERS)
        lost = (ReaderStatus("msr", "msr", "lost"), *fine[1:])
        silent_since = self.now_ms - 27 * 60_000
        present = self.clock.wall_ms
        self.clock.wall_ms = silent_since
        self.tills[3].tell(TillStatus(37, silent_since, fine, "0.1.0"))
        for n in (0, 1, 2, 4, 5):
            self.clock.wall_ms = present - (n + 1) * 1000
            self.tills[n].tell(TillStatus(0, None, lost if n == 4 else fine, "0.1.0"))
        self.clock.wall_ms = present
