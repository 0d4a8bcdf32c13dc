"""The made tables of docs/readers.md are current, and the generator sees what it should."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.complaints import Complaint, Proof, collect_proofs, complaint_table, read_complaints, unproven
from scripts.driver_keys import Key, bundled_drivers, config_keys
from scripts.make_reader_docs import PAGE, ROOT, render
from scripts.markdown import fill, table

COMPLAINTS = read_complaints(ROOT / "docs/complaints.toml")


def test_the_page_is_current() -> None:
    page = PAGE.read_text("utf-8")
    assert render(page) == page, "make tables, and look at the difference"


def test_every_complaint_stands_once_in_the_table() -> None:
    assert [complaint.number for complaint in COMPLAINTS] == list(range(1, 27))
    assert all(complaint.says and complaint.answer and complaint.threads for complaint in COMPLAINTS)


def test_every_complaint_has_a_test_and_every_mark_a_complaint() -> None:
    proofs = collect_proofs(ROOT / "tests")
    assert set(proofs) <= {complaint.number for complaint in COMPLAINTS}
    assert not unproven(COMPLAINTS, proofs)


def test_marks_are_found_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        textwrap.dedent("""
            @pytest.mark.complaint(3)
            @pytest.mark.slow
            def test_a(): ...

            @pytest.mark.complaint(1, 2)
            class TestB:
                @pytest.mark.complaint(3)
                def test_c(self): ...

            @pytest.mark.complain(9)
            def test_misspelt(): ...
        """)
    )
    (tmp_path / "test_two.py").write_text("pytestmark = [pytest.mark.slow, pytest.mark.complaint(2)]")
    proofs = collect_proofs(tmp_path)
    assert {number: [proof.name for proof in found] for number, found in proofs.items()} == {
        1: ["TestB"],
        2: ["TestB", ""],
        3: ["test_a", "test_c"],
    }


def test_a_complaint_without_a_test_is_named() -> None:
    rows = [Complaint(1, "x", ("a/b#1",), "y"), Complaint(2, "x", ("a/b#2",), "y")]
    assert unproven(rows, {1: [Proof("test_one.py", 1, "test_a")]}) == [2]


def test_a_complaint_row_leads_to_thread_and_tests() -> None:
    rows = [Complaint(1, "It breaks.", ("a/b#7",), "It does not.")]
    proofs = {1: [Proof("test_one.py", 1, "test_a"), Proof("test_one.py", 5, "test_b"), Proof("test_two.py", 0, "")]}
    assert complaint_table(rows, proofs).splitlines()[-1] == (
        "| 1 | It breaks. ([a/b#7](https://github.com/a/b/issues/7)) | It does not. "
        "| [test_one.py](../tests/test_one.py): `test_a`, `test_b`; [test_two.py](../tests/test_two.py) |"
    )


@dataclass(frozen=True)
class Inner:
    """``size``: of the file."""

    size: int | None = None


@dataclass(frozen=True)
class Config:
    """A reader. ``address``: where it is;
    a link. ``paced``,
    ``slow``: with pauses."""

    address: str
    inner: Inner
    paced: bool = True
    slow: bool = False
    gap_ms: int = 5
    """Longer than this is a pause."""


def test_keys_are_told_with_default_and_meaning() -> None:
    assert list(config_keys(Config)) == [
        Key("address", "", "where it is; a link"),
        Key("inner.size", "none", "of the file"),
        Key("paced", "`true`", "with pauses"),
        Key("slow", "`false`", "with pauses"),
        Key("gap_ms", "`5`", "Longer than this is a pause"),
    ]


def test_every_key_has_a_meaning() -> None:
    drivers = bundled_drivers().items()
    silent = [
        f"{name}.{key.name}" for name, spec in drivers for key in config_keys(spec.config_type) if not key.meaning
    ]
    assert not silent, "say in the docstring of the driver's configuration what these are"


def test_a_place_that_is_not_there_is_an_error() -> None:
    page = "a\n<!-- made by make tables: x -->\nold\n<!-- end -->\nb\n"
    assert fill(page, "x", "new") == "a\n<!-- made by make tables: x -->\n\nnew\n\n<!-- end -->\nb\n"
    assert fill(fill(page, "x", "new"), "x", "new") == fill(page, "x", "new")
    with pytest.raises(ValueError, match="no place marked 'y'"):
        fill(page, "y", "new")


def test_a_cell_may_hold_a_bar() -> None:
    assert table(["a"], [["x|y"]]).splitlines()[-1] == "| x\\|y |"
