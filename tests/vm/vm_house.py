"""posd as a service of a real system: its user, its rights to devices, its own checks, and what it leaves behind."""

from __future__ import annotations

import json

import pytest

from tests.vm.samples import present
from tests.vm.till import SEATS, SOCKET, PosdTill

BANK_CARD = "4929804463622139"
"""Made up; Luhn holds."""


def test_posd_runs_as_its_own_user(till: PosdTill) -> None:
    status = till.machine.sh(f"cat /proc/{till.main_pid()}/status")
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert lines["Uid"].split()[0] == till.machine.sh("id -u posd")
    groups = till.machine.sh(f"getent group {lines['Groups']} | cut -d: -f1").split()
    assert set(groups) <= {"posd", "posd-dev"}
    assert int(lines["CapEff"], 16) == 0


def test_nodes_belong_to_posds_group_and_to_nobody_else(till: PosdTill) -> None:
    for name, seat in SEATS.items():
        if seat.driver != "pcsc":
            found = till.machine.sh(f"stat -L -c '%G %a' '{till.addresses[name]}'")
            assert found == "posd-dev 660", name


@pytest.mark.parametrize("name", ["cdc", "ftdi"])
def test_modem_manager_is_told_to_leave_the_line_alone(till: PosdTill, name: str) -> None:
    properties = till.properties(till.addresses[name])
    assert properties.get("ID_MM_DEVICE_IGNORE") == "1" or properties.get("ID_MM_PORT_IGNORE") == "1", properties


@pytest.mark.parametrize("name", ["cdc", "ftdi"])
def test_nobody_else_can_open_the_line(till: PosdTill, name: str) -> None:
    """Another program with the same rights (the kernel asks root for nothing)."""
    address = till.addresses[name]
    command = f"runuser -u posd-club -g posd-dev -- sh -c 'exec 3<{address}' 2>&1"
    assert "busy" in till.machine.sh(command, ok=False)


def test_doctor_finds_nothing_wrong_with_the_readers(till: PosdTill) -> None:
    checks = json.loads(till.posd("doctor", "--json", ok=False))["checks"]
    assert {check["section"] for check in checks} >= {"setup", "ledger", "readers", "club"}
    assert not [check for check in checks if check["status"] == "failed"]


def test_selftest_passes_for_every_reader(till: PosdTill) -> None:
    reports = json.loads(till.posd("selftest", "--all", "--json"))["readers"]
    assert {report["reader"] for report in reports if report["ok"]} >= set(SEATS)


def test_posd_starts_again_after_it_was_killed(till: PosdTill) -> None:
    """kill -9: the kernel ends the grabs, systemd starts it anew, every reader comes back."""
    before = till.main_pid()
    till.machine.sh("systemctl kill --signal=KILL --kill-whom=main posd; sleep 2; systemctl start posd")
    for name in SEATS:
        till.wait_state(name, "ready")
    assert till.main_pid() != before
    present(till, "swiper")


def test_a_bank_card_leaves_no_trace(till: PosdTill) -> None:
    """Swiped on every reader that can; afterwards no run of its digits is in journal, ledger, answers or bundle."""
    heard = till.listen()
    for name, end in {"swiper": "\n", "left": "\n", "cdc": "\r\n", "ftdi": "\r\n", "magtek": ""}.items():
        till.send(name, f";{BANK_CARD}=30121010000012345678?{end}")
        (event,) = heard.until_heard(1, name)
        assert (event["type"], event["reason"]) == ("card.refused", "refused.payment")
    till.machine.sh("rm -f /run/support.tar.gz")
    till.posd("support-bundle", "--yes", "--output", "/run/support.tar.gz")
    answers = " ".join(f"curl -s --unix-socket {SOCKET} http://localhost{path};" for path in PATHS)
    till.machine.sh(f"(journalctl -b -o export; cat /var/lib/posd/*; zcat /run/support.tar.gz; {answers}) > /run/all")
    runs = "|".join((BANK_CARD[:6], BANK_CARD[-6:], "30121010"))
    assert till.machine.sh(f"grep -a -o -E '{runs}' /run/all | wc -l") == "0"
    assert int(till.machine.sh("grep -a -c refused /run/all")) > 0, "nothing was searched"
    assert BANK_CARD[-6:] not in str(heard.heard)


PATHS = ("/v1/status", "/v1/readers", "/v1/view", "/metrics")
