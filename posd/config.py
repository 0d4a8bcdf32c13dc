"""The configuration of a till: `/etc/posd/posd.toml` and `/etc/posd/conf.d/*.toml`, read once, strictly.

A fresh shop needs no file at all. A key that posd does not know is an error which names the nearest one it does,
because a silently ignored line is found months later.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from posd.drivers.base import ReaderConfig
from posd.drivers.read_filter import ReadOptions
from posd.errors import ConfigError
from posd.events import DeviceClass
from posd.tables import from_table, nearest
from posd.units import DISPLAY_UNITS, UNITS, DisplayUnit, Unit

CONFIG_FILE = Path("/etc/posd/posd.toml")
STATE_DIR = Path("/var/lib/posd")
TILL_PORT = 7673
CLUB_PORT = 2582
LAST_PORT = 65535

LANGUAGES = ("en", "fa", "ar")
CALENDARS = ("persian", "gregory")


@dataclass(frozen=True, slots=True)
class ShopConfig:
    """``[shop]``: what stands at the top of the screen and how this shop says money and dates."""

    name: str = "posd"
    till: str = "1"
    cashier: str = ""
    language: str = "fa"
    calendar: str = "persian"
    country: str = "IR"
    currency: str = "IRR"
    display: str = "toman"

    def __post_init__(self) -> None:
        _expect("language", self.language, LANGUAGES)
        _expect("calendar", self.calendar, CALENDARS)
        _expect("currency", self.currency, UNITS)
        _expect("display", self.display, [name for name, shown in DISPLAY_UNITS.items() if shown.unit == self.currency])

    @property
    def unit(self) -> Unit:
        return UNITS[self.currency]

    @property
    def display_unit(self) -> DisplayUnit:
        return DISPLAY_UNITS[self.display]


@dataclass(frozen=True, slots=True)
class TillConfig:
    """``[till]``: ``done_s`` seconds a finished sale stays on the screen."""

    done_s: int = 3


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """``[api]``: ``socket`` empty = ``posd.sock`` in the state directory. ``host`` exists so that a wrong one can be
    refused: the API answers on loopback only."""

    port: int = TILL_PORT
    host: str = "127.0.0.1"
    socket: str = ""
    simulated_readers: bool = True

    def __post_init__(self) -> None:
        _expect_port(self.port)


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """``[sync]``: ``process = "thread"`` sends from within posd, ``"separate"`` leaves it to posd-sync.service."""

    process: str = "thread"

    def __post_init__(self) -> None:
        _expect("process", self.process, ("thread", "separate"))


@dataclass(frozen=True, slots=True)
class ClubConfig:
    """``[club]``: the embedded club of a single shop. A till of a chain is linked by ``posd enrol URL`` instead."""

    name: str = ""
    port: int = CLUB_PORT

    def __post_init__(self) -> None:
        _expect_port(self.port)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. ``cards`` is given to `posd.cards.rules`; ``readers`` to the supervisor."""

    shop: ShopConfig = field(default_factory=ShopConfig)
    till: TillConfig = field(default_factory=TillConfig)
    api: ApiConfig = field(default_factory=ApiConfig)
    sync: SyncConfig = field(default_factory=SyncConfig)
    club: ClubConfig = field(default_factory=ClubConfig)
    cards: Mapping[str, Any] = field(default_factory=dict)
    readers: tuple[ReaderConfig, ...] = ()


_SECTIONS: dict[str, type[Any]] = {
    "shop": ShopConfig,
    "till": TillConfig,
    "api": ApiConfig,
    "sync": SyncConfig,
    "club": ClubConfig,
}


def load_config(path: Path | None = None) -> Config:
    """Read ``path`` and the ``conf.d`` beside it. Without ``path``: the system's, of which neither need be there.
    Raises `ConfigError` naming file, table and key."""
    file = path or CONFIG_FILE
    if path is not None and not path.is_file():
        raise ConfigError(f"{path} does not exist; write it or leave out --config")
    files = [*([file] if file.is_file() else []), *sorted((file.parent / "conf.d").glob("*.toml"))]
    return parse_config([(str(item), _text_of(item)) for item in files])


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}); run: sudo chmod a+r {file}") from error


def parse_config(texts: Sequence[tuple[str, str]]) -> Config:
    """``(file name, text)`` in order; a later file adds readers and overrides tables key by key."""
    tables: dict[str, dict[str, Any]] = {}
    readers: list[ReaderConfig] = []
    for name, text in texts:
        document = _parse_toml(name, text)
        readers += [_reader(table, f"{name} [[reader]]") for table in _list(document.pop("reader", []), name)]
        for section, table in document.items():
            if section not in _SECTIONS and section != "cards":
                raise ConfigError(
                    f"{name}: unknown table [{section}]{nearest(section, [*_SECTIONS, 'cards', 'reader'])}"
                )
            from_table(_SECTIONS[section], table, f"{name} [{section}]") if section in _SECTIONS else None
            tables.setdefault(section, {}).update(table)
    _expect_distinct([reader.reader_id for reader in readers])
    cards = tables.pop("cards", {})
    sections = {name: from_table(_SECTIONS[name], table, f"[{name}]") for name, table in tables.items()}
    return Config(**sections, cards=cards, readers=tuple(readers))


def _parse_toml(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not TOML: {error}") from error


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{name}: readers are written as [[reader]] with two brackets, one table for each")
    return value


_READER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""It stands in addresses of the API, in transcripts and in metrics."""
_READER_KEYS = ("id", "driver", "name", "device_class")
_READING_KEYS = tuple(key.name for key in fields(ReadOptions))


def _reader(table: Any, where: str) -> ReaderConfig:
    """Keys that posd itself needs; all others are the driver's and checked by it."""
    if (
        not isinstance(table, Mapping)
        or not isinstance(table.get("id"), str)
        or not isinstance(table.get("driver"), str)
    ):
        raise ConfigError(f'{where} needs id and driver, as in: id = "desk", driver = "hid_keyboard"')
    if not _READER_ID.fullmatch(table["id"]):
        raise ConfigError(
            f"{where} id: {table['id']!r} is no short word of A-Z a-z 0-9 . _ -; for people there is name"
        )
    device_class = table.get("device_class")
    known = [kind.value for kind in DeviceClass]
    if device_class is not None and device_class not in known:
        raise ConfigError(f"{where} device_class: {device_class!r} is not known{nearest(str(device_class), known)}")
    return ReaderConfig(
        reader_id=table["id"],
        driver=table["driver"],
        name=str(table.get("name", table["id"])),
        device_class=None if device_class is None else DeviceClass(device_class),
        options={key: value for key, value in table.items() if key not in (*_READER_KEYS, *_READING_KEYS)},
        reading=from_table(ReadOptions, {key: table[key] for key in _READING_KEYS if key in table}, where),
    )


def _expect(key: str, value: Any, known: Any) -> None:
    """Raises ValueError; `from_table` adds the file and the table."""
    if value not in known:
        raise ValueError(f"{key}: {value!r} is not known{nearest(str(value), known)}")


def _expect_port(port: int) -> None:
    """0 takes a free one. Raises ValueError, as `_expect`."""
    if not 0 <= port <= LAST_PORT:
        raise ValueError(f"port: {port} is none; choose one from 1024 to {LAST_PORT}")


def _expect_distinct(reader_ids: list[str]) -> None:
    for reader_id in reader_ids:
        if reader_ids.count(reader_id) > 1:
            raise ConfigError(f"two [[reader]] tables have the id {reader_id!r}; give each its own")
