"""Every screen of the cashier page, in three languages and sizes: readable at 80 cm, nothing cut, nothing too small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.fakes.cashier_views import SCREENS, STRESS, View, amount, enrol, idle, member, noticed, offline
from tests.fakes.chromium import browser, complaints, prefer, resize, wait_for
from tests.fakes.page_server import PageServer

pytestmark = pytest.mark.slow

AUDIT = (Path(__file__).parent / "fakes" / "page_audit.js").read_text()
SIZES = ((1366, 768), (1366, 720), (1024, 768))
LANGUAGES = ("en", "fa", "ar")
WITH_PAD = ("idle", "member", "amount", "amount_alone", "crowded")


@pytest.fixture(scope="module")
def till() -> Iterator[PageServer]:
    server = PageServer(idle("en"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def chrome() -> Iterator[webdriver.Chrome]:
    with browser() as driver:
        yield driver


def open_page(chrome: webdriver.Chrome, till: PageServer, query: str = "") -> None:
    chrome.get(till.url + query)
    wait_for(chrome, "return document.documentElement.dataset.version")


def show(chrome: webdriver.Chrome, till: PageServer, view: View) -> None:
    till.show(view)
    wait_for(chrome, f"return document.documentElement.dataset.version === '{till.view['version']}'")


def findings(chrome: webdriver.Chrome, label: str) -> list[str]:
    return [f"{label}: {finding}" for finding in chrome.execute_script(AUDIT)]


@pytest.mark.parametrize(("theme", "size"), [*(("light", size) for size in SIZES), ("dark", SIZES[0])], ids=str)
def test_every_screen_is_readable_and_whole(
    chrome: webdriver.Chrome, till: PageServer, theme: str, size: tuple[int, int]
) -> None:
    open_page(chrome, till, f"?theme={theme}")
    resize(chrome, *size)
    found = []
    for language in LANGUAGES:
        for name, make in {**SCREENS, **STRESS}.items():
            for label, view in {
                "": make(language),
                "offline": offline(make(language)),
                "notice": noticed(make(language)),
            }.items():
                show(chrome, till, view)
                found += findings(chrome, f"{language} {name} {label}")
    assert found == []
    assert complaints(chrome) == []


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_number_pad_and_the_keys_fit_too(chrome: webdriver.Chrome, till: PageServer, size: tuple[int, int]) -> None:
    open_page(chrome, till)
    resize(chrome, *size)
    found = []
    for language in LANGUAGES:
        show(chrome, till, amount(language))
        chrome.find_element(By.CSS_SELECTOR, ".padkey").click()
        for name in WITH_PAD:
            show(chrome, till, offline({**SCREENS, **STRESS}[name](language)))
            assert chrome.find_elements(By.CSS_SELECTOR, ".pad button")
            found += findings(chrome, f"{language} {name} pad")
        chrome.find_element(By.CSS_SELECTOR, ".padkey").click()
        body = chrome.find_element(By.TAG_NAME, "body")
        body.send_keys(Keys.F1)
        assert chrome.find_elements(By.CSS_SELECTOR, ".sheet")
        found += findings(chrome, f"{language} keys")
        body.send_keys(Keys.F1)
    assert found == []


def test_the_audit_finds_what_is_wrong(chrome: webdriver.Chrome, till: PageServer) -> None:
    """Positive control: the same page with small, pale, cut and crowded things."""
    open_page(chrome, till)
    resize(chrome, 1366, 768)
    show(chrome, till, amount("fa"))
    chrome.execute_script(
        "const q = (s) => document.querySelector(s);"
        "q('.who-row .sub').style.fontSize = '14px'; q('.who-row .sub').style.color = '#aaa';"
        "q('.keys .esc').style.minBlockSize = '40px'; q('.keys .esc').style.blockSize = '40px';"
        "q('.keys').style.gap = '2px';"
        "q('.keys').style.alignItems = 'center'; q('.bal .f').style.marginInlineStart = '300px';"
    )
    said = "\n".join(findings(chrome, "spoiled"))
    for complaint in ("text of 14px", "contrast", "target of", "targets too close", "clipped by panel"):
        assert complaint in said


def test_a_masked_number_keeps_its_order_in_right_to_left_pages(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    show(chrome, till, member("fa"))
    node = chrome.find_element(By.CSS_SELECTOR, ".who-row .sub bdi")
    assert node.text == "۰۹۱۲ *** **۳۴"
    places = chrome.execute_script(
        "const text = arguments[0].firstChild, left = (i) => { const r = document.createRange();"
        "r.setStart(text, i); r.setEnd(text, i + 1); return r.getBoundingClientRect().left; };"
        "return [...text.data].map((_, i) => left(i));",
        node,
    )
    assert places == sorted(places), "the number must be drawn from left to right"
    assert chrome.find_element(By.TAG_NAME, "html").get_attribute("dir") == "rtl"


def test_the_unit_stands_behind_the_number_in_the_direction_of_the_language(
    chrome: webdriver.Chrome, till: PageServer
) -> None:
    open_page(chrome, till)
    for language, unit_first in (("en", False), ("fa", True), ("ar", True)):
        show(chrome, till, member(language))
        number, unit = chrome.execute_script(
            "const f = document.querySelectorAll('.bal .f')[1];"
            "return ['.n', '.u'].map((s) => f.querySelector(s).getBoundingClientRect().left);"
        )
        assert (unit < number) is unit_first


def test_no_value_stands_without_an_isolate(chrome: webdriver.Chrome, till: PageServer) -> None:
    """Digits in right-to-left text outside <bdi> and key caps would be reordered by their neighbours."""
    open_page(chrome, till)
    for language in ("fa", "ar"):
        for make in SCREENS.values():
            show(chrome, till, make(language))
            bare = chrome.execute_script(
                "const found = []; const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);"
                "for (let t = walk.nextNode(); t; t = walk.nextNode())"
                "  if (/[0-9۰-۹٠-٩*]/.test(t.data) && !t.parentElement.closest('bdi, .cap, .spoken'))"
                "    found.push(t.data);"
                "return found;"
            )
            assert bare == []


def test_the_key_row_and_the_pad_are_never_mirrored(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    for language in LANGUAGES:
        show(chrome, till, enrol(language))
        caps, digits = chrome.execute_script(
            "const inOrder = (s) => [...document.querySelectorAll(s)]"
            ".sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left)"
            ".map((n) => n.textContent);"
            "return [inOrder('.keys .cap'), inOrder('.pad button:nth-child(-n+3)')];"
        )
        assert (caps[0], caps[-1]) == ("Esc", "F12")
        assert digits == {"en": ["1", "2", "3"], "fa": ["۱", "۲", "۳"], "ar": ["١", "٢", "٣"]}[language]


def test_colours_can_be_taken_away(chrome: webdriver.Chrome, till: PageServer) -> None:
    """Forced colours: the big button and every tile still have an edge, and the words are all there."""
    open_page(chrome, till)
    resize(chrome, 1366, 768)
    prefer(chrome, forced_colors="active")
    try:
        show(chrome, till, amount("en"))
        edges = chrome.execute_script(
            "return [...document.querySelectorAll('button, .bal, .badge')]"
            ".map((n) => parseFloat(getComputedStyle(n).borderTopWidth));"
        )
        assert edges and min(edges) >= 1
        go = chrome.execute_script("return getComputedStyle(document.querySelector('.keys .go')).backgroundColor")
        esc = chrome.execute_script("return getComputedStyle(document.querySelector('.keys .esc')).backgroundColor")
        assert go != esc
    finally:
        prefer(chrome, forced_colors="none")


def test_nothing_moves_for_those_who_asked_for_rest(chrome: webdriver.Chrome, till: PageServer) -> None:
    open_page(chrome, till)
    running = "return document.getAnimations().length"
    show(chrome, till, SCREENS["done"]("en"))
    assert chrome.execute_script(running) > 0
    prefer(chrome, prefers_reduced_motion="reduce")
    try:
        assert chrome.execute_script(running) == 0
        assert "Next customer" in chrome.find_element(By.CSS_SELECTOR, ".verdict").text
    finally:
        prefer(chrome, prefers_reduced_motion="no-preference")


def test_the_theme_follows_the_address_and_else_the_machine(chrome: webdriver.Chrome, till: PageServer) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    seen = {}
    for theme in ("light", "dark"):
        prefer(chrome, prefers_color_scheme=theme)
        open_page(chrome, till)
        seen[theme] = chrome.execute_script(ground)
    assert seen["light"] != seen["dark"]
    open_page(chrome, till, "?theme=light")
    assert chrome.execute_script(ground) == seen["light"]
    prefer(chrome, prefers_color_scheme="light")
