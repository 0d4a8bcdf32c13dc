"""docs/writing-a-driver.md shows the example as it is; docs/readers.md names every state and shows valid tables."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from posd.drivers.base import DriverSpec, ReaderConfig
from posd.drivers.registry import build_options, load_driver
from posd.events import DeviceState
from scripts import make_driver_docs

DOCS = Path(__file__).parent.parent / "docs"


def block(page: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    assert found, f"no {language} in {page}"
    return found[1]


def test_the_page_shows_the_example_as_it_is() -> None:
    page = make_driver_docs.PAGE.read_text("utf-8")
    assert make_driver_docs.render(page) == page, "make tables, and look at the difference"


def test_it_is_as_short_as_promised() -> None:
    assert len([line for line in block("writing-a-driver.md", "python").splitlines() if line.strip()]) <= 45


def test_the_readers_page_names_every_state() -> None:
    page = (DOCS / "readers.md").read_text("utf-8")
    for state in DeviceState:
        assert f"| `{state}` |" in page


def test_the_example_configuration_is_valid() -> None:
    for table in tomllib.loads(block("readers.md", "toml"))["reader"]:
        known = {key: table.pop(key, None) for key in ("id", "driver", "name", "device_class")}
        spec = load_driver(known["driver"])
        assert isinstance(spec, DriverSpec)
        build_options(spec, ReaderConfig(known["id"], known["driver"], "", None, table))
