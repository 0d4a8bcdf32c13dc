"""What a till has read last is in its memory; a crash must not write that to a disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.running_till import RunningTill

WAIT = "import sys; print('ready', flush=True); sys.stdin.read()"
ALLOW = "import resource as r; hard = r.getrlimit(r.RLIMIT_CORE)[1]; r.setrlimit(r.RLIMIT_CORE, (hard, hard))\n"
FORBID = "from posd.machine import forbid_core_dumps; forbid_core_dumps()\n"
DUMPABLE = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
UNITS = sorted((Path(__file__).parents[1] / "systemd").glob("*.service"))


def aborted(program: str, directory: Path) -> bool:
    """Did a crash of this program dump its memory?"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGABRT
    process.stdin.close()  # type: ignore[union-attr]  # a pipe, as asked for
    process.stdout.close()
    return os.WCOREDUMP(status)


@pytest.mark.slow
@pytest.mark.complaint(25)
def test_a_crash_leaves_no_memory_behind(tmp_path: Path) -> None:
    if not aborted(ALLOW + WAIT, tmp_path):
        pytest.skip("this machine dumps no memory at all, so nothing can be told")
    assert not aborted(ALLOW + FORBID + WAIT, tmp_path)


def test_a_process_that_forbids_it_is_not_dumpable() -> None:
    def dumpable(program: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()

    assert dumpable(DUMPABLE) == "1", "control"
    assert dumpable(FORBID + DUMPABLE) == "0"


@pytest.mark.slow
@pytest.mark.complaint(25)
def test_a_running_till_forbids_it(tmp_path: Path) -> None:
    with RunningTill(tmp_path) as till:
        limits = Path(f"/proc/{till.pid()}/limits").read_text("ascii").splitlines()
    core = next(line for line in limits if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_so_does_every_unit(unit: Path) -> None:
    assert "LimitCORE=0" in unit.read_text("utf-8").splitlines()
