"""docs/sync.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from posd.sync.outcomes import Reason
from posd.sync.policy import MAX_BATCH, MAX_BATCH_BYTES

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "sync.md").read_text("utf-8")


def test_every_reason_is_explained() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(("| offline", "| paused", "| halted"))]
    assert {row.split("`")[1] for row in rows} == {reason.value for reason in Reason}


def test_every_file_of_the_room_is_named() -> None:
    table = PAGE[PAGE.index("## The parts") : PAGE.index("## What an answer means")]
    named = {Path(text).name for text in table.split("`") if text.endswith(".py")}
    rooms = {path.name for path in (ROOT / "posd" / "sync").glob("*.py")}
    assert rooms - {"__init__.py"} == named


def test_the_figures_are_the_code_s() -> None:
    assert f"→ {MAX_BATCH} entries (at most {MAX_BATCH_BYTES // 1024} KiB" in PAGE
