"""The club's secrets: made once, kept in ``club.key`` (0600) in the state directory, never in the database.

So a database dump or backup alone shows no phone number and lets nobody make card keys; whoever restores a club
needs both files. ``mark`` stands in the database too, so that a wrong key file is noticed before it does harm.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from posd.errors import ConfigError
from posd.machine import write_private
from posd.sync.sealing import new_seal_keys

KEY_FILE = "club.key"


@dataclass(frozen=True, slots=True)
class ClubKeys:
    """All hex. ``card_key``: HMAC key for card numbers, given to every till. ``seal_public`` goes to the tills,
    ``seal_private`` never leaves this machine."""

    card_key: str = field(repr=False)
    seal_public: str
    seal_private: str = field(repr=False)

    @property
    def mark(self) -> str:
        """Tells one club's keys from another's; says nothing about them."""
        return hashlib.sha256(f"posd club keys {self.seal_public}".encode()).hexdigest()[:16]


def new_keys() -> ClubKeys:
    pair = new_seal_keys(secrets.token_bytes(32))
    return ClubKeys(secrets.token_hex(32), pair.public_key, pair.private_key)


def load_keys(state_dir: Path, mark: str | None = None) -> ClubKeys | None:
    """The keys, or None when there are none yet. Raises ConfigError for a damaged file or one of another club."""
    path = state_dir / KEY_FILE
    try:
        document = json.loads(path.read_text("utf-8"))
        keys = ClubKeys(document["card_key"], document["seal_public"], document["seal_private"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged; restore it from the backup of this club") from error
    if mark is not None and keys.mark != mark:
        raise ConfigError(f"{path} belongs to another club than the database; restore both from the same backup")
    return keys


def save_keys(state_dir: Path, keys: ClubKeys) -> None:
    document = {"card_key": keys.card_key, "seal_public": keys.seal_public, "seal_private": keys.seal_private}
    write_private(state_dir / KEY_FILE, json.dumps(document, indent=1).encode() + b"\n")
