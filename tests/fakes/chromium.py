"""Debian's Chromium, driven through its own chromedriver: no download, no profile left behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--autoplay-policy=no-user-gesture-required",
)


def installed() -> bool:
    return all(shutil.which(name) for name in ("chromium", "chromedriver"))


@contextmanager
def browser(*, headless: bool = True, flags: Sequence[str] = ()) -> Iterator[webdriver.Chrome]:
    """A browser of its own. An explicit driver path keeps selenium from looking for one on the network."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert binary and driver, "install the Debian packages chromium and chromium-driver"
    with tempfile.TemporaryDirectory(prefix="posd-chromium-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, *flags, f"--user-data-dir={profile}", *(("--headless=new",) if headless else ())):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        chrome = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield chrome
        finally:
            chrome.quit()


def resize(chrome: webdriver.Chrome, width: int, height: int) -> None:
    """The page's own size, whatever a window's frame would take."""
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    )


def prefer(chrome: webdriver.Chrome, **features: str) -> None:
    """Media features, such as ``prefers_reduced_motion="reduce"``."""
    wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})


def wait_for(chrome: webdriver.Chrome, script: str, timeout_s: float = 10) -> Any:
    """What ``script`` returns once it is true."""
    return WebDriverWait(chrome, timeout_s, poll_frequency=0.02).until(lambda c: c.execute_script(script))


def complaints(chrome: webdriver.Chrome) -> list[str]:
    """What the browser wrote to its console: errors, and violations of the page's policy."""
    return [entry["message"] for entry in chrome.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def screenshot(chrome: webdriver.Chrome, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert chrome.save_screenshot(str(file))
