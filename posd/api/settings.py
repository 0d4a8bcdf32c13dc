"""How the API listens and what it allows, with the figures of the gate's rules in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from posd.api.scopes import REGISTER, Scope
from posd.config import TILL_PORT, ApiConfig
from posd.errors import ConfigError

LOOPBACK = ("127.0.0.1", "::1")
_LOOPBACK_NAMES = (*LOOPBACK, "localhost")


@dataclass(frozen=True, slots=True)
class Limits:
    """Rule 10. ``burst`` is what a cashier at full speed never hits: a page load, then a held-down key for seconds."""

    body_bytes: int = 64 * 1024
    socket_body_bytes: int = 4 * 1024 * 1024
    """On the Unix socket, where posd-sync hands over whole pages of changes."""
    header_bytes: int = 8 * 1024
    connections: int = 32
    """Per door: 32 on loopback, and 32 more on the Unix socket, so that a web page cannot lock posd-sync out."""
    requests_per_s: int = 10
    burst: int = 150
    request_timeout_s: float = 10.0
    """For a request to arrive completely."""
    write_timeout_s: float = 10.0
    """For a client to take what was sent to it."""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """``port`` 0 takes any free one (tests). ``socket`` None opens no Unix socket. ``group_scopes``: what members of a
    system group may do over the Unix socket beside the scopes that whoever can open it has."""

    state_dir: Path
    port: int = TILL_PORT
    socket: Path | None = None
    socket_group: str | None = None
    group_scopes: Mapping[str, frozenset[Scope]] = field(
        default_factory=lambda: {"posd-admin": REGISTER | {Scope.ADMIN}, "posd-sync": frozenset({Scope.SYNC})}
    )
    simulated_readers: bool = True
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def of(cls, config: ApiConfig, state_dir: Path) -> ApiSettings:
        """From the ``[api]`` table. Raises `ConfigError` when it asks for more than loopback."""
        refuse_open_host(config.host)
        socket = Path(config.socket) if config.socket else state_dir / "posd.sock"
        return cls(state_dir, config.port, socket, simulated_readers=config.simulated_readers)


def refuse_open_host(host: str) -> None:
    """Rule 1: the API is never on the shop's network."""
    if host not in _LOOPBACK_NAMES:
        raise ConfigError(
            f"[api] host {host!r} would open the till to the network; remove the line. Programs on this machine use "
            "127.0.0.1, other tills run their own posd"
        )
