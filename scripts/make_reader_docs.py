"""Makes the tables of docs/readers.md: drivers and their keys, known devices, complaints and the tests that answer."""

from __future__ import annotations

from pathlib import Path

from posd.drivers.known_devices import KnownDevice, known_devices
from scripts.complaints import collect_proofs, complaint_table, read_complaints, unproven
from scripts.driver_keys import driver_tables
from scripts.markdown import fill, table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/readers.md"


def render(page: str) -> str:
    """The page with every made table as it should be now."""
    complaints = complaint_table(read_complaints(ROOT / "docs/complaints.toml"), collect_proofs(ROOT / "tests"))
    for name, text in (("drivers", driver_tables()), ("known devices", device_table()), ("complaints", complaints)):
        page = fill(page, name, text)
    return page


def device_table() -> str:
    return table(
        ["USB id", "reader", "driver", "class", "confirmed", "remarks"],
        [
            (
                f"`{row.vendor}:{row.product}`",
                row.name,
                f"`{row.driver}`",
                row.device_class.value,
                "yes" if row.verified else "no",
                _remarks(row),
            )
            for row in known_devices()
        ],
    )


def _remarks(row: KnownDevice) -> str:
    trouble = f"**{row.trouble}**: {row.fix}" if row.trouble else ""
    return "; ".join(part for part in (row.when, row.note, trouble) if part)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
    missing = unproven(read_complaints(ROOT / "docs/complaints.toml"), collect_proofs(ROOT / "tests"))
    if missing:
        print(f"no test answers complaint {', '.join(map(str, missing))}")
