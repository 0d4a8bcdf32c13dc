"""A till joins its club: one code, one file that only posd may read, and an error for everything that can go wrong."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from posd.errors import ConfigError, SyncError
from posd.sync.client import Timeouts
from posd.sync.enrolment import check_address, enrol_till
from posd.sync.grant import FILE, Linked, load_grant
from tests.fakes.club_server import GRANT, INVITATION, TOKEN, Bad, ClubServer
from tests.fakes.fault_proxy import Fault, FaultProxy

FAST = Timeouts(connect_s=0.5, read_s=0.4, deadline_s=1.0)


@pytest.fixture
def club() -> Iterator[ClubServer]:
    with ClubServer() as server:
        yield server


def enrol(url: str, state_dir: Path, code: str = INVITATION) -> Linked:
    return enrol_till(url, code, "Till 1", state_dir, timeouts=FAST)


def test_a_code_links_the_till_and_the_grant_is_there_after_a_restart(club: ClubServer, tmp_path: Path) -> None:
    linked = enrol(club.url + "/", tmp_path / "state", f" {INVITATION}\n")
    assert linked == load_grant(tmp_path / "state") == Linked(club.url, GRANT)
    assert linked.address.token == TOKEN
    file = tmp_path / "state" / FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [FILE], "no draft is left behind"


def test_a_till_without_a_club_has_no_grant(tmp_path: Path) -> None:
    assert load_grant(tmp_path) is None


def test_a_wrong_code_says_where_to_get_a_new_one(club: ClubServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="posd club invite") as caught:
        enrol(club.url, tmp_path, "WRNG-CODE")
    assert "WRNG" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (Fault.REFUSE, "network cable"),
        (Fault.SILENCE, "internet connection"),
        (Fault.PORTAL_PAGE, "login page"),
        (Fault.PORTAL_JSON, "login page"),
        (Fault.PORTAL_REDIRECT, "login page"),
        (Fault.GARBAGE, "login page"),
    ],
)
def test_a_club_that_is_not_there_is_told_from_something_else_that_is(
    club: ClubServer, tmp_path: Path, fault: Fault, complaint: str
) -> None:
    with FaultProxy(club.port) as proxy:
        proxy.fault = fault
        with pytest.raises(SyncError, match=complaint):
            enrol(proxy.url, tmp_path)
        assert load_grant(tmp_path) is None
        proxy.fault = Fault.NONE
        assert enrol(proxy.url, tmp_path).grant == GRANT, "positive control: the same call is well without the fault"


def test_too_many_tries_say_how_long_to_wait(club: ClubServer, tmp_path: Path) -> None:
    club.bad.append(Bad(429, headers={"Retry-After": "30"}))
    with pytest.raises(SyncError, match="30 seconds"):
        enrol(club.url, tmp_path)


def test_a_till_that_is_linked_is_not_linked_over(club: ClubServer, tmp_path: Path) -> None:
    enrol(club.url, tmp_path)
    asked = len(club.seen)
    with pytest.raises(ConfigError, match="already"):
        enrol(club.url, tmp_path)
    assert len(club.seen) == asked, "the invitation is not spent"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_state_directory_that_cannot_be_written_is_found_before_the_code_is_spent(
    club: ClubServer, tmp_path: Path
) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="not writable"):
        enrol(club.url, tmp_path)
    assert club.seen == []


def test_a_file_in_place_of_the_state_directory_is_found_before_the_code_is_spent(
    club: ClubServer, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(ConfigError, match="--state-dir"):
        enrol(club.url, tmp_path / "state")
    assert club.seen == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v": 1}', '{"url": "https://x", "grant": {"v": 1}}', "null"])
def test_a_damaged_file_is_named_and_not_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match="damaged"):
        load_grant(tmp_path)


def test_secrets_show_in_no_error_log_or_repr(
    club: ClubServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        linked = enrol(club.url, tmp_path)
    document = json.loads((tmp_path / FILE).read_text())
    document["grant"]["epoch"] = "not a number"
    (tmp_path / FILE).write_text(json.dumps(document))
    with pytest.raises(ConfigError) as caught:
        load_grant(tmp_path)
    shown = caplog.text + repr(linked) + repr(linked.address) + str(caught.value)
    assert "linked to club" in shown, "positive control"
    for secret in (TOKEN, GRANT.card_key, INVITATION):
        assert secret not in shown


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://club.example", "https://club.example"),
        ("https://club.example:2582/shop/ ", "https://club.example:2582/shop"),
        ("http://127.0.0.1:2582", "http://127.0.0.1:2582"),
        ("http://192.168.1.5:2582/", "http://192.168.1.5:2582"),
        ("http://[::1]:2582", "http://[::1]:2582"),
        ("http://backroom:2582", "http://backroom:2582"),
        ("http://club.local", "http://club.local"),
    ],
)
def test_addresses_that_are_kept(given: str, kept: str) -> None:
    assert check_address(given) == kept


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("club.example", "https://club.example"),
        ("ftp://club.example", "write it like"),
        ("https://", "write it like"),
        ("https://club.example:port", "write it like"),
        ("https://[::1", "write it like"),
        ("http://club.example", "without TLS"),
        ("http://8.8.8.8", "without TLS"),
        ("https://club.example/?a=b", "no user"),
        ("https://ali:geheim@club.example", "no user"),
    ],
)
def test_addresses_that_are_refused(given: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        check_address(given)
    assert "geheim" not in str(caught.value)
