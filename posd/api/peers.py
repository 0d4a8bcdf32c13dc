"""Who is at the other end of the Unix socket. The kernel says it (SO_PEERCRED), so no token is needed there: whoever
can open the socket has been let in by its file mode."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from posd.api.port import Caller
from posd.api.scopes import EVERYTHING, REGISTER, Scope

_UCRED = struct.Struct("3i")
ROOT = 0
PEER = "posd.peer"
"""Where the protocol puts the peer of a connection in the ASGI state."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected, as it was then (unix(7))."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer | None:
    """None for a TCP connection."""
    if connection.family != socket.AF_UNIX:
        return None
    return Peer(*_UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))


def caller_of(peer: Peer, group_scopes: Mapping[str, frozenset[Scope]]) -> Caller:
    """Root and posd's own user may do everything; others what every register may, and what their groups add."""
    scopes: frozenset[Scope] = REGISTER
    if peer.uid in (ROOT, os.geteuid()):
        scopes = EVERYTHING
    else:
        for group in _groups_of(peer):
            scopes |= group_scopes.get(group, frozenset())
    return Caller(f"uid:{peer.uid}", frozenset(scopes))


def _groups_of(peer: Peer) -> list[str]:
    """Names of the groups of a peer; a user or group that this machine does not know (a container's) has none."""
    try:
        numbers = os.getgrouplist(pwd.getpwuid(peer.uid).pw_name, peer.gid)
    except KeyError:
        numbers = [peer.gid]
    names = []
    for number in numbers:
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return names
