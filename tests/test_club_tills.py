"""Who may become a till, and what is known of people at the tills: codes, names, masks. No HTTP."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from posd.clock import Instant
from posd.club.database import Database, open_database
from posd.club.keys import new_keys
from posd.club.migrate import migrate
from posd.club.owner import init_club, open_club
from posd.club.people import display_name, phone_mask
from posd.club.proof import Freshness
from posd.club.reading import Unreadable, read_entry
from posd.club.shop import happened_ms
from posd.club.tables import invitation, till
from posd.club.throttle import Throttle
from posd.club.tills import (
    CODE_LIFE_MS,
    UNATTENDED_GROUPS,
    Known,
    Newcomer,
    Shown,
    Shut,
    Terms,
    admit,
    is_fresh,
    new_invitation,
    recognised,
    secret_hash,
)
from posd.sync.signing import WINDOW_S, Stamp
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
            newcomer = Newcomer(TillRequest(code, "Till", "0"), till_id, "ab" * 32)
            return database.write(lambda c: admit(c, club, keys, newcomer, clock.now())) is not None

        assert join("a")
        assert not join("b")


@pytest.mark.slow
def test_a_code_for_programs_lets_in_so_many_for_so_long(tmp_path: Path) -> None:
    clock = FakeClock()
    init_club(tmp_path / "club", "Narenj Club")
    with open_club(tmp_path / "club") as opened:
        club, keys, database = opened.club, opened.keys, opened.database

        def join(code: str) -> bool:
            newcomer = Newcomer(TillRequest(code, "Till", "0"), os.urandom(4).hex(), "ab" * 32)
            return database.write(lambda c: admit(c, club, keys, newcomer, clock.now())) is not None

        terms = Terms(UNATTENDED_GROUPS, uses=2, life_ms=2 * HOUR_MS)
        by_count = database.write(lambda c: new_invitation(c, club.club_id, clock.now(), terms))
        by_time = database.write(lambda c: new_invitation(c, club.club_id, clock.now(), terms))
        assert re.fullmatch(r"([BCDFGHJKLMNPQRSTVWXZ]{4}-){5}[BCDFGHJKLMNPQRSTVWXZ]{4}", by_count)
        assert [join(by_count) for _ in range(3)] == [True, True, False]
        assert join(by_time)
        clock.advance_ms(2 * HOUR_MS)
        assert not join(by_time), "one use is left, and no time"


A, B = "aa" * 32, "bb" * 32


@pytest.mark.parametrize(
    ("row", "shown", "found"),
    [
        ({"public_key": A}, Shown(A), Known.BY_KEY),
        ({"public_key": A}, Shown(B), Shut("unauthorized")),
        ({"public_key": A}, Shown(), Shut("unauthorized")),
        ({"public_key": A, "token_hash": secret_hash("t")}, Shown("", "t"), Shut("unauthorized")),
        ({"public_key": A, "token_hash": secret_hash("t")}, Shown(B, "t"), Shut("unauthorized")),
        ({"public_key": A, "next_key": B}, Shown(A), Known.BY_KEY),
        ({"public_key": A, "next_key": B}, Shown(B), Known.BY_NEW_KEY),
        ({"token_hash": secret_hash("t")}, Shown("", "t"), Known.BY_TOKEN),
        ({"token_hash": secret_hash("t")}, Shown(A, "t"), Known.BY_NEW_KEY),
        ({"token_hash": secret_hash("t")}, Shown(A), Shut("unauthorized")),
        ({"token_hash": secret_hash("t")}, Shown("", "u"), Shut("unauthorized")),
        ({}, Shown(), Shut("unauthorized")),
        ({"public_key": A, "revoked_ms": 1}, Shown(A), Shut("till_revoked")),
        ({"public_key": A, "revoked_ms": 1}, Shown(B), Shut("unauthorized")),
        (None, Shown(A), Shut("unauthorized")),
    ],
)
def test_who_is_let_in(tills: Database, row: dict[str, object] | None, shown: Shown, found: Known | Shut) -> None:
    if row is not None:
        tills.write(lambda c: c.execute(insert(till).values(club_id="c", till_id="t", **row)))
    assert tills.read(lambda c: recognised(c, "c", "t", shown)) == found
    tills.write(lambda c: c.execute(delete(till)))


@pytest.fixture(scope="module")
def tills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with no till in it."""
    database = open_database(tmp_path_factory.mktemp("club"))
    migrate(database)
    yield database
    database.close()


def test_a_secret_does_not_show() -> None:
    assert "geheim" not in repr(Shown(A, "geheim")) and A in repr(Shown(A, "geheim"))


@pytest.mark.parametrize(
    ("uptime_s", "signed_s", "taken"),
    [
        (1000, 0, True),
        (1000, -300, True),
        (1000, -301, False),
        (1000, 300, True),
        (1000, 301, False),
        (5, -5, True),
        (5, -6, False),
        (0, 0, True),
        (0, -1, False),
    ],
)
@pytest.mark.parametrize("step_ms", [0, -(10**9), 10**9])
def test_a_request_is_of_now_by_the_club_s_own_clock(uptime_s: int, signed_s: int, taken: bool, step_ms: int) -> None:
    """Whatever somebody does to that clock meanwhile, a request of this moment is taken."""
    clock = FakeClock()
    freshness = Freshness(clock)
    clock.advance_ms(uptime_s * 1000)
    clock.step_wall_ms(step_ms)
    assert freshness.is_of_now(Stamp(clock.wall_ms // 1000 + signed_s, "00" * 16, A)) is taken


def test_nonces_are_remembered_as_long_as_they_matter() -> None:
    clock = FakeClock()
    freshness = Freshness(clock)
    stamp = Stamp(clock.wall_ms // 1000 + WINDOW_S, "00" * 16, A)
    assert freshness.is_new(stamp)
    assert freshness.is_new(replace(stamp, keyid=B)) and freshness.is_new(replace(stamp, nonce="01" * 16))
    clock.advance_ms(2 * WINDOW_S * 1000)
    assert not freshness.is_new(stamp) and freshness.is_of_now(stamp), "the last moment at which it could pass"
    clock.advance_ms(1000)
    assert freshness.is_new(stamp) and not freshness.is_of_now(stamp)
    assert len(freshness._seen) == 1, "the others are forgotten"


def test_all_processes_of_a_club_sign_with_one_key(tmp_path: Path) -> None:
    init_club(tmp_path / "club", "Narenj Club")
    with open_club(tmp_path / "club") as one, open_club(tmp_path / "club") as other:
        assert one.keys.signing_key() == other.keys.signing_key()
        assert one.keys.signing_key().public not in (one.keys.seal_public, one.keys.seal_private)
    assert new_keys().signing_key() != one.keys.signing_key()


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
