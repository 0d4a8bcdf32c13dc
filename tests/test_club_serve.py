"""``posd club serve`` as a service: systemd is told that it is ready, and the journal no key."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from posd.club.owner import init_club

pytestmark = pytest.mark.slow
PATIENCE_S = 30


@pytest.mark.parametrize("in_journal", [True, False])
def test_systemd_is_told_and_the_journal_holds_no_key(tmp_path: Path, in_journal: bool) -> None:
    """Without READY=1 a unit of Type=notify is killed after 90 seconds, for ever."""
    init_club(tmp_path / "club", "Club")
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "JOURNAL_STREAM": "1:1"}
    if not in_journal:
        del environment["JOURNAL_STREAM"]
    command = [sys.executable, "-m", "posd", "--state-dir", str(tmp_path / "club"), "club", "serve", "--port", "0"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as club:
            try:
                assert systemd.recv(1024).startswith(b"READY=1")
            finally:
                club.terminate()
            said = club.communicate(timeout=PATIENCE_S)[0]
    assert "club   http://127.0.0.1:" in said
    assert ("key=" in said or "/login" in said) is not in_journal, said
