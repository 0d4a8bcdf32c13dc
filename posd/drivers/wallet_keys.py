"""The keys with which a reader asks phones for their passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posd.cards.wallets import AppleVas, AppleVasConfig, SmartTap, SmartTapConfig, Wallets
from posd.drivers.keys_file import read_closed_file

if TYPE_CHECKING:
    from posd.cards.elliptic import PrivateKey


def open_wallets(smart_tap: SmartTapConfig | None, apple_vas: AppleVasConfig | None) -> Wallets:
    """The configured wallets with their keys. Raises `ConfigError`, `DeviceDenied`."""
    return Wallets(
        None if smart_tap is None else SmartTap(smart_tap, _key(smart_tap.key_file)),
        None if apple_vas is None else AppleVas(apple_vas, _key(apple_vas.key_file)),
    )


def _key(path: str) -> PrivateKey:
    from posd.cards.elliptic import parse_private_key  # noqa: PLC0415  # its library is large, and few shops read wallets

    return parse_private_key(read_closed_file(path, "key_file"), f"the key_file {path}")
