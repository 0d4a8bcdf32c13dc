"""Till and club over real HTTP: whom each believes, with wrong clocks, repeated requests, changed keys, and somebody in
between."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from sqlalchemy import select, update

from posd.cli.main import main
from posd.club.owner import list_tills, revoke_till
from posd.club.tables import till as tills
from posd.club.tills import secret_hash
from posd.errors import ConfigError, SyncError
from posd.ledger.entries import GENESIS, Head
from posd.sync.client import ClubClient
from posd.sync.enrolment import enrol_till, rotate_key, words_of
from posd.sync.grant import ClubAddress, Linked, load_grant, store_grant, with_key
from posd.sync.identity import SigningKey
from posd.sync.outcomes import Delivered, Pause, Reason, Retry
from posd.sync.policy import classify
from posd.sync.signing import Request, signed
from posd.sync.wire import KeyChange, TillStatus
from tests.fakes.clock import FakeClock
from tests.fakes.club_server import GRANT, TOKEN, Bad, ClubServer
from tests.fakes.fault_proxy import Fault, FaultProxy
from tests.fakes.journal import FakeTill
from tests.fakes.running_club import RunningClub
from tests.fakes.till_keys import CLUB_KEY

pytestmark = pytest.mark.slow

STATUS = TillStatus(0)
DAY_MS = 86_400_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall_ms=time.time_ns() // 1_000_000)


@pytest.fixture
def club(tmp_path: Path, clock: FakeClock) -> Iterator[RunningClub]:
    with RunningClub(tmp_path / "club", clock=clock) as running:
        yield running


@pytest.fixture
def linked(tmp_path: Path, club: RunningClub) -> Linked:
    return enrol_till(club.url, club.invite(), "Till 1", tmp_path / "till")


def says(linked: Linked, clock: FakeClock | None = None) -> object:
    """What a till makes of the club's answer to its status."""
    client = ClubClient(linked.address, clock=clock)
    try:
        return classify(client.status(STATUS).answer)
    finally:
        client.close()


def on_record(club: RunningClub) -> dict[str, object]:
    assert club.opened is not None
    return dict(club.opened.database.read(lambda c: c.execute(select(tills)).mappings().one()))


# ---- once, and now ----


def signed_status(linked: Linked, at_s: int) -> tuple[str, bytes, dict[str, str]]:
    """A request that somebody recorded."""
    path, body = f"/v1/tills/{linked.grant.till_id}/status", json.dumps(STATUS.as_json()).encode()
    key = SigningKey.of(bytes.fromhex(linked.seed))
    proof = signed(Request("POST", path, body), key, at_s, os.urandom(16).hex())
    return linked.url + path, body, {"Content-Type": "application/json", **proof}


def send(recorded: tuple[str, bytes, dict[str, str]]) -> tuple[int, str]:
    url, body, headers = recorded
    answer = requests.post(url, body, headers=headers, timeout=20)
    return answer.status_code, answer.json()["code"] if answer.content else ""


def test_a_request_that_is_sent_again_is_not_taken(linked: Linked, clock: FakeClock) -> None:
    recorded = signed_status(linked, clock.wall_ms // 1000)
    assert send(recorded) == (204, "")
    assert send(recorded) == (425, "replayed")
    clock.advance_ms(299_000)
    assert send(recorded) == (425, "replayed")
    clock.advance_ms(2_000)
    assert send(recorded) == (401, "clock_skew"), "and by then it is too old"


def test_a_restart_of_the_club_forgets_no_replay(linked: Linked, club: RunningClub, clock: FakeClock) -> None:
    recorded = signed_status(linked, clock.wall_ms // 1000)
    assert send(recorded) == (204, "")
    clock.advance_ms(2_000)
    club.stop()
    club.start()
    assert send(recorded) == (401, "clock_skew")
    assert send(signed_status(linked, clock.wall_ms // 1000)) == (204, ""), "positive control"


@pytest.mark.parametrize(
    ("method", "path", "query", "more"),
    [
        ("POST", "entries", "", b""),
        ("POST", "status", "?a=b", b""),
        ("POST", "status", "", b" "),
        ("GET", "deltas", "", b""),
    ],
)
def test_what_was_changed_on_the_way_is_not_taken(
    linked: Linked, clock: FakeClock, method: str, path: str, query: str, more: bytes
) -> None:
    url, body, headers = signed_status(linked, clock.wall_ms // 1000)
    where = url.removesuffix("status") + path + query
    answer = requests.request(method, where, data=body + more, headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_wrong")
    assert send((url, body, headers)) == (204, ""), "positive control"


# ---- clocks ----


@pytest.mark.parametrize("wrong_ms", [0, -20_000 * DAY_MS, -DAY_MS, DAY_MS, 9_000 * DAY_MS])
def test_a_till_with_a_wrong_clock_is_told_the_time_and_goes_on(
    linked: Linked, clock: FakeClock, wrong_ms: int
) -> None:
    own = FakeClock(wall_ms=clock.wall_ms + wrong_ms)
    with FaultProxy(int(linked.url.rpartition(":")[2])) as between:
        client = ClubClient(replace(linked.address, url=between.url), clock=own)
        answers = [client.status(STATUS)]
        clock.advance_ms(3_600_000)
        own.advance_ms(3_600_000)
        own.step_wall_ms(DAY_MS)
        answers.append(client.status(STATUS))
        client.close()
    assert [classify(one.answer) for one in answers] == [Delivered()] * 2
    stamp = answers[1].stamp
    assert stamp is not None and stamp.created == clock.wall_ms // 1000


def test_a_clock_is_corrected_by_the_club_alone() -> None:
    """A refusal for the clock that the club did not sign corrects nothing, and is no refusal."""
    with ClubServer() as club:
        address = ClubAddress(club.url, GRANT.till_id, TOKEN, seed="ab" * 32, club_key=CLUB_KEY.public)
        client = ClubClient(address)
        club.bad.append(Bad(401, b'{"code": "clock_skew"}'))
        assert classify(client.status(STATUS).answer) == Delivered(), "positive control: signed, and asked again"
        club.signs = False
        club.bad.append(Bad(401, b'{"code": "clock_skew"}'))
        assert classify(client.status(STATUS).answer) == Retry(Reason.NOT_THE_CLUB)
        client.close()


# ---- whose answer it is ----


@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 404, 409, 410, 422])
def test_an_answer_that_the_club_did_not_sign_decides_nothing(status: int) -> None:
    with ClubServer() as club:
        address = ClubAddress(club.url, GRANT.till_id, TOKEN, seed="ab" * 32, club_key=CLUB_KEY.public)
        stranger, theirs = ClubClient(replace(address, club_key="ab" * 32)), ClubClient(address)
        club.always = Bad(status, b"" if status == 204 else b'{"code": "till_revoked"}')
        assert not isinstance(classify(theirs.status(STATUS).answer), Retry) or status == 200, "positive control"
        assert classify(stranger.status(STATUS).answer) == Retry(Reason.NOT_THE_CLUB)
        club.signs = False
        assert classify(theirs.status(STATUS).answer) == Retry(Reason.NOT_THE_CLUB)
        stranger.close()
        theirs.close()


def test_an_older_answer_does_not_pass_for_a_new_one(linked: Linked) -> None:
    """Somebody kept what the club said and says it again."""
    client = ClubClient(linked.address)
    url, body, headers = signed_status(linked, time.time_ns() // 10**9)
    kept = requests.post(url, body, headers=headers, timeout=20)
    assert kept.status_code == 204
    with ClubServer() as parrot:
        parrot.signs = False
        parrot.always = Bad(204, b"", dict(kept.headers))
        misled = ClubClient(replace(linked.address, url=parrot.url))
        assert classify(misled.status(STATUS).answer) == Retry(Reason.NOT_THE_CLUB)
        misled.close()
    assert classify(client.status(STATUS).answer) == Delivered(), "positive control"
    client.close()


# ---- joining ----


def test_both_sides_show_the_same_words(tmp_path: Path, club: RunningClub) -> None:
    code = club.invite()
    linked = enrol_till(club.url, code, "Till 1", tmp_path / "till")
    (row,) = list_tills(club.state_dir)
    assert words_of(linked, code) == row["words"]
    assert len(row["words"].split()) == 4


def test_somebody_in_between_shows_other_words(tmp_path: Path, club: RunningClub) -> None:
    """He lets the till join him, and joins the club with a key of his own and the till's code; he even passes on the id
    that the club has drawn."""
    code = club.invite()
    joined = enrol_till(club.url, code, "Till 1", tmp_path / "his")
    with ClubServer() as between:
        forged = replace(joined.grant, club_key=CLUB_KEY.public)
        between.bad.append(Bad(201, json.dumps(forged.as_json()).encode()))
        deceived = enrol_till(between.url, code, "Till 1", tmp_path / "till")
    (row,) = list_tills(club.state_dir)
    assert row["words"] == words_of(joined, code), "positive control"
    assert row["words"] != words_of(deceived, code)


def test_the_commands_show_the_words_and_make_codes_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, code = ["--state-dir", str(tmp_path / "club")], tmp_path / "code"

    def enrol(name: str, url: str) -> int:
        with code.open() as given:
            monkeypatch.setattr("sys.stdin", given)
            return int(main(["--state-dir", str(tmp_path / name), "enrol", url, "-", "--name", name]))

    with RunningClub(tmp_path / "club") as club:
        assert main([*theirs, "club", "invite", "--unattended", "--uses", "2", "--json"]) == 0
        code.write_text(json.loads(capsys.readouterr().out)["invitation"] + "\n")
        assert [enrol(name, club.url) for name in ("a", "b", "c")] == [0, 0, ConfigError.exit_code]
        shown = capsys.readouterr().out.split("\n\n")[1::2]
        assert main([*theirs, "club", "till", "list"]) == 0
        listed = [line.split("  ")[-1] for line in capsys.readouterr().out.splitlines()]
        assert listed == [one.strip() for one in shown] and len(set(listed)) == 2
        assert main(["--state-dir", str(tmp_path / "a"), "enrol", "--rotate"]) == 0
        assert "restart" in capsys.readouterr().out


def test_the_commands_say_what_does_not_go_together(tmp_path: Path, club: RunningClub) -> None:
    assert main(["--state-dir", str(club.state_dir), "club", "invite", "--uses", "2"]) == ConfigError.exit_code
    for wrong in (["enrol"], ["enrol", club.url], ["enrol", club.url, "BCDF-GHJK", "--rotate"]):
        assert main(["--state-dir", str(tmp_path / "a"), *wrong]) == 64


# ---- keys come and go ----


def test_a_till_of_before_the_keys_gets_one_by_itself(tmp_path: Path, club: RunningClub) -> None:
    """Its row has a token's hash and no key; its file has the token, and does not know the club's key."""
    fake, token = FakeTill(club.url, club.enrol()), "5e" * 32
    assert club.opened is not None
    before = {"public_key": "", "words": "", "token_hash": secret_hash(token)}
    club.opened.database.write(lambda c: c.execute(update(tills).values(before)))
    store_grant(Linked(club.url, replace(fake.grant, token=token, club_key="")), tmp_path)
    old = load_grant(tmp_path)
    assert old is not None
    assert says(old) == Delivered(), "an older posd goes on"
    assert says(replace(old, grant=replace(old.grant, token="5f" * 32))) == Pause(Reason.NOT_ACCEPTED)
    keyed = with_key(old, tmp_path)
    assert says(keyed) == Delivered()
    assert on_record(club)["public_key"] == SigningKey.of(bytes.fromhex(keyed.seed)).public
    assert says(old) == Pause(Reason.NOT_ACCEPTED), "the token opens nothing any more"
    assert says(replace(keyed, seed="ab" * 32)) == Pause(Reason.NOT_ACCEPTED), "and lets in no other key"
    assert says(load_grant(tmp_path) or old) == Delivered()
    fake.close()


def test_a_new_key_takes_over_when_it_is_used(tmp_path: Path, linked: Linked) -> None:
    new = rotate_key(tmp_path / "till")
    assert load_grant(tmp_path / "till") == new != linked
    assert says(linked) == Delivered(), "a posd that was not restarted yet"
    assert says(new) == Delivered()
    assert says(linked) == Pause(Reason.NOT_ACCEPTED)


def test_an_answer_to_a_new_key_that_is_lost_locks_nobody_out(
    tmp_path: Path, linked: Linked, club: RunningClub
) -> None:
    with FaultProxy(club.port) as between:
        store_grant(replace(linked, url=between.url), tmp_path / "till")
        between.fault = Fault.DROP_ANSWER
        with pytest.raises(SyncError):
            rotate_key(tmp_path / "till")
        assert on_record(club)["next_key"], "the club has heard"
        between.fault = Fault.NONE
        assert says(load_grant(tmp_path / "till") or linked) == Delivered()
        assert says(rotate_key(tmp_path / "till")) == Delivered()


def test_a_new_key_must_prove_itself(linked: Linked, club: RunningClub) -> None:
    """Else a till could be given a key that somebody else has."""
    client = ClubClient(linked.address)
    for proof in ("", "zz", "00" * 64):
        answer = client.change_key(KeyChange(CLUB_KEY.public, proof)).answer
        assert (answer.status, answer.code) == (403, "key_unproven")
    client.close()
    assert on_record(club)["next_key"] == ""


def test_a_till_that_was_shut_out_hears_why_and_no_key_helps(tmp_path: Path, linked: Linked, club: RunningClub) -> None:
    new = rotate_key(tmp_path / "till")
    assert revoke_till(club.state_dir, linked.grant.till_id)
    assert says(linked) == says(new) == Pause(Reason.REVOKED)
    with pytest.raises(SyncError, match="shut this till out"):
        rotate_key(tmp_path / "till")
    assert on_record(club)["public_key"] == SigningKey.of(bytes.fromhex(linked.seed)).public


def test_no_secret_shows(tmp_path: Path, club: RunningClub, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        code = club.invite()
        linked = enrol_till(club.url, code, "Till 1", tmp_path)
        new = rotate_key(tmp_path)
        client = ClubClient(new.address)
        shown = [repr(one) for one in (linked, new, new.address, client, client.status(STATUS), Head(1, 0, GENESIS))]
        client.close()
    text = caplog.text + "".join(shown)
    assert "has a new key" in text and linked.grant.till_id in text, "positive control"
    assert club.service is not None
    text += repr(club.opened) + repr(club.service.signing_key)
    for secret in (code, code.replace("-", ""), linked.seed, new.seed, linked.grant.card_key):
        assert secret not in text
