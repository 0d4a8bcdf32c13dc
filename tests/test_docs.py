"""The pages are true: links lead somewhere, commands exist, configuration is accepted, make targets are there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from posd.cli.main import cli
from posd.config import parse_config

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [page.name for page in PAGES]


@pytest.fixture(params=PAGES, ids=NAMES)
def page(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_links_and_pictures_are_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8"))
    missing = [t for t in targets if not t.startswith("http") and not (page.parent / t).exists()]
    assert not missing


def test_commands_exist(page: Path) -> None:
    for command in re.findall(r"`posd ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", page.read_text("utf-8")):
        name, _, sub = command.partition(" ")
        group = cli.get_command(None, name)  # type: ignore[arg-type]  # ours looks at no context
        assert group is not None, f"{page.name}: there is no posd {name}"
        known = getattr(group, "commands", {})
        assert not known or not sub or sub in known, f"{page.name}: there is no posd {command}"


def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"`make ([a-z-]+)", page.read_text("utf-8")):
        assert target in targets, f"{page.name}: there is no make {target}"


def test_toml_is_accepted(page: Path) -> None:
    """Blocks that configure a till are read by the till's own parser."""
    for block in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        document = tomllib.loads(block)
        if set(document) <= {"shop", "till", "api", "sync", "club", "cards", "reader"}:
            parse_config([(page.name, block)])


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert not [page.name for page in PAGES[1:] if f"docs/{page.name}" not in readme]


def test_the_checks_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.md"
    wrong.write_text("[x](none.md) `posd sing` `make gold`\n```toml\n[shop]\nnmae = 1\n```\n")
    for check in (test_links_and_pictures_are_there, test_commands_exist, test_make_targets_exist):
        with pytest.raises(AssertionError):
            check(wrong)
