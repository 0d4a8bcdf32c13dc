"""The first day of a shop, as the README tells it: unknown card, enrolment, sale, redemption, refund; the club away and
back; the mains plug pulled. A real till, a real ledger, a real club, over real HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.running_till import RunningTill, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CARD = "9800000000012345"
SWIPE = f";{CARD}?"
BANK_CARD = ";4111111111111111=30121010000000000000?"


def balances(view: dict[str, Any]) -> dict[str, int]:
    return {item["unit"]: item["amount"] for item in view["member"]["balances"]}


def usable(view: dict[str, Any]) -> dict[str, int]:
    return {item["unit"]: item["usable"] for item in view["member"]["balances"]}


def enrol(till: RunningTill) -> dict[str, Any]:
    till.simulate("swipe", SWIPE)
    view = till.page.wait_for_screen("enrol")
    assert view["notice"]["words"]["key"].startswith("card.unknown")
    assert view["enrol"]["tail"] == "2345"
    return till.page.act("enrol", phone="۰۹۱۲ ۰۰۰ ۱۲۳۴", name="پریسا", consent=True, link=False)


def sell(till: RunningTill, amount_minor: int, use: tuple[str, ...] = ()) -> dict[str, Any]:
    till.simulate("swipe", SWIPE)
    till.page.wait_for_screen("member", "amount")
    till.page.act("amount", amount_minor=amount_minor)
    for unit in use:
        till.page.act("use", unit=unit, on=True)
    return till.page.act("confirm")


def club_members(till: RunningTill) -> list[dict[str, Any]]:
    listed = till.posd("club", "member", "--json")
    assert listed.returncode == 0, listed.stderr
    rows: list[dict[str, Any]] = json.loads(listed.stdout)
    return rows


def test_first_day(tmp_path: Path) -> None:
    with RunningTill(tmp_path) as till:
        till.wait_online()
        view = enrol(till)
        assert view["screen"] == "member"
        assert view["member"]["name"] == "پریسا"
        assert view["notice"]["words"]["key"] == "enrol.done"
        till.page.act("back")

        done = sell(till, 12_880_000)["done"]
        assert done["payable_minor"] == 12_880_000
        assert done["earned"] == {"PTS": 128, "CREDIT": 128_800}
        assert [line["key"] for line in done["receipt"]], "the receipt lines appear"
        till.wait_queue()

        by_phone = till.page.act("find_start") and till.page.act("find", phone="+98 912 000 1234")
        assert by_phone["screen"] == "member"
        wait_for(lambda: balances(till.page.view()).get("CREDIT") == 128_800, "the balance")
        till.page.act("back")

        used = sell(till, 1_000_000, use=("CREDIT",))["done"]
        assert used["spent"] == {"CREDIT": 128_800}
        assert used["payable_minor"] == 871_200
        till.wait_queue()

        till.page.act("refund_start")
        till.page.act("refund_all")
        refunded = till.page.act("confirm")["done"]
        assert refunded["kind"] == "refund"
        assert refunded["payable_minor"] == 871_200
        assert refunded["spent"] == {"CREDIT": 128_800}
        till.wait_queue()

        (member,) = club_members(till)
        assert member["phone"].endswith("34") and "*" in member["phone"]
        first_gift = till.journal()[0]
        assert first_gift["kind"] == "enrol"
        view = till.page.act("find_start") and till.page.act("find", phone="09120001234")
        assert balances(view) == member["balances"]
        assert till.posd("ledger", "verify").returncode == 0
        report = json.loads(till.posd("club", "report", "--json").stdout)
        assert report["members"] == 1 and report["parked"] == []
        assert report["days"][-1]["carded_minor"] == 12_880_000, "what came back is no turnover"
        assert "1 members" in till.posd("club", "report").stdout
        assert till.stop() == 0


def test_bank_card_leaves_no_digit_anywhere(tmp_path: Path) -> None:
    with RunningTill(tmp_path, arguments=("--standalone", "--verbose")) as till:
        till.simulate("swipe", BANK_CARD)
        assert till.page.wait_for_screen("bank")["member"] is None
        till.page.act("back")
        sell_without_card = till.page.act("amount", amount_minor=500) and till.page.act("confirm")
        assert sell_without_card["screen"] == "done"
        till.simulate("swipe", ";9800000000067890?")
        till.page.wait_for_screen("enrol")
        metrics = till.client.text("/metrics")
        assert 'reason="refused.payment"' in metrics
        till.stop()
        output = "".join(till.output)
    everything = [output, metrics, *(path.read_bytes().decode("latin-1") for path in files(till.state_dir))]
    for digits in ("4111111", "1111111", "98000000000678", "0000067890"):
        assert not any(digits in text for text in everything), "a card number was kept"
    assert any("refused.payment" in text for text in everything), "positive control: the search does find things"


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_club_away_and_back(tmp_path: Path) -> None:
    """Offline the shop sells, enrols and refunds; nothing is spent; what waited arrives once, in order."""
    with RunningTill(tmp_path) as till:
        till.wait_online()
        enrol(till)
        till.page.act("back")
        sell(till, 10_000_000)
        till.wait_queue()
        os.kill(club := club_pid(till), signal.SIGSTOP)  # away, and to come back as it was
        try:
            wait_for(lambda: till.page.view()["link"]["state"] == "offline", "the offline badge", 40)
            till.page.act("back")
            view = sell(till, 2_000_000, use=("CREDIT",))
            assert view["done"]["payable_minor"] == 2_000_000, "offline nothing is spent"
            assert view["done"]["queued"] is True
            assert view["link"]["queue"] >= 1
            view = till.page.act("back")
            till.simulate("swipe", SWIPE)
            view = till.page.wait_for_screen("member")
            assert usable(view) == dict.fromkeys(balances(view), 0)
            assert balances(view)["PTS"] >= 120, "own sales count at once"
        finally:
            os.kill(club, signal.SIGCONT)
        wait_for(lambda: till.page.view()["link"]["state"] == "online", "the club again", 40)
        till.wait_queue()
        entries = till.journal()
        (member,) = club_members(till)
        earned = sum_legs(entries, member["member_id"])
        assert member["balances"] == earned, "nothing lost, nothing doubled"


def sum_legs(entries: list[dict[str, Any]], member_id: str) -> dict[str, int]:
    totals: dict[str, int] = {}
    for entry in entries:
        for part in entry["summary"].split("  "):
            if part.startswith(f"member:{member_id} "):
                _, amount, unit = part.split(" ")
                totals[unit] = totals.get(unit, 0) + int(amount)
    return totals


def club_pid(till: RunningTill) -> int:
    """The embedded club's process, found among the till's children."""
    return int(subprocess.run(["pgrep", "-P", str(till.pid())], capture_output=True, text=True, check=True).stdout)


def test_mains_plug(tmp_path: Path) -> None:
    """kill -9 in the middle: what was told to the cashier is there, exactly once, and the club agrees."""
    with RunningTill(tmp_path) as till:
        till.wait_online()
        enrol(till)
        till.page.act("back")
        codes = [sell(till, 1_000_000 + n)["done"]["receipt_code"] for n in range(3)]
        till.page.act("amount", amount_minor=777)
        till.kill()
        till.start()
        assert till.page.view()["screen"] == "idle"
        till.wait_online()
        till.wait_queue()
        kinds = [entry["kind"] for entry in till.journal()]
        assert kinds == ["enrol", "sale", "sale", "sale"]
        assert len(set(codes)) == 3
        assert till.posd("ledger", "verify").returncode == 0
        (member,) = club_members(till)
        assert member["balances"] == sum_legs(till.journal(), member["member_id"])
