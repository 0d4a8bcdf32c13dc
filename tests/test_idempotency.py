"""A register's sale across kill -9: whatever the moment, the same request books once, and once only, and says so."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.register import Register, answer_of
from tests.fakes.running_club import RunningClub
from tests.fakes.running_till import RunningTill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROUNDS = 20
AT_ONCE = 3
"""Sales on their way when the plug is pulled."""

Answer = tuple[int, dict[str, Any]]


def basket(n: int) -> dict[str, Any]:
    return {"currency": "IRR", "lines": [{"amount_minor": 1000 + n, "name": f"Saffron {n}"}], "register_ref": f"R{n}"}


def answered(connection: HTTPConnection) -> Answer | None:
    """What came before the till died; None for nothing, or half of it."""
    with closing(connection), suppress(OSError, HTTPException, ValueError):
        return answer_of(connection)
    return None


def test_one_key_books_once_across_kill_9(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moment = Moment(random.Random(seed))
    tally: Counter[str] = Counter()
    with RunningClub(tmp_path / "club") as club:
        till = RunningTill(tmp_path, arguments=())
        assert till.posd("enrol", club.url, club.invite()).returncode == 0
        with till:
            register = Register(till)
            for n in range(ROUNDS):
                sales = {f"receipt-{n}-{part}": basket(n * AT_ONCE + part) for part in range(AT_ONCE)}
                under_way = [register.send("POST", "/v1/sales", sale, key) for key, sale in sales.items()]
                moment.wait()
                till.kill()
                before = [answered(connection) for connection in under_way]
                moment.learn(None not in before)
                till.start()
                tally.update(
                    judged(register, key, sale, earlier)
                    for (key, sale), earlier in zip(sales.items(), before, strict=True)
                )
            print(dict(tally))
            check_journal(till)
            status, refused = register.ask("POST", "/v1/sales", basket(0), f"receipt-{ROUNDS - 1}-0")
            assert (status, refused["code"]) == (409, "idempotency_conflict"), "the key is known, the sale is another"
            till.wait_online()
            till.wait_queue()
    assert tally["answered"] and len(tally) > 1, "positive control: kills fell on both sides of the answer"


class Moment:
    """When to pull the plug: near the moment of the answer, which each machine and each hour has elsewhere."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._ms = 5.0

    def wait(self) -> None:
        threading.Event().wait(self._ms * self._dice.uniform(0.3, 1.7) / 1000)

    def learn(self, too_late: bool) -> None:
        self._ms = max(0.5, self._ms * (0.6 if too_late else 1.5))


def judged(register: Register, key: str, sale: dict[str, Any], earlier: Answer | None) -> str:
    """Ask twice more with the same key; how the first try fared."""
    status, second = register.ask("POST", "/v1/sales", sale, key)
    assert status == 201, second
    assert second["body"]["lines"][0]["amount_minor"] == sale["lines"][0]["amount_minor"]
    if earlier is not None:
        assert earlier[0] == 201, earlier
        assert earlier[1]["repeated"] is False
        assert second["repeated"] is True, "what was answered is on disk"
        assert same_sale(earlier[1], second)
    status, third = register.ask("POST", "/v1/sales", sale, key)
    assert (status, third["repeated"]) == (201, True)
    assert same_sale(second, third)
    if earlier is not None:
        return "answered"
    return "booked, not answered" if second["repeated"] else "not booked"


def same_sale(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return {**one, "repeated": None} == {**other, "repeated": None}


def check_journal(till: RunningTill) -> None:
    """Exactly one entry per key, in a ledger that keeps every promise."""
    journal = till.journal()
    assert [entry["kind"] for entry in journal] == ["sale"] * (ROUNDS * AT_ONCE)
    totals = sorted(till.client.get(f"/v1/sales/{entry['id']}")["body"]["total_minor"] for entry in journal)
    assert totals == [1000 + n for n in range(ROUNDS * AT_ONCE)]
    verified = till.posd("ledger", "verify")
    assert verified.returncode == 0, verified.stderr
