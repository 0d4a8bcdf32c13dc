"""The pictures of the cashier page in `docs/images/`. ``POSD_PICTURES=1`` takes them anew; else it is only checked that
pictures can be taken, that every one is there, and that none is left over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.fakes.cashier_views import SCREENS, View, amount, enrol, idle, member, offline
from tests.fakes.chromium import browser, resize, screenshot, wait_for
from tests.fakes.page_server import PageServer

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
LANGUAGES = ("en", "fa", "ar")
NAMES = {"en": "Yalda", "fa": "یلدا", "ar": "يلدا"}
BIGGEST = 60_000
"""Bytes of one picture: a screen of 1366 x 768 as PNG stays well below."""


class Picture(NamedTuple):
    name: str
    view: View
    typed: str = ""
    query: str = ""


def pictures() -> Iterator[Picture]:
    for language in LANGUAGES:
        for screen in ("idle", "member", "amount", "done", "bank", "lost", "refund"):
            yield Picture(f"{screen}-{language}", SCREENS[screen](language))
        phone = "07810000172" if language == "ar" else "09350000172"
        yield Picture(f"enrol-{language}", enrol(language), phone + NAMES[language])
        yield Picture(f"offline-{language}", offline(member(language)))
        yield Picture(f"keys-{language}", idle(language), Keys.F1)
    yield Picture("find-en", SCREENS["find"]("en"), "09350000172")
    yield Picture("fault-en", SCREENS["fault"]("en"))
    yield Picture("amount-dark-fa", amount("fa"), query="?theme=dark")


PICTURES = list(pictures())


def open_picture(chrome: webdriver.Chrome, till: PageServer, picture: Picture) -> None:
    till.show(picture.view)
    chrome.get(till.url + picture.query)
    wait_for(chrome, f"return document.documentElement.dataset.version === '{till.view['version']}'")
    if picture.typed:
        ActionChains(chrome).send_keys(picture.typed).perform()


def hold_still(chrome: webdriver.Chrome) -> None:
    """The caret is lit, the bar of a finished sale has a third behind it, the clock says what the samples say."""
    chrome.execute_script(
        "document.getAnimations().forEach((a) => {"
        "  a.pause(); a.currentTime = a.animationName === 'run-out' ? 1000 : 0; });"
        "const now = document.querySelector('.clock bdi.n'); now.textContent = arguments[0];",
        {"en": "14:28", "fa": "۱۴:۲۸", "ar": "١٤:٢٨"}[chrome.execute_script("return document.documentElement.lang")],
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_picture_can_be_drawn(tmp_path: Path) -> None:
    folder = IMAGES if os.environ.get("POSD_PICTURES") else tmp_path
    wanted = PICTURES if os.environ.get("POSD_PICTURES") else PICTURES[-1:]
    till = PageServer(idle("en"))
    with browser() as chrome:
        resize(chrome, 1366, 768)
        for picture in wanted:
            open_picture(chrome, till, picture)
            hold_still(chrome)
            file = folder / f"cashier-{picture.name}.png"
            screenshot(chrome, file)
            assert 5_000 < file.stat().st_size < BIGGEST, file.name
    till.stop()


def test_the_pictures_are_kept_and_none_is_left_over() -> None:
    kept = {file.name for file in IMAGES.glob("cashier-*.png")}
    assert kept == {f"cashier-{picture.name}.png" for picture in PICTURES}


def test_the_pictures_that_the_cashiers_page_shows_exist() -> None:
    text = (ROOT / "docs" / "cashier.md").read_text()
    shown = {part.split(")")[0] for part in text.split("](images/")[1:]}
    assert shown, "positive control: the page has pictures"
    assert shown <= {file.name for file in IMAGES.iterdir()}
