"""Debian's Chromium, driven through its own chromedriver: no download, no profile left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from tests.fakes.small_png import small_png

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


@contextmanager
def browser(*, flags: Sequence[str] = (), display: str | None = None) -> Iterator[webdriver.Chrome]:
    """A browser of its own: headless, or a real window on an X ``display``. An explicit driver path keeps selenium from
    looking for one on the network."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert binary and driver, "install the Debian packages chromium and chromium-driver"
    with tempfile.TemporaryDirectory(prefix="posd-chromium-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, *flags, f"--user-data-dir={profile}", *(() if display else ("--headless=new",))):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        environment = plain_environment() | ({"DISPLAY": display} if display else {})
        chrome = webdriver.Chrome(options=options, service=Service(driver, env=environment))
        try:
            if display is None:
                resize(chrome, 1366, 768)
            yield chrome
        finally:
            chrome.quit()


def plain_environment() -> dict[str, str]:
    """Without the device fakes' preload: a browser that looks for real devices through it may hang at its start."""
    return {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD", "UMOCKDEV_DIR")}


def resize(chrome: webdriver.Chrome, width: int, height: int) -> None:
    """The page's own size, whatever a window's frame would take."""
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
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
    return [
        entry["message"]
        for entry in chrome.get_log("browser")  # type: ignore[no-untyped-call]  # selenium has no types for it
        if entry["level"] in ("SEVERE", "WARNING")
    ]


def screenshot(chrome: webdriver.Chrome, file: Path) -> None:
    """What the window shows, in a file that a repository can carry."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(small_png(chrome.get_screenshot_as_png()))


@contextmanager
def x_display(width: int = 1366, height: int = 768) -> Iterator[str]:
    """A real X server without a screen, for keys that come from a keyboard and not from a driver."""
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
    finally:
        server.terminate()
        server.communicate()


def press(display: str, *keys: str) -> None:
    """Keys as a keyboard sends them, by their X names."""
    subprocess.run(["xdotool", "key", *keys], env={**os.environ, "DISPLAY": display}, check=True)
