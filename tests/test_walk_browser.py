"""The first day once more, as people live it: the pages of cashier and owner in a real browser, with a real till and a
real club behind them, in each language. Everything is typed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.fakes import chromium
from tests.fakes.running_till import RunningTill
from tests.fakes.running_till import wait_for as wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CARD = "9800000000012345"
PERSONS = {"en": "Parisa", "fa": "پریسا", "ar": "بريسا"}
SHOPS = {"en": "Narenj Market", "fa": "فروشگاه نارنج", "ar": "متجر نارنج"}


def press(browser: webdriver.Chrome, *keys: str) -> None:
    """As a person: a key, a breath. Enter straight after another key would be a scanner's."""
    for key in keys:
        if key == Keys.ENTER:
            time.sleep(0.35)
        ActionChains(browser).send_keys(key).perform()


def on_screen(browser: webdriver.Chrome, till: RunningTill, screen: str) -> None:
    """The till is there and the page has drawn it."""
    version = till.page.wait_for_screen(screen)["version"]
    chromium.wait_for(browser, f"return Number(document.documentElement.dataset.version) >= {version}")


def text(browser: webdriver.Chrome) -> str:
    return str(browser.execute_script("return document.body.innerText"))


@pytest.mark.parametrize("language", ["en", "fa", "ar"])
def test_first_day_in_the_browser(language: str, tmp_path: Path) -> None:
    config = f'[shop]\nname = "{SHOPS[language]}"\nlanguage = "{language}"\n'
    with RunningTill(tmp_path, config=config) as till, chromium.browser() as browser:
        addresses = json.loads(till.posd("page", "--json").stdout)
        browser.get(addresses["cashier"])
        cashier = browser.current_window_handle
        on_screen(browser, till, "idle")
        assert "key=" not in browser.current_url, "the key does not stay in the address bar"

        till.simulate("swipe", f";{CARD}?")
        on_screen(browser, till, "enrol")
        assert "2345" in fold(text(browser)) and CARD not in fold(text(browser))
        press(browser, *("۰۹۱۲۰۰۰۱۲۳۴" if language == "fa" else "09120001234"), Keys.TAB, PERSONS[language])
        press(browser, Keys.ENTER)
        on_screen(browser, till, "member")
        wait_until(lambda: PERSONS[language] in text(browser), "the new member's name")

        press(browser, *"1288000")
        on_screen(browser, till, "amount")
        wait_until(lambda: "1288000" in only_digits(text(browser)), "the amount, with its digits")
        browser.switch_to.new_window("window")
        browser.get(addresses["club"])
        owner = browser.current_window_handle
        before = sales_shown(browser)
        browser.switch_to.window(cashier)
        press(browser, Keys.ENTER)
        on_screen(browser, till, "done")
        booked = time.monotonic()
        assert PERSONS[language] in text(browser), "the receipt names the member"
        browser.switch_to.window(owner)
        wait_until(lambda: sales_shown(browser) == before + 1, "the sale on the owner's page", 5)
        assert time.monotonic() - booked < 1.5, "within a second, and what a busy machine adds"
        assert PERSONS[language] in text(browser)

        browser.switch_to.window(cashier)
        press(browser, Keys.ESCAPE)
        on_screen(browser, till, "idle")
        till.simulate("swipe", ";4111111111111111=30121010000000000000?")
        on_screen(browser, till, "bank")
        assert "1111" not in only_digits(text(browser))
        assert not chromium.complaints(browser)
        direction = browser.execute_script("return document.documentElement.dir")
        assert direction == ("ltr" if language == "en" else "rtl")


def sales_shown(browser: webdriver.Chrome) -> int:
    return int(browser.execute_script("return document.querySelectorAll('[data-sale]').length"))


def fold(shown: str) -> str:
    """Digits of all scripts as Latin ones."""
    return shown.translate({start + n: str(n) for start in (0x6F0, 0x660) for n in range(10)})


def only_digits(shown: str) -> str:
    """Without the separators of thousands."""
    return "".join(c for c in fold(shown) if c.isdecimal() or c.isspace())
