"""Tables of Markdown, and the marked places of a page that hold made ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def fill(page: str, name: str, text: str) -> str:
    """``page`` with ``text`` at the place marked ``name``. Raises `ValueError` when there is no such place."""
    marked = re.compile(rf"(<!-- made by make tables: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marked.search(page):
        raise ValueError(f"the page has no place marked {name!r}; write its two comments into it")
    return marked.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)
