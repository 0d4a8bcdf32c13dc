"""Who listens on a port, from what the kernel shows in /proc (proc_net_tcp(5)): for the message that must name him."""

from __future__ import annotations

from pathlib import Path

_LISTEN = "0A"
_PROC = Path("/proc")


def occupant_of(port: int, proc: Path = _PROC) -> str:
    """``python3 (pid 4711)``, or what can be said without permission to look."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening_inodes(proc / "net" / table, port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in proc.iterdir():
        if process.name.isdecimal() and wanted & _open_files(process):
            return f"{_name(process)} (pid {process.name})"
    return f"another program (find it with: sudo ss -ltnp 'sport = :{port}')"


def _listening_inodes(table: Path, port: int) -> list[str]:
    try:
        rows = [line.split() for line in table.read_text("ascii").splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port]


def _open_files(process: Path) -> set[str]:
    """Targets of its descriptors; empty for a process of another user, or one that has just ended."""
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return set()
    return {target for link in links if (target := _target(link))}


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text("utf-8", errors="replace").strip()
    except OSError:
        return "a program"
