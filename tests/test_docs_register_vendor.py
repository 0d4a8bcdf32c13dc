"""`docs/register-vendor.md` and `docs/security.md` are true: the commands run, codes and figures are the real ones."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from posd.api.port import Refused
from posd.api.settings import Limits
from tests.fakes.local_api import LocalApi, local_api
from tests.fakes.till import PARISA

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "register-vendor.md").read_text("utf-8")
SECURITY = (ROOT / "docs" / "security.md").read_text("utf-8")

COMMANDS = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)


def _run(script: str, api: LocalApi) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    assert bash, "bash is missing"
    told = script.replace("127.0.0.1:7673", f"127.0.0.1:{api.port}").replace("BCDF-GHJK", api.pairing.show())
    return subprocess.run(
        [bash, "-euo", "pipefail", "-c", told], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_sale_is_ten_lines_of_curl() -> None:
    assert len(COMMANDS) == 1
    assert len(COMMANDS[0].strip().splitlines()) == 10


def test_the_ten_lines_book_a_sale_and_give_it_back(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        before = _points(api)
        done = _run(COMMANDS[0], api)
        assert done.returncode == 0, done.stderr
        simulated, quote, refund = (json.loads(line) for line in re.findall(r"\{.*?\}(?=\{|$)", done.stdout))
        assert (simulated, quote["total_minor"], quote["payable_minor"]) == ({}, 12_880_000, 12_880_000)
        assert (refund["kind"], refund["member_id"]) == ("refund", PARISA)
        sale = api.ask("GET", f"/v1/sales/{refund['sale_id']}").json
        assert [item["kind"] for item in sale["returns"]] == ["refund"]
        assert _points(api) == before + quote["earnings"][0]["earned"]
        assert [token.name for token in api.tokens.all()] == ["register", "Front register"]


def test_the_lines_fail_loudly_with_a_wrong_code(tmp_path: Path) -> None:
    with local_api(tmp_path) as api:
        assert _run(COMMANDS[0].replace("BCDF-GHJK", "BBBB-BBBB"), api).returncode != 0
        assert api.till.booked == 0


def _points(api: LocalApi) -> int:
    member = api.ask("GET", f"/v1/members?member_id={PARISA}").json
    return sum(balance["amount"] for balance in member["balances"] if balance["unit"] == "PTS")


def _codes_in_source() -> dict[str, int]:
    sources = "".join(path.read_text("utf-8") for path in sorted((ROOT / "posd" / "api").glob("*.py")))
    found = re.findall(r"Refused\(\s*(\d{3}),\s*\"(\w+)\"", sources)
    return {code: int(status) for status, code in found}


def test_every_code_of_the_api_is_listed_with_its_status() -> None:
    listed = {code: int(status) for code, status in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", GUIDE, re.MULTILINE)}
    assert listed == _codes_in_source()
    assert list(listed) == sorted(listed)
    assert len(listed) > 30


@pytest.mark.parametrize("code", ["quote_changed", "idempotency_conflict", "refund_refused"])
def test_codes_of_the_till_that_are_named_exist(code: str) -> None:
    assert f"`{code}`" in GUIDE
    assert any(f'"{code}"' in path.read_text("utf-8") for path in (ROOT / "posd" / "till").glob("*.py"))


def test_the_figures_of_the_limits_are_the_real_ones() -> None:
    limits = Limits()
    assert (limits.body_bytes, limits.header_bytes) == (64 * 1024, 8 * 1024)
    assert f"{limits.connections} connections on loopback and {limits.connections} on the Unix socket" in SECURITY
    assert f"burst of {limits.burst}" in SECURITY
    assert f"{limits.burst} at once" in GUIDE
    assert (limits.requests_per_s, limits.request_timeout_s, limits.write_timeout_s) == (10, 10, 10)


def test_the_twelve_rules_are_there() -> None:
    assert re.findall(r"^(\d+)\. \*\*", SECURITY, re.MULTILINE) == [str(n) for n in range(1, 13)]


def test_a_refusal_carries_what_the_guide_says() -> None:
    refused = Refused(404, "not_found", "say what to do")
    assert (str(refused), refused.words) == ("say what to do", None)
