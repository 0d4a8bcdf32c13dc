"""What an owner sees of a till whose ledger has copies, on the page and on the command line, and what he can do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from posd.cli.main import main
from posd.club.login import login_link
from posd.club.shop import LANGUAGES
from posd.ledger.entries import Head
from posd.sync.wire import EpochGrant, EpochRequest, PushRequest
from tests.fakes.journal import FakeTill
from tests.fakes.running_club import RunningClub

pytestmark = pytest.mark.slow


@pytest.fixture
def club(tmp_path: Path) -> Iterator[RunningClub]:
    with RunningClub(tmp_path / "club") as running:
        yield running


@pytest.fixture
def till(club: RunningClub) -> Iterator[FakeTill]:
    """Two entries that both copies have, then three of the first copy and one of the second."""
    fake = FakeTill(club.url, club.enrol("Till <1>"))
    member_id = fake.enrol()
    fake.sell(member_id, 700_000, earned={"PTS": 7})
    fake.push()
    common, entries = fake.head, list(fake.entries)
    for points in (11, 12, 13):
        fake.sell(member_id, 1_000_000, earned={"PTS": points})
    fake.push(2)
    fake.head, fake.entries = common, entries
    fake.sell(member_id, 2_000_000, earned={"PTS": 40})
    answer = fake.send(EpochRequest(1, ((2, common.hash.hex()),)).as_json(), "epochs")
    assert EpochGrant.from_json(answer.json()) == EpochGrant(2, 2, common.hash.hex())
    assert send(fake, 2).status_code == 200
    yield fake
    fake.close()


def send(till: FakeTill, epoch: int) -> requests.Response:
    """Push what the second copy has of its own."""
    after = Head(1, 2, till.entries[1].hash)
    return till.send(PushRequest.of(after, tuple(till.entries[2:]), epoch=epoch).as_json())


@pytest.fixture
def owner(club: RunningClub) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.get(login_link(club.state_dir, club.url), timeout=20)
        yield session


def press(club: RunningClub, owner: requests.Session, till: FakeTill, deed: str, epoch: int) -> requests.Response:
    address = f"{club.url}/tills/{till.grant.till_id}/epochs/{epoch}/{deed}"
    return owner.post(address, headers={"Origin": club.url}, timeout=20)


def test_the_page_says_where_copies_part_and_what_only_one_has(
    club: RunningClub, till: FakeTill, owner: requests.Session
) -> None:
    address = f"{club.url}/tills/{till.grant.till_id}"
    assert f'href="/tills/{till.grant.till_id}"' in owner.get(club.url, timeout=20).text
    page = owner.get(address, timeout=20).text
    assert "Till &lt;1&gt;" in page and "Till <1>" not in page
    first, second = page.split("<section")[1:]
    assert [amount in first for amount in ("+11", "+12", "+13", "+40", "+7<")] == [True, True, True, False, False]
    assert [amount in second for amount in ("+11", "+40", "+7<")] == [False, True, False]
    assert "from entry" in first and "from entry" in second
    assert page.count('method="post" action="/tills/') == 4
    for language in LANGUAGES:
        assert f'lang="{language}"' in owner.get(f"{address}?lang={language}", timeout=20).text


def test_choosing_closes_the_other_copies(club: RunningClub, till: FakeTill, owner: requests.Session) -> None:
    page = press(club, owner, till, "choose", 2)
    assert page.status_code == 200 and "closed" in page.text
    assert page.url.endswith(f"/tills/{till.grant.till_id}"), "back on the page, with nothing to send again"
    assert 'action="/tills/' not in page.text, "decided"
    assert till.grant.till_id not in owner.get(club.url, timeout=20).text
    assert till.pull_answer().status_code == 409, "whoever still writes the first one is told"
    assert send(till, 2).status_code == 200


def test_a_blocked_copy_is_refused_and_the_last_one_is_not_blocked(
    club: RunningClub, till: FakeTill, owner: requests.Session
) -> None:
    assert "blocked" in press(club, owner, till, "block", 2).text
    assert send(till, 2).status_code == till.send(EpochRequest(2, ()).as_json(), "epochs").status_code == 403
    assert till.pull_answer().status_code == 200, "positive control: the other copy"
    press(club, owner, till, "block", 1)
    assert till.pull_answer().status_code == 200


@pytest.mark.parametrize("path", ["tills/nobody", "tills/%00", "tills/nobody/epochs/1/choose", "tills/{}/epochs/1/eat"])
def test_what_there_is_not_is_missing(club: RunningClub, till: FakeTill, owner: requests.Session, path: str) -> None:
    address = f"{club.url}/{path.format(till.grant.till_id)}"
    ask = owner.post if "epochs" in path else owner.get
    assert ask(address, timeout=20).status_code == 404
    assert requests.request("POST" if "epochs" in path else "GET", address, timeout=20).status_code == 401


def test_another_sites_page_cannot_decide(club: RunningClub, till: FakeTill, owner: requests.Session) -> None:
    address = f"{club.url}/tills/{till.grant.till_id}/epochs/2/block"
    assert owner.post(address, headers={"Origin": "http://evil.example"}, timeout=20).status_code == 403
    assert send(till, 2).status_code == 200


def test_the_command_line_shows_and_decides(
    club: RunningClub, till: FakeTill, capsys: pytest.CaptureFixture[str]
) -> None:
    def posd(*arguments: str) -> tuple[int, str]:
        code = main(["--state-dir", str(club.state_dir), "club", "till", *arguments])
        return code, capsys.readouterr().out

    till_id = till.grant.till_id
    assert f"posd club till copies {till_id}" in posd("list")[1]
    code, shown = posd("copies", till_id)
    assert code == 0 and "the same up to entry 2" in shown and "3 entries of its own, from entry 3" in shown
    document = json.loads(posd("copies", till_id, "--json")[1])
    assert [copy["count"] for copy in document["copies"]] == [3, 1]
    for wrong in (("choose", till_id, "7"), ("block", till_id, "7"), ("copies", "nobody"), ("choose", "nobody", "1")):
        assert posd(*wrong)[0] == 78
    assert posd("choose", till_id, "2")[0] == 0
    assert "posd club till copies" not in posd("list")[1]
    assert posd("block", till_id, "2")[0] == 78, "it is the only one"
