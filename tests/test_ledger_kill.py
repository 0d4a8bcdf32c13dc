"""A real till that is killed after an effect of a sale, one after the other: writes, syncs and the answer itself.

`tests/test_idempotency.py` pulls the plug at random moments; here each moment is named. The control: told and untold
sales both occur, and a second key books a second time.
"""

from __future__ import annotations

import random
from contextlib import closing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.register import Register, answer_of
from tests.fakes.running_till import RunningTill
from tests.powerloss.recording import recorded_environment, set_switches, unspent_effects

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

KILLS = 5
NEVER = 1_000_000


def basket(n: int) -> dict[str, Any]:
    return {"currency": "IRR", "lines": [{"amount_minor": 1000 + n, "name": f"Saffron {n}"}]}


def sold(register: Register, n: int, key: str) -> int | None:
    """The sale's seq as the register heard it; None when it heard nothing."""
    with (
        suppress(OSError, HTTPException, ValueError),
        closing(register.send("POST", "/v1/sales", basket(n), key)) as way,
    ):
        status, answer = answer_of(way)
        assert status in (200, 201), answer
        return int(answer["seq"])
    return None


def test_a_till_killed_after_any_effect_of_a_sale_books_it_once(tmp_path: Path) -> None:
    switches = tmp_path / "switches"
    set_switches(switches)
    with RunningTill(tmp_path) as till:
        register = Register(till)
        till.kill()
        till.environment = recorded_environment(till.state_dir / "ledger.db", switches=switches)
        till.start()
        set_switches(switches, last_effect=NEVER)
        assert sold(register, 0, "whole") == 1
        effects = NEVER - unspent_effects(switches)
        assert effects > 8
        seed = random.randrange(2**32)
        print(f"seed {seed}, {effects} effects")
        points = [1, *random.Random(seed).sample(range(2, effects + 1), KILLS - 2), NEVER]
        told = []
        for n, point in enumerate(points, start=1):
            set_switches(switches, last_effect=point)
            told.append(sold(register, n, f"key-{n}"))
            till.kill()
            set_switches(switches)
            till.start()
            assert sold(register, n, f"key-{n}") == n + 1, "once, and in its place"
            assert told[-1] in (None, n + 1)
        assert told[0] is None and told[-1] is not None, told
        assert sold(register, 1, "another-key") == KILLS + 2, "the control: a new key is a new sale"
        assert [entry["kind"] for entry in till.journal()] == ["sale"] * (KILLS + 2)
        assert till.posd("ledger", "verify").returncode == 0
