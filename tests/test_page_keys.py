"""The cashier's keyboard: a whole sale with digits, Enter and Esc; a scanner's Enter confirms nothing; and which keys a
real Chromium lets a page have, pressed on a real X server."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator
from functools import partial

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.fakes.cashier_script import KNOWN_PHONE, small_till
from tests.fakes.cashier_views import View, enrol, idle, long_refund, member, refund
from tests.fakes.chromium import browser, complaints, press, wait_for, x_display
from tests.fakes.page_server import PageServer

pytestmark = pytest.mark.slow

PAUSE_S = 0.35
"""A little more than the page's own pause before Enter counts."""


@pytest.fixture(scope="module")
def chrome() -> Iterator[webdriver.Chrome]:
    with browser() as driver:
        yield driver


@pytest.fixture
def till() -> Iterator[PageServer]:
    server = PageServer(idle("fa"), small_till)
    yield server
    server.stop()


def open_page(chrome: webdriver.Chrome, till: PageServer, view: View | None = None) -> None:
    if view is not None:
        till.show(view)
    chrome.get(till.url)
    wait_for(chrome, "return document.documentElement.dataset.version")


def keys(chrome: webdriver.Chrome, text: str) -> None:
    """Key presses that go to the page itself: no field is focused, ever."""
    assert chrome.execute_script("return document.activeElement === document.body")
    ActionChains(chrome).send_keys(text).perform()


def enter(chrome: webdriver.Chrome) -> None:
    """Enter as a person presses it: after a moment. The moment is what is tested, so it has to pass."""
    ActionChains(chrome).pause(PAUSE_S).send_keys(Keys.ENTER).perform()


def wait_screen(chrome: webdriver.Chrome, till: PageServer, screen: str) -> None:
    assert till.wait_until(lambda: till.view["screen"] == screen), till.view["screen"]
    wait_for(chrome, f"return document.documentElement.dataset.version === '{till.view['version']}'")


def done_with(till: PageServer) -> list[str]:
    return [action["do"] for action in till.actions]


def test_a_whole_sale_with_digits_enter_and_esc(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    till.show(member("fa"))
    wait_screen(chrome, till, "member")
    keys(chrome, "1288000")
    assert till.wait_until(lambda: till.view["amount_minor"] == 12_880_000)
    wait_screen(chrome, till, "amount")
    enter(chrome)
    wait_screen(chrome, till, "done")
    assert done_with(till).count("confirm") == 1
    assert till.view["done"]["total_minor"] == 12_880_000
    keys(chrome, Keys.ESCAPE)
    wait_screen(chrome, till, "idle")
    assert complaints(chrome) == []


@pytest.mark.parametrize("typed", ["۱۲۸۸۰۰۰", "١٢٨٨٠٠٠", "1۲٨8000"])
def test_digits_of_any_script_are_the_same_amount(chrome: webdriver.Chrome, till: PageServer, typed: str) -> None:
    open_page(chrome, till)
    keys(chrome, typed)
    assert till.wait_until(lambda: till.view["amount_minor"] == 12_880_000)
    wait_screen(chrome, till, "amount")
    assert chrome.find_element(By.CSS_SELECTOR, ".sum .f").text == "۱٬۲۸۸٬۰۰۰"
    assert "یک میلیون و دویست و هشتاد و هشت هزار تومان" in chrome.find_element(By.CSS_SELECTOR, ".sum .w").text


def test_backspace_takes_digits_back_and_the_last_one_clears_the_amount(
    chrome: webdriver.Chrome, till: PageServer
) -> None:
    open_page(chrome, till)
    keys(chrome, "12" + Keys.BACKSPACE)
    assert till.wait_until(lambda: till.view["amount_minor"] == 10)
    keys(chrome, Keys.BACKSPACE)
    assert till.wait_until(lambda: till.view["amount_minor"] is None)


@pytest.mark.complaint(10)
def test_an_enter_right_behind_a_digit_confirms_nothing(chrome: webdriver.Chrome, till: PageServer) -> None:
    """What a scanner that types into the page would do; the control is the same Enter after a pause."""
    open_page(chrome, till)
    keys(chrome, "990012345678" + Keys.ENTER)
    assert till.wait_until(lambda: till.view["amount_minor"] == 9_900_123_456_780)
    wait_screen(chrome, till, "amount")
    assert "confirm" not in done_with(till)
    enter(chrome)
    wait_screen(chrome, till, "done")
    assert done_with(till).count("confirm") == 1


def test_a_held_enter_confirms_once(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    keys(chrome, "500")
    assert till.wait_until(lambda: till.view["amount_minor"] == 5000)
    wait_screen(chrome, till, "amount")
    enter(chrome)
    wait_screen(chrome, till, "done")
    repeated = "dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', repeat: true, bubbles: true}))"
    for _ in range(5):
        chrome.execute_script(repeated)
    keys(chrome, Keys.F8)
    assert till.wait_until(lambda: "undo" in done_with(till))
    assert done_with(till)[-2:] == ["confirm", "undo"]


def test_the_keys_on_the_buttons_do_what_the_buttons_say(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till, member("en"))
    for key, action in (
        (Keys.F5, {"do": "use", "unit": "PTS", "on": True}),
        (Keys.F6, {"do": "use", "unit": "CREDIT", "on": True}),
    ):
        keys(chrome, key)
        assert till.wait_until(partial(operator.contains, till.actions, action)), action
    keys(chrome, Keys.F4)
    wait_screen(chrome, till, "refund")
    keys(chrome, Keys.ESCAPE)
    wait_screen(chrome, till, "idle")
    keys(chrome, Keys.F1)
    wait_for(chrome, "return document.querySelector('.sheet')")
    keys(chrome, Keys.F10)
    assert till.wait_until(lambda: till.view["language"] == "fa")


def test_a_new_member_in_one_screen(chrome: webdriver.Chrome, till: PageServer) -> None:
    """Digits go to the number, letters to the name; consent is asked, so it is off until somebody says yes."""
    open_page(chrome, till, enrol("fa"))
    assert chrome.find_element(By.CSS_SELECTOR, ".check").get_attribute("aria-pressed") == "false"
    keys(chrome, "۰۹۳۵۰۰۰۰۱۷۲یلدا")
    fields = [field.text for field in chrome.find_elements(By.CSS_SELECTOR, ".field .f")]
    assert fields == ["۰۹۳۵ ۰۰۰ ۰۱۷۲", "یلدا"]
    keys(chrome, Keys.F6)
    enter(chrome)
    assert till.wait_until(lambda: "enrol" in done_with(till))
    joined = {"do": "enrol", "phone": "09350000172", "name": "یلدا", "consent": True, "link": False}
    assert till.actions[-1] == joined
    assert done_with(till) == ["enrol"], "nothing that was typed went out before"


def test_the_number_that_was_not_found_is_kept_for_joining(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    keys(chrome, Keys.F2)
    wait_screen(chrome, till, "find")
    keys(chrome, "09350000172")
    enter(chrome)
    assert till.wait_until(lambda: "find" in done_with(till))
    wait_for(chrome, "return document.querySelector('.verdict b')")
    keys(chrome, Keys.F3)
    wait_screen(chrome, till, "enrol")
    assert chrome.find_element(By.CSS_SELECTOR, ".field .f").text == "۰۹۳۵ ۰۰۰ ۰۱۷۲"
    keys(chrome, Keys.ESCAPE)
    wait_screen(chrome, till, "idle")
    keys(chrome, Keys.F2)
    wait_screen(chrome, till, "find")
    assert chrome.find_element(By.CSS_SELECTOR, ".field .f").text == "", "nobody's number is kept for the next customer"
    keys(chrome, KNOWN_PHONE)
    enter(chrome)
    wait_screen(chrome, till, "member")


def test_a_refund_is_chosen_by_the_numbers_of_its_lines(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till, refund("en"))
    keys(chrome, "2")
    assert till.wait_until(lambda: {"do": "refund_line", "n": 2, "quantity_milli": 1000} in till.actions)
    keys(chrome, "3")
    assert till.wait_until(lambda: {"do": "refund_line", "n": 3, "quantity_milli": 0} in till.actions), (
        "all of it was chosen"
    )
    keys(chrome, "4" + "9" + Keys.F5)
    assert till.wait_until(lambda: "refund_all" in done_with(till))
    assert len(till.actions) == 3, "a line that is already back, and one that is not there, do nothing"


def test_more_lines_than_fit_are_turned_by_page_keys(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till, long_refund("en"))
    keys(chrome, Keys.PAGE_DOWN + "1")
    weighed = {"do": "refund_line", "n": 5, "quantity_milli": 1500}
    assert till.wait_until(lambda: weighed in till.actions), (
        "the first line of the second page, whole as it was weighed"
    )


def test_a_touch_does_what_its_key_does(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    chrome.find_element(By.CSS_SELECTOR, ".padkey").click()
    for digit in ("5", "0"):
        chrome.find_element(
            By.XPATH, f"//div[@class='pad']//button[normalize-space()='{'۰۱۲۳۴۵۶۷۸۹'[int(digit)]}']"
        ).click()
    chrome.execute_script("document.querySelector('.pad .soft:last-child').click()")
    assert till.wait_until(lambda: till.view["amount_minor"] == 500_000)
    wait_screen(chrome, till, "amount")
    chrome.find_element(By.CSS_SELECTOR, ".keys .go").click()
    wait_screen(chrome, till, "done")


OURS = [
    "F1",
    "F2",
    "F3",
    "F4",
    "F5",
    "F6",
    "F7",
    "F8",
    "F9",
    "F10",
    "F12",
    "Escape",
    "Return",
    "BackSpace",
    "KP_5",
    "question",
]
RECORD = (
    "window.seen = []; addEventListener('keydown', (e) => seen.push([e.key, e.isTrusted, e.defaultPrevented]));"
    "window.born = performance.timeOrigin;"
)


@pytest.mark.parametrize("mode", ["window", "kiosk", "app"])
def test_a_real_chromium_gives_the_page_every_key_it_asks_for(till: PageServer, mode: str) -> None:
    """Keys that come through X: each reaches the page, and the browser's own use of it (reload, find, developer tools,
    help, address bar) is prevented. The control is a page that prevents nothing: there F5 reloads."""
    flags = {"window": ["--window-size=1366,768"], "kiosk": ["--kiosk"], "app": [f"--app={till.url}"]}[mode]
    with x_display() as display, browser(flags=flags, display=display) as chrome:
        open_page(chrome, till, member("en"))
        chrome.execute_script(RECORD)
        size, tabs = chrome.execute_script("return [innerWidth, innerHeight]"), len(chrome.window_handles)
        for n, key in enumerate(OURS, start=1):
            press(display, key)
            wait_for(chrome, f"return seen.filter(([key]) => !['Shift', 'NumLock'].includes(key)).length >= {n}")
        seen = [entry for entry in chrome.execute_script("return seen") if entry[0] not in ("Shift", "NumLock")]
        assert [entry[0] for entry in seen] == [*OURS[:11], "Escape", "Enter", "Backspace", "5", "?"]
        assert all(trusted and prevented for _, trusted, prevented in seen), seen
        assert chrome.execute_script("return [innerWidth, innerHeight]") == size, "no developer tools beside the page"
        assert chrome.execute_script("return performance.timeOrigin === born"), "no reload"
        assert len(chrome.window_handles) == tabs, "no help page"
        if mode == "window":
            _f5_reloads_a_page_that_does_not_prevent_it(chrome, display, till)


def _f5_reloads_a_page_that_does_not_prevent_it(chrome: webdriver.Chrome, display: str, till: PageServer) -> None:
    chrome.get(till.url + "words/en.json")
    asked = till.requests.count("/words/en.json")
    deadline = time.monotonic() + 10
    while till.requests.count("/words/en.json") == asked and time.monotonic() < deadline:
        press(display, "F5")
        till.wait_until(lambda: till.requests.count("/words/en.json") > asked, 1)
    assert till.requests.count("/words/en.json") > asked
