"""What docs/cards.md says of chips with keys: its keys are keys, its example is a DESFire file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from posd.cards.card_keys import CLASSIC_READ, DESFIRE_MAC, parse_card_keys
from posd.cards.desfire_file import DesfireFile, parse_desfire_file
from posd.cards.scripts.layouts import POSD_DESFIRE_AID, ChipLayout, ClassicLayout, DesfireLayout, MemoryCardLayout
from posd.tables import from_table

PAGE = (Path(__file__).parents[1] / "docs" / "cards.md").read_text("utf-8")
BLOCKS = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]
READERS = [reader for block in BLOCKS if isinstance(block.get("reader"), list) for reader in block["reader"]]
(CARD,) = [reader["card"] for reader in READERS if "card" in reader]
(KEYS,) = [parse_card_keys(block, "docs") for block in BLOCKS if "desfire" in block]


def test_the_example_needs_the_keys_of_the_example() -> None:
    layout = from_table(ChipLayout, CARD, "docs")
    KEYS.require(layout.needed_keys)
    assert layout.classic == ClassicLayout()
    assert layout.desfire is not None
    assert layout.desfire.system == DesfireLayout().system
    assert len(KEYS[CLASSIC_READ]) == 6


def test_the_example_file_is_one() -> None:
    example = re.search(r"`(01[0-9A-F]{62})`", PAGE)
    assert example is not None
    key = DesfireLayout().key_for(KEYS[DESFIRE_MAC], bytes.fromhex("04112233445566"))
    file = parse_desfire_file(bytes.fromhex(example[1]), key)
    assert file == DesfireFile("ABAN", "540000000012345671", 2, "20261121")


def test_the_defaults_are_said() -> None:
    assert POSD_DESFIRE_AID.hex().upper() in PAGE
    assert f"byte {MemoryCardLayout().offset}" in PAGE
