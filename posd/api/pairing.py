"""Pairing: eight characters on the cashier's side, typed into the register once, become a token.

The code is shown by ``posd pair`` or on the cashier screen and never travels over the API. Both may be another process
than the server, so an open code is a private file: its hash, and until when on the machine's own clock it is valid.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from posd.api.port import Refused
from posd.api.scopes import GRANTABLE, REGISTER, Scope
from posd.api.tokens import TokenStore
from posd.clock import Clock
from posd.machine import write_private

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 §6.1: no vowels, so no words; no digits, so none that look like letters."""
LENGTH = 8
ATTEMPTS = 5
VALID_S = 300
FILE = "pairing.json"


@dataclass(frozen=True, slots=True)
class _Offer:
    """One open code: what it may grant, and until when."""

    sha256: str
    boot: str
    until_ns: int
    attempts: int
    scopes: tuple[str, ...]
    origin: str | None


class Pairing:
    """The one open code of this till, if any. Safe from any thread."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._path = state_dir / FILE
        self._clock = clock
        self._lock = threading.Lock()

    def show(self, scopes: Iterable[Scope] = REGISTER, origin: str | None = None) -> str:
        """Open a new code, which replaces an older one, and return it as people read it: ``BCDF-GHJK``. It grants at
        most ``scopes``. ``origin``: the web origin that may use it, None for a program on this machine."""
        granted = frozenset(scopes)
        if not granted <= GRANTABLE:
            raise ValueError("page and sync are no scopes of a token")
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        now = self._clock.now()
        until_ns = now.mono_ns + VALID_S * 10**9
        self._write(_Offer(_digest(code), now.boot, until_ns, ATTEMPTS, tuple(sorted(granted)), origin))
        return f"{code[:4]}-{code[4:]}"

    def cancel(self) -> None:
        """Close the open code, if there is one."""
        self._path.unlink(missing_ok=True)

    def expected_origin(self) -> str | None:
        """The web origin that the open code waits for; the gate lets it post the code before it is paired."""
        offer = self._open_offer()
        return offer.origin if offer else None

    def redeem(self, code: str, name: str, origin: str | None, scopes: Iterable[Scope], tokens: TokenStore) -> str:
        """Exchange the code for a token. Raises `Refused`; a wrong code costs one of five attempts."""
        with self._lock:
            offer = self._spend_attempt(code)
            if origin != offer.origin:
                raise Refused(403, "origin_not_offered", "the code was shown for another origin; show one for this")
            if not {*scopes} <= {*offer.scopes}:
                raise Refused(403, "scope_not_offered", f"ask for no more than {', '.join(offer.scopes)}")
            token = tokens.create(name, origin, scopes)
            self.cancel()
        return token

    def _spend_attempt(self, code: str) -> _Offer:
        offer = self._open_offer()
        if offer is None:
            raise Refused(403, "no_code_open", "no code is open on this till; show one with: posd pair")
        if hmac.compare_digest(_digest(normalized(code)), offer.sha256):
            return offer
        left = offer.attempts - 1
        if left:
            self._write(replace(offer, attempts=left))
            raise Refused(403, "code_wrong", f"the till shows another code; {left} attempts are left")
        self.cancel()
        raise Refused(403, "code_wrong", "that was the last attempt; show a new code with: posd pair")

    def _open_offer(self) -> _Offer | None:
        try:
            document = json.loads(self._path.read_bytes())
            offer = _Offer(**{**document, "scopes": tuple(document["scopes"])})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
        now = self._clock.now()
        return offer if now.boot == offer.boot and now.mono_ns < offer.until_ns else None

    def _write(self, offer: _Offer) -> None:
        write_private(self._path, json.dumps(asdict(offer)).encode())


def normalized(code: str) -> str:
    """As people type it: small letters, a dash or a space in the middle."""
    return code.upper().replace("-", "").replace(" ", "")


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
