"""The tokens of paired programs: a JSON file in the state directory that holds their SHA-256, never themselves.

A token is 256 random bits, so a plain hash cannot be guessed back. The file is read again when it changed on disk:
a token revoked by a command is dead at the next request.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from posd.api.port import Refused
from posd.api.scopes import GRANTABLE, Scope
from posd.clock import Clock
from posd.errors import ConfigError
from posd.machine import write_private

PREFIX = "posd_"
FILE = "tokens.json"


@dataclass(frozen=True, slots=True)
class Token:
    """``name`` is unique and what logs say. ``origin``: the one web origin that may use it, None for a program.
    ``created_at_ms`` is for people."""

    name: str
    origin: str | None
    scopes: tuple[str, ...]
    sha256: str
    created_at_ms: int


class TokenStore:
    """Create, list, revoke, find. Safe from any thread."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._path = state_dir / FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def all(self) -> tuple[Token, ...]:
        """Every token, oldest first. Raises `ConfigError` when the file is not ours."""
        with self._lock:
            return self._load()

    def origins(self) -> frozenset[str]:
        """The web origins that are paired."""
        return frozenset(token.origin for token in self.all() if token.origin is not None)

    def create(self, name: str, origin: str | None, scopes: Iterable[Scope]) -> str:
        """A new token, told once and never again. Raises `Refused` 409 when the name is taken."""
        granted = frozenset(scopes)
        if not granted <= GRANTABLE:
            raise ValueError("page and sync are no scopes of a token")
        text = PREFIX + secrets.token_urlsafe(32)
        with self._lock:
            tokens = self._load()
            if any(token.name == name for token in tokens):
                raise Refused(
                    409, "name_taken", f"{name!r} is paired already; take another name, or first: posd pair revoke"
                )
            created = self._clock.now().wall_ms
            self._save((*tokens, Token(name, origin, tuple(sorted(granted)), digest(text), created)))
        return text

    def revoke(self, name: str) -> bool:
        """Whether there was such a token."""
        with self._lock:
            tokens = self._load()
            kept = tuple(token for token in tokens if token.name != name)
            if len(kept) == len(tokens):
                return False
            self._save(kept)
            return True

    def find(self, text: str) -> Token | None:
        """The token whose text this is. Compares with all of them, so the time taken tells nothing."""
        wanted = digest(text)
        found = None
        for token in self.all():
            if hmac.compare_digest(token.sha256, wanted):
                found = token
        return found

    def _load(self) -> tuple[Token, ...]:
        try:
            stat = os.stat(self._path)  # noqa: PTH116  # on every request, and Path.stat costs thrice as much
        except FileNotFoundError:
            self._seen, self._tokens = None, ()
            return ()
        mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if mark != self._seen:
            self._tokens, self._seen = _parse(self._path), mark
        return self._tokens

    def _save(self, tokens: tuple[Token, ...]) -> None:
        document = {"v": 1, "tokens": [asdict(token) for token in tokens]}
        write_private(self._path, json.dumps(document, ensure_ascii=False, indent=1).encode())


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _parse(path: Path) -> tuple[Token, ...]:
    try:
        document = json.loads(path.read_bytes())
        return tuple(Token(**{**entry, "scopes": tuple(entry["scopes"])}) for entry in document["tokens"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged; move it away and pair the registers again") from error
