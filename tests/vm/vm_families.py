"""Every family through the real kernel: plugged in, read, pulled out, put back, without posd being started anew."""

from __future__ import annotations

import pytest

from tests.vm.samples import SAMPLES, present
from tests.vm.till import SEATS, PosdTill

WENT_AWAY = ("ENODEV", "EIO", "no more data", "end of file", "no PC/SC reader")
"""How the kernel, pyserial and pcscd say that a device was pulled out."""


def test_all_are_assigned_and_ready(till: PosdTill) -> None:
    """Found by `posd readers`, assigned in conf.d by the address that it shows, open in the daemon."""
    assert {name: state for name, state in till.states().items() if name in SEATS} == dict.fromkeys(SEATS, "ready")
    assert {device["reader"] for device in till.shown()} >= set(SEATS)


@pytest.mark.parametrize("name", SAMPLES)
def test_read_unplug_replug_read(till: PosdTill, name: str) -> None:
    pid = till.main_pid()
    present(till, name)

    heard = till.listen()
    till.unplug(name)
    gone = heard.until_heard(1, name, "reader.status")[0]
    assert gone["state"] == "lost"
    assert any(words in gone["detail"] for words in WENT_AWAY), gone
    till.wait_state(name, "absent")

    till.plug(name)
    till.wait_state(name, "ready")
    present(till, name)
    assert till.main_pid() == pid, "posd was started anew"
