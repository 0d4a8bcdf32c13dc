"""The page and its till: views as they come, a till that restarts, and a sale whose answer was lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.fakes.cashier_script import small_till
from tests.fakes.cashier_views import View, amount, done, idle, member, noticed, offline
from tests.fakes.chromium import browser, complaints, wait_for
from tests.fakes.page_server import PageServer

pytestmark = pytest.mark.slow

STRIP = "return document.querySelector('.strip')?.textContent ?? ''"
RESTARTING = "The till is restarting"


@pytest.fixture(scope="module")
def chrome() -> Iterator[webdriver.Chrome]:
    with browser() as driver:
        yield driver


@pytest.fixture
def till() -> Iterator[PageServer]:
    server = PageServer(idle("en"), small_till)
    yield server
    server.stop()


def open_page(chrome: webdriver.Chrome, till: PageServer, view: View | None = None) -> None:
    if view is not None:
        till.show(view)
    complaints(chrome)  # what the test before this one left behind
    chrome.get(till.url)
    wait_for(chrome, "return document.documentElement.dataset.version")


def in_step(chrome: webdriver.Chrome, till: PageServer) -> None:
    wait_for(chrome, f"return document.documentElement.dataset.version === '{till.view['version']}'")


def strip_says(chrome: webdriver.Chrome, text: str) -> None:
    wait_for(chrome, f"return (document.querySelector('.strip')?.textContent ?? '').includes({text!r})")


def no_strip(chrome: webdriver.Chrome) -> None:
    wait_for(chrome, "return document.querySelector('.strip') === null")


def test_a_page_opened_in_the_middle_shows_the_same_thing(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till, amount("en"))
    in_step(chrome, till)
    assert "1,288,000" in chrome.find_element(By.CSS_SELECTOR, ".sum .f").text


def test_an_older_view_is_not_shown(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    till.show(member("en"))
    in_step(chrome, till)
    newest = till.view
    with till.changed:
        till.view = {**idle("en"), "version": newest["version"] - 1}
        till.changed.notify_all()
    till.show({**newest, "shop": {**newest["shop"], "name": "Marker"}})
    till.show({**till.view, "shop": {**newest["shop"], "name": "Marker"}})
    wait_for(chrome, "return document.querySelector('.shop').textContent === 'Marker'")
    assert chrome.find_elements(By.CSS_SELECTOR, ".who-row")


def test_a_till_that_restarts_is_announced_calmly_and_found_again(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till, member("en"))
    till.stop()
    strip_says(chrome, RESTARTING)
    assert not chrome.find_element(By.CSS_SELECTOR, ".keys .esc").is_enabled()
    till.view = {**idle("en"), "version": 0}  # a new run counts from the start again
    till.start()
    no_strip(chrome)
    in_step(chrome, till)
    assert chrome.find_elements(By.CSS_SELECTOR, ".invite")
    till.show(member("en"))
    in_step(chrome, till)
    assert chrome.find_elements(By.CSS_SELECTOR, ".who-row"), "events come again"


def test_an_amount_typed_meanwhile_is_kept_and_nothing_else_is_sent_late(
    chrome: webdriver.Chrome, till: PageServer
) -> None:
    open_page(chrome, till, member("en"))
    till.stop()
    strip_says(chrome, RESTARTING)
    ActionChains(chrome).send_keys("125000", Keys.F5, Keys.F12, Keys.ESCAPE).perform()
    till.start()
    assert till.wait_until(lambda: till.view["amount_minor"] == 1_250_000)
    in_step(chrome, till)
    assert [action["do"] for action in till.actions] == ["amount"]


@pytest.mark.parametrize("booked", [True, False], ids=["booked", "not booked"])
def test_a_sale_whose_answer_was_lost_is_looked_up(chrome: webdriver.Chrome, till: PageServer, booked: bool) -> None:
    """The till died between taking the sale and answering: the page must not guess, and must not send it twice."""
    open_page(chrome, till, amount("en"))
    in_step(chrome, till)
    till.die_after_action = True
    before = till.view
    ActionChains(chrome).send_keys(Keys.F12).perform()
    assert till.wait_until(lambda: "confirm" in [action["do"] for action in till.actions])
    after = till.view
    strip_says(chrome, "Checking whether the sale was recorded")
    till.die_after_action = False
    till.view = {**idle("en"), "recent": (after if booked else before)["recent"], "version": 0}
    till.start()
    strip_says(chrome, "The sale is recorded" if booked else "The sale was not recorded")
    assert [action["do"] for action in till.actions].count("confirm") == 1


def test_only_the_last_of_many_amounts_is_sent(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    chrome.execute_script(
        "for (const key of '123456789') dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));"
    )
    assert till.wait_until(lambda: till.view["amount_minor"] == 1_234_567_890)
    amounts = [action["amount_minor"] for action in till.actions]
    assert amounts[-1] == 1_234_567_890
    assert len(amounts) == 2, "the first at once, then the newest"


def test_offline_is_a_banner_over_any_screen_and_a_notice_comes_first(
    chrome: webdriver.Chrome, till: PageServer
) -> None:
    open_page(chrome, till, offline(member("en")))
    strip_says(chrome, "Offline. Keep selling.")
    assert "37 waiting" in chrome.execute_script(STRIP)
    till.show(noticed(offline(member("en"))))
    strip_says(chrome, "call support now: QHDZ")
    till.show(member("en"))
    no_strip(chrome)


def test_each_signal_sounds_once(chrome: webdriver.Chrome, till: PageServer) -> None:
    """Counted where the browser makes it: one sound of two notes for a member found, three for a sale."""
    chrome.get("about:blank")
    chrome.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {
            "source": "window.notes = []; const start = OscillatorNode.prototype.start;"
            "OscillatorNode.prototype.start = function (at) {"
            "  notes.push(this.frequency.value); start.call(this, at); };"
        },
    )
    open_page(chrome, till, {**idle("en"), "signal": {"n": 4, "tone": "error"}})
    assert chrome.execute_script("return notes") == [], "what is past stays silent"
    till.show({**member("en"), "signal": {"n": 5, "tone": "found"}})
    in_step(chrome, till)
    till.show({**member("en"), "signal": {"n": 5, "tone": "found"}})
    in_step(chrome, till)
    assert chrome.execute_script("return notes") == [660, 880]
    till.show({**done("en"), "signal": {"n": 6, "tone": "done"}})
    in_step(chrome, till)
    assert len(chrome.execute_script("return notes")) == 5


def test_text_from_the_till_is_never_markup(chrome: webdriver.Chrome, till: PageServer) -> None:
    view = member("en")
    evil = "<img src=x onerror=alert(1)>"
    view["member"] = {**view["member"], "name": evil}
    view["shop"] = {**view["shop"], "name": evil}
    open_page(chrome, till, view)
    assert chrome.find_element(By.CSS_SELECTOR, ".who-row h1").text == evil
    assert chrome.find_elements(By.TAG_NAME, "img") == []


@pytest.mark.complaint(24)
def test_the_page_keeps_its_policy_and_asks_nobody_else(chrome: webdriver.Chrome, till: PageServer) -> None:
    """The console stays empty through every kind of screen; the control breaks the policy and is reported."""
    open_page(chrome, till, done("fa"))
    in_step(chrome, till)
    assert complaints(chrome) == []
    addresses = chrome.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert addresses and all(address.startswith(till.url) for address in addresses)
    chrome.execute_script("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')")
    assert any("Content Security Policy" in line for line in complaints(chrome))


def test_what_happens_is_also_said(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    spoken = chrome.find_element(By.ID, "spoken")
    assert spoken.get_attribute("aria-live") == "assertive"
    for view, words in ((member("en"), "Parisa M"), (done("en"), "Done"), (noticed(member("en")), "call support now")):
        till.show(view)
        in_step(chrome, till)
        assert words in str(spoken.get_attribute("textContent"))
