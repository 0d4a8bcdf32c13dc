"""Tiers: who stands where, what is missing, and that the threshold itself counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.loyalty.tiers import Tier, TierPath, tier_for, tier_named, tier_path, tier_rule
from tests.fakes.shop_programs import POINTS_RULE, UNHURRIED, both_on_one_card, program

CARD = both_on_one_card()
TOMAN = 10


def levels(*starts: int, **keys: str) -> dict[str, object]:
    tables = [{"code": f"l{start}", "from_minor": start, "name": {"en": f"L{start}"}} for start in starts]
    return {"kind": "tiers", "id": "t", "window_days": 365, "levels": tables, **keys}


@pytest.mark.parametrize(
    ("before", "sale", "tier"),
    [
        (0, 6000, "l0"),
        (0, 15_000, "l10000"),
        (0, 25_000, "l20000"),
        (4000, 500, "l0"),
        (8000, 3000, "l10000"),
        (18_000, 3000, "l20000"),
        (22_000, 5000, "l20000"),
    ],
)
def test_tiers_by_what_was_bought(before: int, sale: int, tier: str) -> None:
    """ERPNext's table: Bronze from 0, Silver from 10,000, Gold from 20,000."""
    assert tier_for([program(levels(0, 10_000, 20_000))], before + sale) == tier


@pytest.mark.parametrize(
    ("counted", "tier"), [(9_999, "l0"), (10_000, "l10000"), (19_999, "l10000"), (20_000, "l20000")]
)
def test_the_threshold_itself_counts(counted: int, tier: str) -> None:
    assert tier_for([program(levels(0, 10_000, 20_000))], counted) == tier


def test_below_the_first_level_there_is_none() -> None:
    programs = [program(levels(10, 20))]
    assert tier_for(programs, 9) is None
    assert tier_path(programs, 9) == TierPath("l10", 1, 900)


def test_the_way_from_silver_to_gold() -> None:
    counted = 4_360_000 * TOMAN
    assert tier_for(CARD, counted) == "silver"
    assert tier_path(CARD, counted) == TierPath("gold", 1_640_000 * TOMAN, 726)


def test_nothing_is_above_the_highest_level() -> None:
    assert tier_path(CARD, 10**9) is None


def test_who_holds_a_level_of_an_earlier_window_goes_on_above_it() -> None:
    counted = 1_000_000 * TOMAN
    assert tier_path(CARD, counted) == TierPath("silver", 2_000_000 * TOMAN, 333)
    assert tier_path(CARD, counted, "gold") == TierPath("diamond", 14_000_000 * TOMAN, 66)
    assert tier_path(CARD, counted, "diamond") is None
    assert tier_path(CARD, counted, "abolished") == tier_path(CARD, counted)


def test_more_returned_than_bought_counts_as_nothing() -> None:
    assert tier_path(CARD, -5) == tier_path(CARD, 0)
    assert tier_for(CARD, -5) is None


def test_a_tier_has_its_name_and_rank() -> None:
    silver = {"en": "Silver", "fa": "نقره‌ای", "ar": "الفضية"}
    assert tier_named(CARD, "silver") == Tier("silver", silver, 2)
    assert tier_named(CARD, "platinum") is None
    assert tier_named(CARD, None) is None


def test_without_levels_there_are_no_tiers() -> None:
    programs = [program(POINTS_RULE)]
    assert tier_rule(programs) is None
    assert (tier_for(programs, 10**9), tier_path(programs, 0), tier_named(programs, "gold")) == (None, None, None)


def test_one_program_decides_whatever_order_they_come_in() -> None:
    first, second = program(levels(0, 10), id="a"), program(levels(0, 5), id="b")
    assert tier_for([second, first], 9) == tier_for([first, second], 9) == "l0"
    newer = program(levels(0, 5), id="a", version=2)
    assert tier_for([first, newer], 9) == "l5"


@UNHURRIED
@given(st.integers(0, 10**9))
def test_who_buys_what_is_missing_gets_there(counted: int) -> None:
    path = tier_path(CARD, counted)
    if path is not None:
        assert tier_for(CARD, counted + path.missing_minor) == path.next
        assert tier_for(CARD, counted + path.missing_minor - 1) != path.next
        assert 0 <= path.permille < 1000
