"""The cashier page's way in: a key file, and sessions signed with it.

``GET /?key=…`` exchanges the key for a cookie. Sessions are not kept anywhere: a cookie is a nonce and its HMAC under
the key, so it outlives restarts of posd, and a new key ends them all. Cookies of 127.0.0.1 go to every port of it;
hence a name that no other local server has, and a signature over the Host it was made for.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from posd.errors import ConfigError
from posd.machine import write_private

FILE = "page.key"
MAX_AGE_S = 365 * 24 * 3600
"""The browser keeps the cookie over its own restarts, or the cashier would stand before a locked page every morning."""


class PageKey:
    """The key of this till's cashier page."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self.cookie_name = f"posd_{self._mac('cookie name')[:10]}"

    @classmethod
    def of(cls, state_dir: Path) -> PageKey:
        """From ``page.key``, made on first use (0600). Deleting the file and restarting posd ends every session."""
        path = state_dir / FILE
        try:
            key = _read_or_make(path)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}; give the state directory to the user posd runs as") from error
        if len(key) < 32:
            raise ConfigError(f"{path} is damaged; delete it and start posd again")
        return cls(key)

    def address(self, port: int) -> str:
        """What to open in the browser; carries the key, so it belongs on the owner's terminal and in no log."""
        return f"http://127.0.0.1:{port}/?key={self._key.decode()}"

    def opens(self, presented: str) -> bool:
        return hmac.compare_digest(presented.encode(), self._key)

    def new_session(self, host: str) -> str:
        """``Set-Cookie`` for a browser that reached us as ``host`` (rule 7)."""
        nonce = secrets.token_hex(16)
        value = f"{nonce}.{self._mac('session', host, nonce)}"
        return f"{self.cookie_name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={MAX_AGE_S}"

    def session_valid(self, cookies: str, host: str) -> bool:
        """Whether the ``Cookie`` header carries a session made for this ``host``."""
        pairs = (pair.strip().partition("=") for pair in cookies.split(";"))
        values = [value for name, _, value in pairs if name == self.cookie_name]
        return any(self._signed(value, host) for value in values)

    def _signed(self, value: str, host: str) -> bool:
        nonce, _, signature = value.partition(".")
        return hmac.compare_digest(signature.encode(), self._mac("session", host, nonce).encode())

    def _mac(self, *parts: str) -> str:
        return hmac.new(self._key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def _read_or_make(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace").strip()
    except FileNotFoundError:
        key = secrets.token_urlsafe(32)
        write_private(path, key.encode() + b"\n")
        return key
