"""Running a process under `recorder.c`, and what it wrote down."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.fakes.running_till import clean_environment

SOURCE = Path(__file__).with_name("recorder.c")
ROOT = SOURCE.parents[2]
_HEADER = struct.Struct("=QQQQ")
_SWITCHES = struct.Struct("=qqq")


class What(IntEnum):
    """As in `recorder.c`."""

    CREATE = 1
    WRITE = 2
    RESIZE = 3
    SYNC = 4
    SYNC_FAILED = 5
    SYNC_FOLDER = 6
    RENAME = 7
    UNLINK = 8


@dataclass(frozen=True, slots=True)
class Op:
    """One call. ``file``: inode number; ``offset``: where it wrote, or the new size; ``data``: what it wrote, or the
    path."""

    what: What
    file: int
    offset: int
    data: bytes


@cache
def recorder() -> Path:
    """The recorder as a library, compiled once per process."""
    library = Path(mkdtemp(prefix="posd-recorder-")) / "recorder.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", str(library), str(SOURCE)], check=True)
    return library


def recorded_environment(root: Path, log: Path | None = None, switches: Path | None = None) -> dict[str, str]:
    """Environment of a process whose paths that begin with ``root`` are recorded in ``log``."""
    environment = clean_environment() | {"LD_PRELOAD": str(recorder()), "RECORDER_ROOT": str(root)}
    if log is not None:
        environment["RECORDER_LOG"] = str(log)
    if switches is not None:
        environment["RECORDER_SWITCHES"] = str(switches)
    return environment


def set_switches(path: Path, *, sync_to_fail: int = 0, syncs_failing: int = 1, last_effect: int = 0) -> None:
    """In place, since processes that run share the file's memory. Counts begin at 1; 0 leaves well alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.pwrite(descriptor, _SWITCHES.pack(sync_to_fail, syncs_failing, last_effect), 0)
    os.close(descriptor)


def unspent_effects(path: Path) -> int:
    """What is left of ``last_effect``."""
    _, _, left = _SWITCHES.unpack(path.read_bytes())
    return int(left)


def run_recorded(module: str, *arguments: str, environment: dict[str, str]) -> str:
    """Run a module of ours to its end; what it printed. Raises CalledProcessError."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, timeout=120, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def read_log(log: Path) -> Iterator[Op]:
    """Everything that was recorded, in order."""
    content = log.read_bytes()
    position = 0
    while position < len(content):
        what, file, offset, length = _HEADER.unpack_from(content, position)
        position += _HEADER.size
        yield Op(What(what), file, offset, content[position : position + length])
        position += length
