"""The internet sockets of a process, as the kernel lists them (proc(5), proc_net_tcp(5))."""

from __future__ import annotations

import os
import re
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

TABLES = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")
LISTENING = 0x0A


@dataclass(frozen=True)
class InternetSocket:
    """``remote`` is of port 0 where there is no other side."""

    protocol: str
    local: tuple[str, int]
    remote: tuple[str, int]
    state: int


def internet_sockets(pid: int) -> list[InternetSocket]:
    """Open at this moment; empty when the process has just ended."""
    inodes = _inodes(Path(f"/proc/{pid}/fd"))
    found = []
    for table in TABLES:
        try:
            rows = Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]
        except OSError:
            continue  # a machine without IPv6
        found += [_parsed(table, row.split()) for row in rows if row.split()[9] in inodes]
    return found


def _inodes(folder: Path) -> set[str]:
    if not os.access(folder, os.R_OK):
        pytest.skip("a till hides its memory, and with it its open files, from everybody but root")
    found = set()
    for link in folder.iterdir():
        try:
            name = str(link.readlink())
        except OSError:
            continue  # closed meanwhile
        if match := re.fullmatch(r"socket:\[(\d+)\]", name):
            found.add(match[1])
    return found


def _parsed(table: str, row: list[str]) -> InternetSocket:
    return InternetSocket(table, _address(row[1]), _address(row[2]), int(row[3], 16))


def _address(text: str) -> tuple[str, int]:
    """Words of four bytes in the machine's own order."""
    host, port = text.split(":")
    words = [int(host[n : n + 8], 16) for n in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed), int(port, 16)
