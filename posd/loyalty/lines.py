"""On which line of a TOML text a key stands, so that an owner finds what he must change. `tomllib` does not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

from posd.loyalty.shape import Path

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"^\s*([\w\"'.-]+)\s*=")


def lines_of_keys(text: str) -> dict[Path, int]:
    """Path of each table and key → line, from 1. Keys of an inline table stand where the table starts."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for line, content in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(content):
            table = _table_path(_parts(header[2]), header[1] == "[[", counts)
            found.setdefault(table, line)
        elif key := _KEY.match(content):
            found.setdefault((*table, *_parts(key[1])), line)
    return found


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """The line of ``path``, or of the nearest thing around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _parts(name: str) -> list[str]:
    return [part.strip().strip("\"'") for part in name.split(".")]


def _table_path(parts: list[str], is_array: bool, counts: dict[Path, int]) -> Path:
    """``rules.levels`` under the third ``[[rules]]`` is ``("rules", 2, "levels", n)``."""
    path: Path = ()
    for depth, part in enumerate(parts, start=1):
        path = (*path, part)
        if is_array and depth == len(parts):
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path
