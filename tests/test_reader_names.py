"""Patterns for the names of PC/SC readers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.reader_names import name_fits

CCID = "Gemalto Gemplus USB SmartCard Reader 433-Swap [CCID Interface] (1-0000:00:03.0-8) 00 00"


@given(st.text())
def test_a_name_means_itself(name: str) -> None:
    """`posd readers --toml` writes the whole name, brackets and all."""
    assert name_fits(name.replace("*", ""), name.replace("*", ""))


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [(CCID, True), ("*", True), ("Gemalto*", True), ("*[CCID*00", True), ("Gemalto", False), ("*[CX]*", False)],
)
def test_only_the_star_stands_for_something_else(pattern: str, fits: bool) -> None:
    assert name_fits(CCID, pattern) is fits
