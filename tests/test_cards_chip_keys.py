"""The keys to the shop's chips: what is wrong with them is said, they are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.cards.card_keys import DESFIRE_READ, SUN_FILE, CardKeys, parse_card_keys
from posd.cards.scripts.layouts import ChipLayout, ClassicLayout, DesfireLayout
from posd.cards.sun import SunLayout
from posd.errors import ConfigError

KEY = "00112233445566778899AABBCCDDEEFF"


def test_keys_by_name() -> None:
    keys = parse_card_keys({"desfire": {"read": KEY}, "classic": {"read": "A0A1A2A3A4A5"}}, "keys.toml")
    assert keys[DESFIRE_READ] == bytes.fromhex(KEY)
    assert keys.get(SUN_FILE) is None
    assert repr(keys) == "CardKeys(classic.read, desfire.read)"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"desfire": KEY}, "desfire must be a table"),
        ({"desfire": {"raed": KEY}}, "did you mean 'desfire.read'"),
        ({"desfire": {"read": KEY[:-2]}}, "desfire.read must be 16 bytes in hex"),
        ({"desfire": {"read": "x" * 32}}, "desfire.read must be 16 bytes in hex"),
        ({"desfire": {"read": 11223344556677}}, "in quotes"),
        ({"classic": {"read": KEY}}, "classic.read must be 6 bytes"),
    ],
)
def test_a_wrong_key_is_named_and_not_shown(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        parse_card_keys(table, "keys.toml")
    assert "1122" not in str(refused.value)
    assert "keys.toml" in str(refused.value)


_VALUES = st.text(max_size=40) | st.integers() | st.binary(max_size=16) | st.none()


@pytest.mark.fuzz
@given(
    st.dictionaries(
        st.sampled_from(["sun", "desfire", "x"]),
        _VALUES | st.dictionaries(st.sampled_from(["file", "read", "y"]), _VALUES, max_size=3),
        max_size=3,
    )
)
def test_any_table_is_keys_or_a_configuration_error(table: dict[str, Any]) -> None:
    try:
        parse_card_keys(table, "keys.toml")
    except ConfigError:
        return


def test_what_a_layout_needs_and_has_not_is_named() -> None:
    layout = ChipLayout(classic=ClassicLayout(), desfire=DesfireLayout(), sun=SunLayout())
    assert layout.needed_keys == ("classic.read", "desfire.read", "desfire.mac", "sun.file")
    assert ChipLayout().needed_keys == ()
    CardKeys().require(())
    with pytest.raises(ConfigError, match=r"desfire\.mac is missing; add it"):
        CardKeys({DESFIRE_READ: bytes(16)}).require(["desfire.read", "desfire.mac"])
