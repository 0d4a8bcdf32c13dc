"""Who may become a till, and what is known of people at the tills: codes, names, masks. No HTTP."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from posd.clock import Instant
from posd.club.owner import init_club, open_club
from posd.club.people import display_name, phone_mask
from posd.club.reading import Unreadable, read_entry
from posd.club.shop import happened_ms
from posd.club.tables import invitation
from posd.club.throttle import Throttle
from posd.club.tills import CODE_LIFE_MS, admit, is_fresh, new_invitation
from posd.sync.wire import TillRequest
from tests.fakes.clock import FakeClock

HOUR_MS = 3_600_000


def test_a_code_is_easy_to_read_out_and_used_once(tmp_path: Path) -> None:
    clock = FakeClock()
    init_club(tmp_path / "club", "Narenj Club")
    with open_club(tmp_path / "club") as opened:
        club, keys, database = opened.club, opened.keys, opened.database
        code = database.write(lambda c: new_invitation(c, club.club_id, clock.now()))
        assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", code)
        stored = database.read(lambda c: [dict(row) for row in c.execute(select(invitation)).mappings()])
        assert code.replace("-", "") not in str(stored)

        def join(till_id: str) -> bool:
            request = TillRequest(code, "Till", "0")
            return database.write(lambda c: admit(c, club, keys, request, till_id, clock.now())) is not None

        assert join("a")
        assert not join("b")


START = Instant(1_763_000_000_000, "boot-1", 1_000_000_000)


def later(by_ms: int, wall_ms: int | None = None, boot: str = "boot-1") -> Instant:
    wall = START.wall_ms + (by_ms if wall_ms is None else wall_ms)
    return Instant(wall, boot, START.mono_ns + by_ms * 1_000_000 if boot == START.boot else 5)


@pytest.mark.parametrize(
    ("now", "fresh"),
    [
        (later(0), True),
        (later(CODE_LIFE_MS - 1), True),
        (later(CODE_LIFE_MS), False),
        (later(HOUR_MS, wall_ms=-(10**9)), True),
        (later(HOUR_MS, wall_ms=10**12), True),
        (later(2 * CODE_LIFE_MS, wall_ms=0), False),
        (later(0, wall_ms=HOUR_MS, boot="boot-2"), True),
        (later(0, wall_ms=CODE_LIFE_MS, boot="boot-2"), False),
        (later(0, wall_ms=-1, boot="boot-2"), False),
    ],
)
def test_a_code_lives_a_day_whatever_somebody_does_to_the_wall_clock(now: Instant, fresh: bool) -> None:
    assert is_fresh(START, now) is fresh


def test_a_throttle_forgets_after_its_window_and_tells_callers_apart() -> None:
    clock = FakeClock()
    throttle = Throttle(limit=2, window_s=60, clock_ns=lambda: clock.now().mono_ns)
    for _ in range(2):
        assert throttle.wait_s("a") == 0
        throttle.guessed_wrong("a")
    assert 0 < throttle.wait_s("a") <= 61
    assert throttle.wait_s("b") == 0
    clock.advance_ms(60_000)
    assert throttle.wait_s("a") == 0
    for n in range(3000):
        throttle.guessed_wrong(f"caller {n}")
    assert len(throttle._wrong) <= 1000, "many callers do not fill the memory"


@pytest.mark.parametrize(
    ("full", "shown"),
    [
        ("زهرا رضایی", "زهرا ر"),
        ("  Parisa   Moradi ", "Parisa M"),
        ("محمدرضا", "محمدرضا"),
        ("عبد الله الحربي", "عبد الله ح"),
        ("أحمد بن علي", "أحمد ع"),
        ("فاطمه هاشمی", "فاطمه هـ"),
        ("خالد آل سعود", "خالد س"),
        ("Ludwig van Beethoven", "Ludwig B"),
        ("زهرا\u200cسادات موسوی", "زهرا\u200cسادات م"),
        ("a\x00b\ud800", "ab"),
        ("", ""),
    ],
)
def test_the_till_shows_a_given_name_and_one_letter(full: str, shown: str) -> None:
    assert display_name(full) == shown


@given(st.text(max_size=80))
def test_any_name_can_be_shown_and_stored(full: str) -> None:
    shown = display_name(full)
    shown.encode()
    assert "\x00" not in shown
    assert len(shown) <= 43


@pytest.mark.parametrize(
    ("phone", "country", "mask"),
    [
        ("+989120001234", "98", "0912 *** **34"),
        ("+9647701234567", "964", "0770 *** **67"),
        ("+989120001234", "964", "+989 *** **34"),
        ("", "98", ""),
        ("12", "98", ""),
    ],
)
def test_a_phone_is_masked_as_people_write_it(phone: str, country: str, mask: str) -> None:
    assert phone_mask(phone, country) == mask


def test_a_fact_happens_when_the_till_says_if_that_is_possible() -> None:
    since, received = 1_000_000_000, 2_000_000_000
    assert happened_ms(1_500_000_000, received, since) == 1_500_000_000
    assert happened_ms(0, received, since) == received, "the till's clock stood at 1970"
    assert happened_ms(3_000_000_000, received, since) == received, "it is ahead of ours"


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_no_payload_stops_the_club(payload: bytes) -> None:
    with pytest.raises(Unreadable):
        read_entry(payload)
