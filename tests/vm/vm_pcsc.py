"""Chip readers through the real pcscd, its socket activation, its polkit rules and libccid."""

from __future__ import annotations

from tests.vm.machine import until
from tests.vm.samples import insert_card, present
from tests.vm.till import PosdTill


def pcscd(till: PosdTill) -> str:
    return till.machine.sh("systemctl show -P MainPID pcscd")


def test_pcscd_is_restarted(till: PosdTill) -> None:
    present(till, "chips")
    before, pid = pcscd(till), till.main_pid()
    till.machine.sh("systemctl restart pcscd")
    assert pcscd(till) != before
    till.wait_state("chips", "ready")
    present(till, "chips")
    assert till.main_pid() == pid


def test_pcscd_is_killed(till: PosdTill) -> None:
    """kill -9: nothing is said to its clients; systemd's socket starts it anew when posd knocks."""
    before, pid = pcscd(till), till.main_pid()
    heard = till.listen()
    till.machine.sh("systemctl kill --signal=KILL pcscd")
    heard.until_heard(1, "chips", "reader.status")
    till.wait_state("chips", "ready")
    present(till, "chips")
    assert pcscd(till) not in (before, "0")
    assert till.main_pid() == pid


def test_pcscd_is_stopped_for_a_while(till: PosdTill) -> None:
    till.machine.sh("systemctl stop pcscd.socket pcscd")
    until(lambda: till.states()["chips"] != "ready", "posd to notice")
    till.machine.sh("systemctl start pcscd.socket")
    till.wait_state("chips", "ready")
    present(till, "chips")


def test_the_reader_is_pulled_out_with_a_card_in_it(till: PosdTill) -> None:
    heard = till.listen()
    insert_card(till)
    heard.until_heard(1, "chips")
    till.unplug("chips")
    till.wait_state("chips", "absent")
    till.plug("chips")
    till.wait_state("chips", "ready")
    present(till, "chips")


def test_a_card_that_lies_there_is_read_once(till: PosdTill) -> None:
    heard = till.listen()
    insert_card(till)
    heard.until_heard(1, "chips")
    heard.until_quiet(5)
    assert till.slot is not None
    till.slot.remove()
    assert len(heard.of("chips")) == 1
