"""The command line: what it prints, what it refuses, and with which exit status (sysexits)."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from posd.cli.main import COMMANDS, main
from posd.cli.run import log_level
from posd.ledger.store import Store
from posd.loyalty.model import Line, Quote
from posd.machine import SystemClock, Uuid7Source
from posd.till.booking import SaleContext, sale_draft
from posd.till.evidence import reader_check_draft
from tests.fakes.shop_programs import template_text

BASKET = {"currency": "IRR", "lines": [{"amount_minor": 12_880_000}], "redeem": {"CREDIT": 500_000}}


class Shell:
    """Runs commands as a person would, in this process."""

    def __init__(self, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.state_dir = state_dir
        self._capsys = capsys

    def __call__(self, *arguments: str, config: Path | None = None) -> tuple[int, str, str]:
        place = ["--state-dir", str(self.state_dir), *(["--config", str(config)] if config else [])]
        code = main([*place, *arguments])
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def json(self, *arguments: str) -> Any:
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def posd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)
    return Shell(state_dir, capsys)


@pytest.fixture
def sold(posd: Shell) -> Shell:
    """A ledger with three sales."""
    store = Store.open(posd.state_dir / "ledger.db", till_id="till-1", clock=SystemClock())
    new_id = Uuid7Source()
    for n in range(3):
        quote = Quote("IRR", 1000 + n, 1000 + n, (), (), ())
        lines = (Line(1, 1000 + n),)
        draft = sale_draft(new_id(), SystemClock().now(), member=None, lines=lines, quote=quote, context=SaleContext())
        store.append(draft).result()
    store.close()
    return posd


def test_every_command_explains_itself(posd: Shell) -> None:
    for name in COMMANDS:
        code, out, _ = posd(name, "--help")
        assert code == 0
        assert out.startswith("Usage: posd "), name


def test_wrong_use_is_64(posd: Shell) -> None:
    code, _, err = posd("sing")
    assert code == 64
    assert "No such command" in err


def test_version_loads_next_to_nothing() -> None:
    script = "import sys; from posd.cli.main import main; main(['--version']); print(sorted(sys.modules))"
    plain = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=plain).stdout
    for heavy in ("starlette", "requests", "sqlite3", "evdev", "smartcard", "sqlalchemy", "rich"):
        assert f"'{heavy}'" not in out, heavy


def test_broken_configuration_is_78_and_names_the_nearest_key(posd: Shell, tmp_path: Path) -> None:
    config = tmp_path / "posd.toml"
    config.write_text('[shop]\nnmae = "Narenj"\n')
    code, _, err = posd("run", config=config)
    assert code == 78
    assert "did you mean 'name'?" in err and str(config) in err
    code, out, _ = posd("doctor", config=config)
    assert code == 1 and "did you mean 'name'?" in out


def test_a_state_directory_that_cannot_be_made_is_78(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = Shell(tmp_path / "file" / "state", capsys)("run")
    assert code == 78
    assert "--state-dir" in err


def test_no_till_running_is_69_and_says_how_to_start_one(posd: Shell) -> None:
    for command in (("status",), ("simulate", "scan", "9800000000012345"), ("sync", "now")):
        code, _, err = posd(*command)
        assert code == 69
        assert "posd run" in err


def test_card_decode_masks_and_gives_reasons(posd: Shell) -> None:
    known = posd.json("card", "decode", ";9800000000012345?")
    assert known["identity"]["tail"] == "2345"
    assert "9800000000012345" not in json.dumps(known)
    refused = posd.json("card", "decode", ";4111111111111111=30121010000000000000?")
    assert refused["read"]["refused"] == "refused.payment"
    assert "4111" not in json.dumps(refused)


def test_ledger_commands(sold: Shell) -> None:
    assert sold.json("ledger", "verify")["seq"] == 3
    shown = sold.json("ledger", "show", "--last", "2")
    assert [row["seq"] for row in shown] == [2, 3]
    accounts = sold.json("ledger", "balance")
    assert accounts["shop:turnover"] == {"IRR": -3003}
    assert accounts["shop:tender"] == {"IRR": 3003}
    assert sold.json("ledger", "stats")["entries"] == 3
    for arguments in (("verify",), ("show",), ("balance",), ("stats",)):
        assert sold("ledger", *arguments)[0] == 0


def test_the_evidence_of_a_reader_check_is_readable(sold: Shell, tmp_path: Path) -> None:
    store = Store.open(sold.state_dir / "ledger.db", till_id="till-1", clock=SystemClock())
    about = {"reader": "desk", "driver": "hid_keyboard", "identity": "usb-1#S12"}
    for results in ([("present", True)], [("present", True), ("answers", False)]):
        draft = reader_check_draft(Uuid7Source()(), SystemClock().now(), **about, level="external", results=results)
        store.append(draft).result()
    store.close()
    passed, failed = (row["summary"] for row in sold.json("ledger", "show", "--last", "2"))
    assert passed == "desk usb-1#S12 external passed"
    assert failed == "desk usb-1#S12 external failed: answers"
    assert sold.json("ledger", "verify")["seq"] == 5
    assert sold("ledger", "export", "--csv")[1].count("reader_check") == 2
    journal = tmp_path / "journal.jsonl"
    journal.write_text(sold("ledger", "export")[1])
    assert sold("ledger", "verify", "--journal", str(journal))[0] == 0


def test_an_exported_journal_verifies_by_itself_and_a_changed_one_does_not(sold: Shell, tmp_path: Path) -> None:
    code, out, err = sold("ledger", "export")
    assert code == 0 and err == "3 entries\n"
    journal = tmp_path / "journal.jsonl"
    journal.write_text(out)
    assert sold("ledger", "verify", "--journal", str(journal))[0] == 0
    journal.write_text(out.replace("1001", "9001"))
    code, _, err = sold("ledger", "verify", "--journal", str(journal))
    assert code == 74
    assert "2" in err, "the first broken entry is named"
    assert sold("ledger", "export", "--csv")[1].count("\n") == 1 + 6


def test_no_ledger_is_78(posd: Shell) -> None:
    code, _, err = posd("ledger", "verify")
    assert code == 78 and "--state-dir" in err


def test_program_check_and_quote(posd: Shell, tmp_path: Path) -> None:
    files = []
    for name in ("points_per_amount", "percent_credit"):
        files.append(tmp_path / f"{name}.toml")
        files[-1].write_text(template_text(name), "utf-8")
    assert posd("program", "check", *map(str, files))[0] == 0
    basket, member = tmp_path / "basket.json", tmp_path / "member.json"
    basket.write_text(json.dumps(BASKET))
    member.write_text(json.dumps({"balances": {"PTS": 50, "CREDIT": 300_000}}))
    options = [item for file in files for item in ("--program", str(file))]
    arguments = ["program", "quote", *options, "--basket", str(basket), "--member", str(member)]
    quote = posd.json(*arguments)
    assert quote["payable_minor"] == 12_580_000
    assert {item["unit"]: item["earned"] for item in quote["earnings"]} == {"PTS": 125, "CREDIT": 125_800}
    code, out, _ = posd(*arguments)
    assert code == 0 and "to pay 12580000" in out


def test_a_wrong_program_names_line_and_key(posd: Shell, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(template_text("points_per_amount").replace("per_minor", "per_minro"), "utf-8")
    code, out, err = posd("program", "check", str(file))
    assert code == 65
    assert "per_minor" in out and "line" in out
    assert "docs/programs.md" in err


def test_readers_lists_and_assigns_nothing(posd: Shell) -> None:
    document = posd.json("readers")
    assert document["broken_drivers"] == []
    assert isinstance(document["devices"], list)
    assert posd("readers", "--toml")[0] == 0


def test_selftest_names_the_nearest_reader(posd: Shell, tmp_path: Path) -> None:
    config = tmp_path / "posd.toml"
    config.write_text('[[reader]]\nid = "desk"\ndriver = "serial_line"\naddress = "/dev/posd/none"\n')
    code, out, _ = posd("selftest", "desk", "--level", "internal", config=config)
    assert code == 1 and "✗" in out
    code, _, err = posd("selftest", "dekc", config=config)
    assert code == 78 and "did you mean 'desk'?" in err


def test_replay_says_what_each_line_means(posd: Shell, tmp_path: Path) -> None:
    transcript = tmp_path / "desk.transcript"
    transcript.write_text(
        "# posd transcript 1\n"
        '+0.000 desk msr text ";9800000000012345?"\n'
        '+1.250 desk msr flaw "partial: the swipe ended without end sentinel"\n'
        "+2.000 desk msr lost\n"
    )
    rows = posd.json("replay", str(transcript))
    assert [row["kind"] for row in rows] == ["text", "flaw", "lost"]
    assert rows[0]["result"].endswith("ending in 2345")
    assert rows[1]["result"].startswith("refused: partial")


def test_doctor_on_a_fresh_place_gives_fixes(posd: Shell) -> None:
    code, out, _ = posd("doctor")
    assert code == 0, out
    checks = posd.json("doctor")["checks"]
    assert {check["section"] for check in checks} >= {"setup", "ledger", "readers", "club"}
    posd.state_dir.chmod(0o755)
    found = posd.json("doctor")["checks"]
    loose = next(check for check in found if check["name"] == "state directory")
    assert loose["status"] == "warning" and loose["fix"].startswith("chmod 700")
    assert posd("doctor", "--strict")[0] == 2


def test_doctor_finds_secrets_that_others_can_read(posd: Shell) -> None:
    secret = posd.state_dir / "page.key"
    secret.write_text("x")
    secret.chmod(0o644)
    code, out, _ = posd("doctor")
    assert code == 1
    assert f"chmod 600 {secret}" in out


@pytest.mark.complaint(25)
def test_support_bundle_holds_no_secret(sold: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sold.state_dir / "page.key").write_text("secret-of-the-page")
    (sold.state_dir / "page.key").chmod(0o600)
    log = tmp_path / "journalctl"
    log.write_text("#!/bin/sh\necho 'read of 4111111111111111 refused'\n")
    log.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    config = tmp_path / "posd.toml"
    config.write_text(
        '[cards]\nown_prefixes = ["980000"]\n'
        '[[reader]]\nid = "desk"\ndriver = "serial_line"\naddress = "/dev/posd/none"\n'
        'psk_hex = "c0ffee00c0ffee"\nmaster_key = "c0ffee"\n'
    )
    texts = bundled(sold, tmp_path / "bundle.tar.gz", config)
    wanted = ["about", "doctor", "status", "metrics", "ledger", "machine", "config", "readers", "selftest", "log"]
    assert {name.partition(".")[0] for name in texts} == set(wanted)
    for secret in ("secret-of-the-page", "4111111111111111", "c0ffee"):
        assert not any(secret in text for text in texts.values()), secret
    assert "refused" in texts["log.txt"]
    assert json.loads(texts["config.json"])["readers"][0]["options"]["master_key"] == "(removed)"
    assert json.loads(texts["selftest.json"])[0]["checks"][0]["name"] == "configured"


def test_support_bundle_of_a_till_whose_configuration_is_broken(sold: Shell, tmp_path: Path) -> None:
    config = tmp_path / "posd.toml"
    config.write_text("[shop]\nnmae = 5\n")
    texts = bundled(sold, tmp_path / "bundle.tar.gz", config)
    assert "did you mean 'name'" in texts["doctor.json"]
    assert "config.json" not in texts and json.loads(texts["ledger.json"])["entries"] == 3


def bundled(posd: Shell, bundle: Path, config: Path) -> dict[str, str]:
    code, out, _ = posd("support-bundle", "--yes", "--output", str(bundle), config=config)
    assert code == 0 and "doctor.json" in out
    with tarfile.open(bundle) as tar:
        members = {name.rpartition("/")[2]: tar.extractfile(name) for name in tar.getnames()}
        return {name: file.read().decode() for name, file in members.items() if file is not None}


def test_pair_shows_a_code_and_lists_nobody(posd: Shell) -> None:
    code, out, _ = posd("pair")
    assert code == 0
    assert len(out.split()[0]) == 9 and "-" in out
    assert posd.json("pair", "list") == []
    assert posd("pair", "revoke", "nobody")[0] == 78


@pytest.mark.parametrize(
    ("verbose", "on_a_terminal", "level"), [(False, True, "WARNING"), (False, False, "INFO"), (True, True, "DEBUG")]
)
def test_a_person_is_told_less_than_a_journal(verbose: bool, on_a_terminal: bool, level: str) -> None:
    assert logging.getLevelName(log_level(verbose, on_a_terminal)) == level
