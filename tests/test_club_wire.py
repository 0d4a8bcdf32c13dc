"""The wire, over real HTTP, on SQLite and on PostgreSQL: joining, pushing, pulling, and everything that is refused."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from posd.clock import Instant
from posd.club.owner import list_tills, revoke_till
from posd.club.tables import journal, till
from posd.ledger.entries import GENESIS, Draft, Head, Kind, chained
from posd.sync.wire import PushReply, PushRequest, TillRequest, TillStatus
from tests.fakes.journal import FakeTill
from tests.fakes.postgres import ENGINES, database_url
from tests.fakes.running_club import RunningClub

KEY = "ab" * 16


@pytest.fixture(params=ENGINES)
def club(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningClub]:
    with RunningClub(tmp_path / "club", database_url=database_url(request.param)) as running:
        yield running


@pytest.fixture
def one(club: RunningClub) -> Iterator[FakeTill]:
    fake = FakeTill(club.url, club.enrol())
    yield fake
    fake.close()


def post(url: str, document: object, **headers: str) -> requests.Response:
    return requests.post(url, json=document, headers=headers, timeout=20)


# ---- joining ----


def test_a_till_joins_once_with_a_code_and_gets_what_it_must_know(club: RunningClub) -> None:
    code = club.invite()
    request = TillRequest(code.lower().replace("-", " "), "Till 1", "0.1.0").as_json()
    answer = post(club.url + "/v1/tills", request)
    assert answer.status_code == 201
    grant = answer.json()
    assert grant["club_name"] == "Narenj Club"
    assert len(bytes.fromhex(grant["card_key"])) == len(bytes.fromhex(grant["seal_key"])) == 32
    again = post(club.url + "/v1/tills", request)
    assert (again.status_code, again.json()["code"]) == (403, "invitation_unknown")


def test_all_tills_of_a_club_get_the_same_keys(club: RunningClub) -> None:
    first, second = club.enrol("Till 1"), club.enrol("Till 2")
    assert (first.card_key, first.seal_key) == (second.card_key, second.seal_key)
    assert first.token != second.token


def test_guessing_codes_is_slowed_down(club: RunningClub) -> None:
    guess = TillRequest("BCDF-GHJK", "thief", "0").as_json()
    answers = [post(club.url + "/v1/tills", guess) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    rightful = post(club.url + "/v1/tills", TillRequest(club.invite(), "Till 1", "0").as_json())
    assert rightful.status_code == 429, "the right code from the same place has to wait too"


def test_the_database_knows_no_token_and_no_code(club: RunningClub) -> None:
    grant = club.enrol()
    assert club.opened is not None
    rows = club.opened.database.read(lambda c: list(c.execute(select(till)).mappings()))
    assert grant.token not in json.dumps([dict(row) for row in rows])


# ---- who may speak ----


def test_without_its_token_a_till_is_not_heard(club: RunningClub, one: FakeTill) -> None:
    url = f"{club.url}/v1/tills/{one.grant.till_id}/deltas"
    for header in ("", "Bearer ", "Bearer wrong", f"Basic {one.grant.token}", one.grant.token):
        answer = requests.get(url, headers={"Authorization": header}, timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), header


def test_a_till_of_no_possible_name_is_not_heard(club: RunningClub) -> None:
    for name in ("%00", "%ff", "a%00b", "x" * 4000):
        answer = requests.get(f"{club.url}/v1/tills/{name}/deltas", headers={"Authorization": "Bearer x"}, timeout=20)
        assert answer.status_code == 401, name


def test_a_token_opens_its_own_till_only(club: RunningClub, one: FakeTill) -> None:
    other = club.enrol("Till 2")
    answer = one.session.get(f"{club.url}/v1/tills/{other.till_id}/deltas", timeout=20)
    assert answer.status_code == 401


def test_a_till_that_was_shut_out_hears_so(club: RunningClub, one: FakeTill) -> None:
    assert one.pull_answer().status_code == 200
    assert revoke_till(club.state_dir, one.grant.till_id, club.database_url)
    answer = one.pull_answer()
    assert (answer.status_code, answer.json()["code"]) == (401, "till_revoked")
    assert not revoke_till(club.state_dir, one.grant.till_id, club.database_url), "once is enough"


# ---- pushing ----


def test_entries_are_stored_byte_for_byte_and_acknowledged(club: RunningClub, one: FakeTill) -> None:
    member = one.enrol(KEY)
    one.sell(member, 1_288_000, earned={"PTS": 101})
    reply = one.push()
    assert (reply.acked_seq, reply.acked_hash) == (2, one.entries[-1].hash.hex())
    assert [(d.seq, d.state) for d in reply.dispositions] == [(1, "posted"), (2, "posted")]
    assert club.opened is not None
    stored = club.opened.database.read(lambda c: list(c.execute(select(journal.c.payload).order_by(journal.c.seq))))
    assert [bytes(row.payload) for row in stored] == [entry.payload for entry in one.entries]


def test_a_lost_answer_is_made_good_by_sending_again(one: FakeTill) -> None:
    member = one.enrol(KEY)
    one.sell(member, 100_000, earned={"PTS": 1})
    first = one.push()
    again = one.push()
    assert (again.acked_seq, again.acked_hash, again.dispositions) == (2, first.acked_hash, first.dispositions)
    one.sell(member, 100_000, earned={"PTS": 1})
    assert one.push(after=0).acked_seq == 3, "an old beginning with a new end"
    assert one.pull().members[0].balances == {"PTS": 2}


def test_a_smaller_batch_after_a_lost_answer_is_echoed_too(one: FakeTill) -> None:
    """The till believes only positions that it just sent; an answer that names a later one would never end."""
    for _ in range(4):
        one.sell(None, 100_000)
    one.push()
    reply = one.push(after=0, to=2)
    assert (reply.acked_seq, reply.acked_hash) == (2, one.entries[1].hash.hex())
    nothing = one.push(after=4)
    assert (nothing.acked_seq, nothing.acked_hash) == (4, one.entries[3].hash.hex())


def test_the_same_batch_twice_at_once_is_booked_once(one: FakeTill) -> None:
    member = one.enrol(KEY)
    for _ in range(20):
        one.sell(member, 100_000, earned={"PTS": 1})
    document = one.request().as_json()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: one.send(document), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert one.pull().members[0].balances == {"PTS": 20}


def test_a_fork_gets_409_and_the_clubs_head(one: FakeTill) -> None:
    one.sell(None, 100_000)
    one.push()
    now = Instant(1, "b0", 1)
    clone = chained(Draft(b"c" * 16, Kind.SALE, now, None, (), {}), Head(1, 0, GENESIS), one.grant.till_id)
    answer = one.send(PushRequest.of(Head(1, 0, GENESIS), (clone,)).as_json())
    assert answer.status_code == 409
    reply = PushReply.from_json(answer.json())
    assert (reply.acked_seq, reply.acked_hash) == (1, one.entries[0].hash.hex())


def test_a_gap_gets_409(one: FakeTill) -> None:
    for _ in range(3):
        one.sell(None, 100_000)
    assert one.send(one.request(after=2).as_json()).status_code == 409
    assert one.push().acked_seq == 3, "and the whole is taken afterwards"


def test_what_is_not_the_protocol_is_refused(club: RunningClub, one: FakeTill) -> None:
    url = f"{club.url}/v1/tills/{one.grant.till_id}/entries"
    assert one.send({"v": 2}).status_code == 422
    assert one.send([]).status_code == 422
    assert one.session.post(url, b"{", headers={"Content-Type": "application/json"}, timeout=20).status_code == 400
    assert one.session.post(url, b"{}", headers={"Content-Type": "text/plain"}, timeout=20).status_code == 415
    zipped = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert one.session.post(url, b"not gzip", headers=zipped, timeout=20).status_code == 400
    assert one.session.post(url, gzip.compress(b"{}")[:-6], headers=zipped, timeout=20).status_code == 400
    bomb = gzip.compress(b" " * (32 << 20))
    assert one.session.post(url, bomb, headers=zipped, timeout=20).status_code == 413
    plain = {"Content-Type": "application/json"}
    assert one.session.post(url, b" " * (2 << 20), headers=plain, timeout=20).status_code == 413


def test_a_restarted_club_goes_on_where_it_stood(club: RunningClub, one: FakeTill) -> None:
    member = one.enrol(KEY)
    one.push()
    page = one.pull()
    club.stop()
    with pytest.raises(requests.ConnectionError):
        one.send(one.request().as_json())
    club.start()
    one.sell(member, 500_000, earned={"PTS": 5})
    assert one.push(after=1).acked_seq == 2
    news = one.pull(page.cursor)
    assert news.members[0].balances == {"PTS": 5}
    assert news.programs is None


# ---- pulling ----


def test_the_first_page_has_everything_the_next_only_news(one: FakeTill) -> None:
    member = one.enrol(KEY, phone="+989121112233", name="زهرا رضایی", gift=50)
    one.push()
    page = one.pull()
    (row,) = page.members
    assert (row.member_id, row.name, row.phone_mask, row.keys) == (member, "زهرا ر", "0912 *** **33", (KEY,))
    assert row.balances == {"PTS": 50}
    assert page.programs is not None
    assert {document["id"] for document in page.programs} == {"points", "credit", "tiers"}
    assert page.posted_seq == 1
    again = one.pull(page.cursor)
    assert (again.members, again.programs, again.more) == ((), None, False)


def test_a_long_poll_wakes_at_once(club: RunningClub, one: FakeTill) -> None:
    member = one.enrol(KEY)
    one.push()
    page = one.pull()
    other = FakeTill(club.url, club.enrol("Till 2"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(one.pull, page.cursor, 25)
        threading.Event().wait(0.3)
        assert not waiting.done(), "there is nothing new yet"
        other.sell(member, 100_000, earned={"PTS": 1})
        other.push()
        pushed_at = time.monotonic()
        news = waiting.result(20)
        assert time.monotonic() - pushed_at < 1
    other.close()
    assert news.members[0].balances == {"PTS": 1}


def test_a_long_poll_without_news_ends_when_it_should(one: FakeTill) -> None:
    page, started = one.pull(), time.monotonic()
    assert one.pull(page.cursor, wait=1).cursor == page.cursor
    assert 0.9 < time.monotonic() - started < 5


def test_a_stopping_club_lets_go_of_those_who_wait(club: RunningClub, one: FakeTill) -> None:
    cursor = one.pull().cursor
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(one.pull_answer, cursor, 25)
        threading.Event().wait(0.3)
        started = time.monotonic()
        club.stop()
        assert waiting.result(20).status_code == 200
    assert time.monotonic() - started < 3


def test_a_cursor_of_another_feed_is_gone(club: RunningClub, one: FakeTill) -> None:
    for cursor in ("nonsense", "00000000.1.0", "ffffffff.0.0", "{feed}.999999.0", "{feed}.1", "{feed}.1.0.0"):
        answer = one.pull_answer(cursor.format(feed=club.club.feed))
        assert (answer.status_code, answer.json()["code"]) == (410, "cursor_unknown"), cursor


def test_a_wait_that_is_no_number_is_refused(one: FakeTill) -> None:
    url = f"{one.url}/v1/tills/{one.grant.till_id}/deltas"
    for wait in ("x", "-1", "1e3", "٣", "9999"):
        assert one.session.get(url, params={"wait": wait}, timeout=20).status_code == 400, wait


# ---- the rest ----


def test_a_tills_word_about_itself_is_kept(club: RunningClub, one: FakeTill) -> None:
    one.tell(TillStatus(37, 1_795_000_000_000, (), "0.1.0"))
    assert one.send({"v": 1, "queue": "many"}, "status").status_code == 422
    (row,) = list_tills(club.state_dir, club.database_url)
    assert row["seen_ms"] > 0


def test_health_is_constant(club: RunningClub) -> None:
    answer = requests.get(club.url + "/health", timeout=20)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "Date" in answer.headers
    assert "Server" not in answer.headers
