"""Puts the files of docs/example-driver into docs/writing-a-driver.md, so that the page shows what is tested."""

from __future__ import annotations

from pathlib import Path

from scripts.markdown import fill

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "writing-a-driver.md"
EXAMPLE = DOCS / "example-driver"

FILES = {
    "posd_tcp_scanner.py": "python",
    "pyproject.toml": "toml",
    "tests/desk.transcript": "",
    "tests/test_posd_tcp_scanner.py": "python",
}


def render(page: str) -> str:
    """The page with every shown file as it is now."""
    for name, language in FILES.items():
        page = fill(page, name, f"```{language}\n{(EXAMPLE / name).read_text('utf-8').strip()}\n```")
    return page


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
