"""The API's listening sockets: loopback and Unix, our own or those that systemd opened for us."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from posd.api.occupant import occupant_of
from posd.api.peers import peer_of
from posd.api.settings import LOOPBACK, ApiSettings
from posd.errors import ConfigError

BACKLOG = 64
_FIRST_FD = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def open_sockets(settings: ApiSettings, environ: Mapping[str, str] | None = None) -> list[socket.socket]:
    """Listening sockets: what systemd passed, else 127.0.0.1, ::1 and the Unix socket. Raises `ConfigError` when one
    is not loopback (rule 1) or is taken, naming who has it."""
    inherited = adopt_sockets(os.environ if environ is None else environ)
    if inherited:
        return inherited
    sockets = _listen_loopback(settings.port)
    if settings.socket is not None:
        try:
            sockets.append(_listen_unix(settings.socket, settings.socket_group))
        except ConfigError:
            close_sockets(sockets)
            raise
    return sockets


def bound_port(sockets: list[socket.socket]) -> int:
    """The TCP port, which matters when 0 was asked for."""
    return next((int(s.getsockname()[1]) for s in sockets if s.family != socket.AF_UNIX), 0)


def close_sockets(sockets: list[socket.socket]) -> None:
    for listener in sockets:
        listener.close()


def adopt_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """Sockets of a systemd socket unit (sd_listen_fds(3)). Raises `ConfigError` for one that is not loopback."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    adopted = [socket.socket(fileno=fd) for fd in range(_FIRST_FD, _FIRST_FD + count)]
    for listener in adopted:
        os.set_inheritable(listener.fileno(), False)
        _refuse_open(listener)
    return adopted


def _refuse_open(listener: socket.socket) -> None:
    if listener.family == socket.AF_UNIX:
        return
    host = listener.getsockname()[0]
    if not ip_address(host).is_loopback:
        raise ConfigError(f"posd.socket listens on {host}, which is not loopback; set ListenStream=127.0.0.1:7673")


def _listen_loopback(port: int) -> list[socket.socket]:
    first = _listen_tcp(socket.AF_INET, LOOPBACK[0], port)
    try:
        return [first, _listen_tcp(socket.AF_INET6, LOOPBACK[1], first.getsockname()[1])]
    except OSError as error:
        if error.errno in _NO_IPV6:
            return [first]
        first.close()
        raise
    except ConfigError:
        first.close()
        raise


def _listen_tcp(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise _taken(port, error) from error
        raise
    return listener


def _taken(port: int, error: OSError) -> ConfigError:
    if error.errno == errno.EACCES:
        return ConfigError(f"port {port} needs root; set [api] port to one above 1023, as 7673")
    return ConfigError(f"port {port} is in use by {occupant_of(port)}; stop it, or set another [api] port in posd.toml")


def _listen_unix(path: Path, group: str | None) -> socket.socket:
    """Bound beside its name and moved there when its mode is right: at no moment may a stranger connect."""
    _refuse_second(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        draft.unlink(missing_ok=True)
        listener.bind(str(draft))
        draft.chmod(0o660)
        if group is not None:
            shutil.chown(draft, group=group)
        listener.listen(BACKLOG)
        draft.replace(path)
    except (OSError, LookupError) as error:
        listener.close()
        draft.unlink(missing_ok=True)
        raise ConfigError(
            f"[api] socket {path} cannot be opened ({error}); name a place that posd may write"
        ) from error
    return listener


def _refuse_second(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        try:
            knock.connect(str(path))
        except OSError:
            return  # nobody there, or the leftover of a posd that was killed
        peer = peer_of(knock)
    whose = "" if peer is None else f" (pid {peer.pid})"
    raise ConfigError(f"another posd{whose} answers on {path}; stop it first: systemctl stop posd")
