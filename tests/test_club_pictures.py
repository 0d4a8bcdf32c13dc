"""The owner's page in a real browser: it stays fresh by itself, fits, complains of nothing, agrees with the browser's
own calendar. ``POSD_PICTURES=1`` takes the pictures of `docs/images/` anew."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from selenium import webdriver

from posd.club.dashboard.speech import Speech
from posd.club.login import login_link
from posd.club.shop import LANGUAGES, settings_for
from posd.sync.wire import EpochRequest
from tests.fakes.busy_club import BusyClub
from tests.fakes.chromium import browser, complaints, prefer, resize, screenshot, wait_for

pytestmark = pytest.mark.slow
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
LIVE = "return document.querySelectorAll('[data-sale]').length && !document.body.classList.contains('lost')"
OVERFLOWS = """
return Array.from(document.querySelectorAll('.card, .till, .kpi .l, .kpi .f, .badge, td'))
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).textOverflow !== 'ellipsis' && e.clientWidth)
  .map(e => e.className + ': ' + e.textContent.trim().slice(0, 40))
"""


@pytest.fixture(scope="module")
def chrome() -> Iterator[webdriver.Chrome]:
    with browser() as driver:
        resize(driver, 1440, 900)
        prefer(driver, prefers_reduced_motion="reduce", prefers_color_scheme="light")
        yield driver


def sign_in(chrome: webdriver.Chrome, busy: BusyClub, language: str) -> None:
    chrome.get(login_link(busy.club.state_dir, busy.club.url))
    wait_for(chrome, "return location.pathname == '/'")
    complaints(chrome)  # what was said about the page before is over
    chrome.get(f"{busy.club.url}/?lang={language}")
    wait_for(chrome, LIVE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_busy_day(chrome: webdriver.Chrome, tmp_path: Path, language: str) -> None:
    with BusyClub(tmp_path / "club", language) as busy:
        sign_in(chrome, busy, language)
        assert chrome.execute_script(OVERFLOWS) == []
        folder = IMAGES if os.environ.get("POSD_PICTURES") else tmp_path
        screenshot(chrome, folder / f"club-overview-{language}.png")
        chrome.get(busy.club.url + "/members")
        assert chrome.execute_script(OVERFLOWS) == []
        screenshot(chrome, folder / f"club-members-{language}.png")
        resize(chrome, 700, 900)
        chrome.get(busy.club.url + "/")
        assert chrome.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        resize(chrome, 1440, 900)
        assert complaints(chrome) == []
        chrome.get("about:blank")


def test_a_sale_appears_by_itself_and_a_lost_club_is_said(chrome: webdriver.Chrome, tmp_path: Path) -> None:
    with BusyClub(tmp_path / "club", "en") as busy:
        sign_in(chrome, busy, "en")
        chrome.execute_script("window.kept = true")
        before = time.monotonic()
        sold = busy.tills[2].sell(None, 77_770_000, at_ms=busy.clock.wall_ms).hex()
        busy.clock.advance_ms(1000)
        busy.tills[2].push(busy.tills[2].head.seq - 1)
        wait_for(chrome, f"return document.querySelector('[data-sale=\"{sold}\"].fresh')")
        assert time.monotonic() - before < 1
        assert chrome.execute_script("return window.kept"), "without loading the page anew"
        assert "7,777,000" in chrome.execute_script("return document.querySelector('[data-sale]').textContent")
        busy.club.stop()
        wait_for(chrome, "return document.body.classList.contains('lost')")
        busy.club.start()
        wait_for(chrome, LIVE)
        chrome.get("about:blank")


def test_a_till_with_copies_is_decided_with_one_press(chrome: webdriver.Chrome, tmp_path: Path) -> None:
    """What a form needs of a real browser, which sends `Origin` and `Sec-Fetch-Site` as it likes."""
    with BusyClub(tmp_path / "club", "fa") as busy:
        sign_in(chrome, busy, "fa")
        till = busy.tills[0]
        till.send(EpochRequest(1, ()).as_json(), "epochs")
        chrome.get(busy.club.url)
        chrome.execute_script("document.querySelector('.till a.badge').click()")
        wait_for(chrome, "return document.querySelectorAll('.pages button').length == 4")
        assert chrome.execute_script(OVERFLOWS) == []
        resize(chrome, 700, 900)
        assert chrome.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        resize(chrome, 1440, 900)
        chrome.execute_script("document.querySelector('.pages button').click()")
        wait_for(chrome, "return document.querySelector('.badge.plain') && !document.querySelector('.pages button')")
        assert complaints(chrome) == []
        chrome.execute_script("document.querySelector('.out button').click()")
        wait_for(chrome, "return document.querySelector('pre, .bare')")
        chrome.get("about:blank")


def test_our_dates_are_the_browsers_dates(chrome: webdriver.Chrome) -> None:
    """Every tenth day of 1950 to 2070 in the Persian calendar, against ICU."""
    speech = Speech("en", settings_for("en", money="toman"))
    days = [date(1950, 1, 1) + timedelta(days=10 * n) for n in range(4400)]
    script = """
    const options = {day: 'numeric', month: 'numeric', year: 'numeric', timeZone: 'UTC'};
    const format = new Intl.DateTimeFormat('en-u-ca-persian-nu-latn', options);
    return arguments[0].map(day => {
      const parts = format.formatToParts(new Date(day)).map(part => [part.type, part.value]);
      const named = Object.fromEntries(parts);
      return [named.year, named.month, named.day].map(Number);
    })
    """
    theirs = chrome.execute_script(script, [day.isoformat() for day in days])
    assert [list(speech._parts(day)) for day in days] == theirs
