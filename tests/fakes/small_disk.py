"""Disks that are full or read-only, for one process only and without root: a mount namespace of its own where the
machine allows it, and a limit on the size of files (setrlimit(2)) where it does not."""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path


def small_disk(folder: Path, *command: str, size: str = "4m", read_only: bool = False) -> list[str]:
    """Run ``command`` with a file system of ``size`` mounted on ``folder``; nobody else sees it."""
    options = f"size={size}{',ro' if read_only else ''}"
    mount = f'mount -t tmpfs -o {options} posd-test "{folder}" && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *command]


def can_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(small_disk(folder, "true"), capture_output=True, check=False).returncode == 0


def limited_files(size: int, *command: str) -> list[str]:
    """Run ``command`` so that no file of it grows beyond ``size`` bytes; `set_limit` changes it while it runs."""
    return ["prlimit", f"--fsize={size}:unlimited", *command]


def set_limit(pid: int, size: int | None) -> None:
    """None lifts the limit."""
    soft = resource.RLIM_INFINITY if size is None else size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
