"""The keys to the shop's chips, from its ``keys_file`` (TOML, hex). They are in no repr and in no message: what is
wrong with a key is said by its name and its length.

::

    [classic]
    read = "A0A1A2A3A4A5"
    [sun]
    picc = "…"      # SDMMetaReadKey, for encrypted PICCData
    file = "…"      # SDMFileReadKey
    [desfire]
    read = "…"      # diversified for each card
    mac = "…"       # diversified for each card
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from posd.errors import ConfigError
from posd.tables import nearest

CLASSIC_READ, SUN_PICC, SUN_FILE = "classic.read", "sun.picc", "sun.file"
DESFIRE_READ, DESFIRE_MAC = "desfire.read", "desfire.mac"

_BYTES = {CLASSIC_READ: 6, SUN_PICC: 16, SUN_FILE: 16, DESFIRE_READ: 16, DESFIRE_MAC: 16}
"""Name of a key → how long it is."""


class CardKeys:
    """Keys by name."""

    def __init__(self, keys: Mapping[str, bytes] | None = None) -> None:
        self._keys = dict(keys or {})

    def __getitem__(self, name: str) -> bytes:
        """Raises KeyError with the name; `require` asks before a card lies in the reader."""
        return self._keys[name]

    def get(self, name: str) -> bytes | None:
        return self._keys.get(name)

    def require(self, names: Iterable[str]) -> None:
        """Raises `ConfigError` for the first of ``names`` that is not there."""
        for name in names:
            if name not in self._keys:
                raise ConfigError(f"the key {name} is missing; add it to the reader's keys_file ([reader.card])")

    def __repr__(self) -> str:
        return f"CardKeys({', '.join(sorted(self._keys))})"


def parse_card_keys(table: Mapping[str, Any], where: str) -> CardKeys:
    """``table``: the whole file; ``where``: its name, for messages. Raises `ConfigError`."""
    keys = {}
    for family, names in table.items():
        if not isinstance(names, Mapping):
            raise ConfigError(f"{where}: {family} must be a table such as [desfire]")
        for name, value in names.items():
            keys[f"{family}.{name}"] = _key(f"{family}.{name}", value, where)
    return CardKeys(keys)


def _key(name: str, value: Any, where: str) -> bytes:
    if name not in _BYTES:
        raise ConfigError(f"{where}: unknown key {name}{nearest(name, _BYTES)}")
    try:
        key = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        key = b""
    if len(key) != _BYTES[name]:
        raise ConfigError(f"{where}: {name} must be {_BYTES[name]} bytes in hex, in quotes")
    return key
