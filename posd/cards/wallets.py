"""What the shop must have to read passes from phones: the tables ``[reader.smart_tap]`` and ``[reader.apple_vas]``, and
the same with their keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # its library is large, and few shops read wallets
    from posd.cards.elliptic import PrivateKey

_FOUR_BYTES = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class SmartTapConfig:
    """Google Smart Tap 2.1. ``collector_id``: the shop's number at Google, usually eight digits. ``key_version``: of
    the public key that was registered there. ``key_file``: its private key, PEM, closed to others."""

    collector_id: int
    key_version: int
    key_file: str

    def __post_init__(self) -> None:
        if not 0 < self.collector_id <= _FOUR_BYTES or not 0 <= self.key_version <= _FOUR_BYTES:
            raise ValueError("collector_id and key_version fit into four bytes, and collector_id is not 0")


@dataclass(frozen=True, slots=True)
class AppleVasConfig:
    """Apple VAS 1.0. ``pass_type_ids``: as in the passes (``pass.com.example.club``), tried in this order.
    ``key_file``: private key to the passes' ``encryptionPublicKey``, PEM, closed to others. ``window_s``: how far the
    phone's clock may be from the till's, in seconds; an answer outside may be a recorded one."""

    pass_type_ids: tuple[str, ...]
    key_file: str
    window_s: int = 300

    def __post_init__(self) -> None:
        if not self.pass_type_ids or not all(re.fullmatch(r"pass\.[\w.-]+", name) for name in self.pass_type_ids):
            raise ValueError("pass_type_ids are one or more names that begin with 'pass.'")
        if self.window_s < 1:
            raise ValueError("window_s is at least 1")


@dataclass(frozen=True, slots=True)
class SmartTap:
    """The shop as a collector of Google's passes."""

    config: SmartTapConfig
    key: PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class AppleVas:
    """The shop as a reader of Apple's passes."""

    config: AppleVasConfig
    key: PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wallets:
    """The wallets that a reader asks; none unless they are configured."""

    smart_tap: SmartTap | None = None
    apple_vas: AppleVas | None = None

    @property
    def any(self) -> bool:
        return self.smart_tap is not None or self.apple_vas is not None
