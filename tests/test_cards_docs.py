"""``docs/cards.md`` says what the code does: its table of rules parses, its example bytes are the file's."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from posd.cards.card_rule import Check, Source
from posd.cards.layouts import LAYOUTS
from posd.cards.loyalty_file import LoyaltyFile, parse_loyalty_file
from posd.cards.reads import RejectReason
from posd.cards.rules import parse_rules
from posd.cards.scripts.layouts import POSD_AID

PAGE = (Path(__file__).parents[1] / "docs" / "cards.md").read_text("utf-8")


def test_the_example_configuration_is_one() -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    rules = parse_rules(tomllib.loads(example[1])["cards"])
    assert [rule.read for rule in rules.rule] == [Source.BARCODE, Source.BARCODE, Source.LOYALTY]
    assert rules.code_ids_of("counter-2") is not None


def test_every_source_check_and_layout_is_named() -> None:
    for name in (*Source, *Check, *(f"`{layout}`" for layout in LAYOUTS)):
        assert name in PAGE
    for reason in ("partial", "unreadable", "noise"):
        assert RejectReason(reason) and f"`{reason}`" in PAGE


def test_the_example_file_is_one() -> None:
    example = re.search(r"`(70 [0-9A-F]{2} C1 [0-9A-F ]+)`", PAGE)
    assert example is not None
    assert parse_loyalty_file(bytes.fromhex(example[1])) == LoyaltyFile("ABAN", "0007719")
    assert POSD_AID.hex().upper() in PAGE
