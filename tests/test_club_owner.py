"""The owner's commands, as functions: founding, programs, reports; and the club as a process."""

from __future__ import annotations

import socket
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from posd.club.login import login_link
from posd.club.owner import (
    drop_program,
    init_club,
    invite,
    list_members,
    list_tills,
    open_club,
    report,
    set_program,
)
from posd.club.programs import active_programs, ready_programs
from posd.club.serving import serve
from posd.club.shop import Settings, settings_for
from posd.errors import ConfigError
from tests.fakes.journal import FakeTill
from tests.fakes.postgres import BOTH, database_url
from tests.fakes.running_club import ClubProcess, RunningClub


@BOTH
def test_founding_twice_is_founding_once(engine: str, tmp_path: Path) -> None:
    url = database_url(engine)
    first = init_club(tmp_path / "club", "باشگاه نارنج", settings=settings_for("fa"), database_url=url)
    second = init_club(tmp_path / "club", "another name", database_url=url)
    assert first == second
    assert (second.name, second.settings.calendar, second.settings.currency) == ("باشگاه نارنج", "persian", "IRR")
    with open_club(tmp_path / "club", url) as opened:
        ids = {program.id for program in opened.database.read(lambda c: active_programs(c, first.club_id))}
    assert ids == {"points", "credit", "tiers"}


def test_secrets_lie_in_a_file_of_the_owner_and_not_in_the_database(tmp_path: Path) -> None:
    state = tmp_path / "club"
    init_club(state, "Narenj Club")
    with open_club(state) as opened:
        keys = opened.keys
    link = login_link(state, "http://x")
    for name in ("club.key", "login.key", "club.db"):
        assert stat.S_IMODE((state / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    everything = b"".join(path.read_bytes() for path in state.glob("club.db*"))
    for secret in (keys.card_key, keys.seal_private, link.partition("=")[2]):
        assert secret.encode() not in everything
        assert secret not in repr(keys)


def test_a_club_without_its_keys_is_not_started_with_new_ones(tmp_path: Path) -> None:
    """New keys would make every card unknown."""
    init_club(tmp_path / "a", "A")
    init_club(tmp_path / "b", "B")
    key = (tmp_path / "a" / "club.key").read_text()
    (tmp_path / "a" / "club.key").unlink()
    with pytest.raises(ConfigError, match="missing"):
        init_club(tmp_path / "a", "A")
    (tmp_path / "a" / "club.key").write_text((tmp_path / "b" / "club.key").read_text())
    with pytest.raises(ConfigError, match="another club"), open_club(tmp_path / "a"):
        pass
    (tmp_path / "a" / "club.key").write_text(key[:40])
    with pytest.raises(ConfigError, match="damaged"), open_club(tmp_path / "a"):
        pass


def test_there_must_be_a_club(tmp_path: Path) -> None:
    for state in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match="posd club init"):
            invite(state)


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--state-dir"):
        init_club(tmp_path / "file" / "club", "A")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"money": "tomato"}, "toman"),
        ({"language": "de"}, "en, fa, ar"),
        ({"calendar": "maya"}, "persian"),
        ({"digits": "roman"}, "latn"),
        ({"time_zone": "Atlantis"}, "Asia/Tehran"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        replace(Settings(), **wrong)


def test_ready_programs_are_only_for_their_own_money() -> None:
    assert {document["id"] for document in ready_programs("IRR")} == {"points", "credit", "tiers"}
    assert ready_programs("USD") == []


# ---- programs ----


def points(version: int, earn: int = 1) -> dict[str, Any]:
    document = next(d for d in ready_programs("IRR") if d["id"] == "points")
    rules = [dict(rule, earn=earn) if rule["id"] == "base" else rule for rule in document["rules"]]
    return {**document, "version": version, "rules": rules}


def test_a_new_version_reaches_the_tills_and_an_old_one_is_never_rewritten(tmp_path: Path) -> None:
    with RunningClub(tmp_path / "club") as club:
        till = FakeTill(club.url, club.enrol())
        page = till.pull()
        set_program(club.state_dir, points(1))
        assert till.pull(page.cursor).programs is None, "the same again is no change"
        with pytest.raises(ConfigError, match="version = 2"):
            set_program(club.state_dir, points(1, earn=9))
        set_program(club.state_dir, points(2, earn=2))
        news = till.pull(page.cursor)
        assert news.programs is not None
        assert sorted((d["id"], d["version"]) for d in news.programs) == [
            ("credit", 1), ("points", 1), ("points", 2), ("tiers", 1),
        ]  # fmt: skip
        drop_program(club.state_dir, "points")
        assert {d["id"] for d in till.pull(news.cursor).programs or ()} == {"credit", "tiers"}
        with pytest.raises(ConfigError, match="no program"):
            drop_program(club.state_dir, "miles")
        till.close()


def test_a_change_by_a_command_wakes_a_waiting_till(tmp_path: Path) -> None:
    with RunningClub(tmp_path / "club") as club:
        till = FakeTill(club.url, club.enrol())
        page = till.pull()
        set_program(club.state_dir, points(2, earn=2))
        assert till.pull(page.cursor, wait=20).programs is not None
        till.close()


def test_a_wrong_program_is_refused_with_all_its_problems(tmp_path: Path) -> None:
    init_club(tmp_path / "club", "Narenj Club")
    with pytest.raises(ConfigError) as caught:
        set_program(tmp_path / "club", {**points(2), "currency": "XXX", "colour": "red"})
    assert "currency" in str(caught.value)
    assert "colour" in str(caught.value)


# ---- looking ----


def test_lists_and_report(tmp_path: Path) -> None:
    with RunningClub(tmp_path / "club") as club:
        till = FakeTill(club.url, club.enrol("Till 1"))
        first = till.enrol("aa" * 16, gift=50)
        till.enrol("bb" * 16)
        till.sell(first, 1_000_000, earned={"PTS": 10})
        till.sell(None, 500_000)
        till.push()
        till.close()
        assert list_members(club.state_dir)[0].member_id == first, "changed last, listed first"
        assert [row["name"] for row in list_tills(club.state_dir)] == ["Till 1"]
        figures = report(club.state_dir)
        assert figures["days"][-1]["carded_minor"] == 1_000_000
        assert figures["days"][-1]["other_minor"] == 500_000
        assert (figures["members"], figures["active_members"], figures["owed_points"]) == (2, 1, 60)
        assert figures["owed_minor"] == 60 * 1_000
        assert figures["parked"] == []


# ---- as a process ----


@pytest.mark.slow
def test_the_embedded_club_ends_with_its_parent_and_survives_a_kill(tmp_path: Path) -> None:
    state = tmp_path / "club"
    init_club(state, "Narenj Club")
    with ClubProcess(state) as running:
        assert requests.get(running.url + "/health", timeout=10).status_code == 200
        running.kill()
    with ClubProcess(state) as running:
        assert requests.get(running.url + "/health", timeout=10).status_code == 200
        assert running.close() == 0, "its standard input ended"
    with ClubProcess(state) as running:
        assert running.terminate() == 0, "asked to stop, it stopped"


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    init_club(tmp_path / "club", "Narenj Club")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}.*another port"):
            serve(tmp_path / "club", port=port)
