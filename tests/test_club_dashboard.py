"""The owner's page over HTTP: who gets in, what is shown, how soon, in which words, and what browsers are forbidden."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from posd.club import dashboard
from posd.club.dashboard.chart import grid, sales_chart
from posd.club.dashboard.figures import Day
from posd.club.dashboard.speech import Speech, catalogue, rounded
from posd.club.gate import is_ours
from posd.club.login import login_link
from posd.club.shop import LANGUAGES, Settings, settings_for
from posd.sync.wire import ReaderStatus, TillStatus
from tests.fakes.journal import FakeTill
from tests.fakes.running_club import RunningClub

pytestmark = pytest.mark.slow

PHONE = "+989120001234"


class Owner:
    """A browser that is signed in."""

    def __init__(self, club: RunningClub) -> None:
        self.club = club
        self.session = requests.Session()
        self.session.trust_env = False
        self.welcome = self.session.get(login_link(club.state_dir, club.url), timeout=20)

    def get(self, path: str = "/", **headers: str) -> requests.Response:
        return self.session.get(self.club.url + path, headers=headers, timeout=20)


@pytest.fixture
def club(tmp_path: Path) -> Iterator[RunningClub]:
    with RunningClub(tmp_path / "club") as running:
        yield running


@pytest.fixture
def owner(club: RunningClub) -> Iterator[Owner]:
    signed_in = Owner(club)
    yield signed_in
    signed_in.session.close()


@pytest.fixture
def till(club: RunningClub) -> Iterator[FakeTill]:
    fake = FakeTill(club.url, club.enrol("Till 1"))
    yield fake
    fake.close()


# ---- who gets in ----


@pytest.mark.parametrize("path", ["/", "/members", "/live", "/nothing", "/v1/nothing", "/openapi.json"])
def test_a_stranger_learns_only_how_to_sign_in(club: RunningClub, path: str) -> None:
    answer = requests.get(club.url + path, timeout=20)
    assert answer.status_code == 401
    assert "posd club page" in answer.text


def test_a_link_signs_in_once(club: RunningClub) -> None:
    link = login_link(club.state_dir, club.url)
    first = requests.get(link, timeout=20)
    assert first.status_code == 200
    cookie = first.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert requests.get(link, timeout=20).status_code == 401
    assert requests.get(club.url + "/login?key=", timeout=20).status_code == 401
    assert login_link(club.state_dir, club.url) != link


def test_a_session_outlives_a_restart_and_ends_when_asked(club: RunningClub, owner: Owner) -> None:
    assert owner.get().status_code == 200
    club.stop()
    club.start()
    assert owner.get().status_code == 200
    answer = owner.session.post(club.url + "/logout", timeout=20, headers={"Origin": club.url})
    assert answer.status_code == 401, "led to the front page, and no longer signed in"
    assert owner.get().status_code == 401


def test_guessing_links_is_slowed_down(club: RunningClub) -> None:
    for n in range(10):
        assert requests.get(f"{club.url}/login?key=guess{n}", timeout=20).status_code == 401
    assert requests.get(login_link(club.state_dir, club.url), timeout=20).status_code == 401


# ---- browsers ----


def test_a_strangers_name_for_this_address_is_refused(club: RunningClub) -> None:
    """DNS rebinding: the browser thinks that it talks to evil.example."""
    for host in ("evil.example", "evil.example:2582", "127.0.0.1.evil.example", "localhost.evil.example"):
        answer = requests.get(club.url + "/", headers={"Host": host}, timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (421, "wrong_host"), host
    for host in ("localhost", "localhost:2582", "192.168.1.7:2582", "[::1]:2582"):
        assert requests.get(club.url + "/health", headers={"Host": host}, timeout=20).status_code == 200, host


@pytest.mark.parametrize("host", ["", "[::1", "::1", "[", "evil@127.0.0.1.nip.io", "0x7f.1.evil", "club.example"])
def test_what_is_no_address_and_no_known_name_is_not_ours(host: str) -> None:
    assert not is_ours(host, frozenset({"localhost"}))


def test_a_name_that_the_owner_gave_is_ours() -> None:
    assert is_ours("Club.Example:443", frozenset({"localhost", "club.example"}))


def test_a_request_with_two_hosts_is_refused(club: RunningClub) -> None:
    with socket.create_connection(("127.0.0.1", club.port), 10) as line:
        line.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{club.port}\r\nHost: evil.example\r\n\r\n".encode())
        assert line.recv(100).split()[1] in {b"400", b"421"}


def test_other_sites_pages_are_refused(club: RunningClub, owner: Owner, till: FakeTill) -> None:
    assert owner.get(Origin="http://evil.example").status_code == 403
    assert owner.get(Origin="null").status_code == 403
    assert owner.get(Origin="http://[").status_code == 403
    assert owner.get(**{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert owner.get("/live", **{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}).status_code == 403
    answer = owner.session.post(club.url + "/logout", headers={"Origin": "http://evil.example"}, timeout=20)
    assert answer.status_code == 403
    assert owner.get().status_code == 200, "still signed in"
    assert owner.get(**{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}).status_code == 200
    assert owner.get(Origin=club.url).status_code == 200


def test_every_answer_forbids_foreign_code(club: RunningClub, owner: Owner) -> None:
    for path in ("/", "/members", "/health", "/static/live.js", "/nothing", "/login?key=x"):
        policy = owner.get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_pages_ask_for_nothing_outside_and_carry_no_script_of_their_own(owner: Owner, till: FakeTill) -> None:
    member = till.enrol("aa" * 16)
    till.sell(member, 1_000_000, earned={"PTS": 10})
    till.push()
    for path in ("/", "/members", "/nothing"):
        page = owner.get(path).text
        assert not re.findall(r"""(?:src|href|action)=["'](?:https?:)?//""", page)
        assert not re.findall(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=|<style|javascript:", page)


# ---- what is shown ----


def test_an_empty_club_says_what_to_do(owner: Owner) -> None:
    page = owner.get().text
    assert "posd club invite" in page
    assert "No sale has arrived yet" in page
    assert "Nobody has joined yet" in owner.get("/members").text


def test_a_sale_is_on_the_page_within_a_second(owner: Owner, till: FakeTill) -> None:
    member = till.enrol("aa" * 16, name="Parisa Moradi")
    till.push()
    with ThreadPoolExecutor(1) as pool, owner.session.get(owner.club.url + "/live", stream=True, timeout=20) as news:
        lines = (line for line in news.iter_lines(chunk_size=1) if line)
        assert next(lines) == b"retry: 1000"
        changed = pool.submit(lambda: (next(line for line in lines if line == b"event: changed"), time.monotonic()))
        till.sell(member, 12_880_000, earned={"PTS": 101})
        till.push(after=1)
        pushed_at = time.monotonic()
        _, heard_at = changed.result(20)
        assert heard_at - pushed_at < 1
    page = owner.get().text
    for shown in ("Parisa M", "1,288,000", "+101", "posted"):
        assert shown in page


def test_the_list_of_members_shows_little_about_people(owner: Owner, till: FakeTill) -> None:
    for n in range(53):
        till.enrol(f"{n:032x}", phone=PHONE, name="زهرا رضایی", gift=50)
    till.push()
    first = owner.get("/members")
    assert first.text.count("<tr>") == 51
    assert "0912 *** **34" in first.text
    older = re.search(r"/members\?before=\d+", first.text)
    assert older is not None
    assert owner.get(older[0]).text.count("<tr>") == 4
    for text in (first.text, owner.get("/").text):
        assert "رضایی" not in text
        assert "0001234" not in text


def test_tills_are_fine_or_say_what_is_wrong(club: RunningClub, owner: Owner, till: FakeTill) -> None:
    assert "fine: " in owner.get().text
    till.tell(TillStatus(0, None, (ReaderStatus("MagTek", "msr", "lost"),), "0.1.0"))
    assert "stripe: no answer" in owner.get().text
    till.tell(TillStatus(37, 1_795_000_000_000, (), "0.1.0"))
    assert re.search(r">37</bdi> waiting since", owner.get().text)


def test_a_till_with_a_wild_clock_breaks_no_page(owner: Owner, till: FakeTill) -> None:
    for oldest_ms in (2**62, -(2**62), 10**14):
        till.tell(TillStatus(2**62, oldest_ms, (ReaderStatus("?", "?", "?"),), "0.1.0"))
        assert owner.get().status_code == 200
    till.sell(None, 1_000_000, at_ms=10**17)
    till.push()
    assert owner.get().status_code == 200


def test_names_of_others_are_shown_as_text(club: RunningClub, owner: Owner, till: FakeTill) -> None:
    evil = FakeTill(club.url, club.enrol("<script>alert(1)</script>"))
    member = evil.enrol("aa" * 16, name="<img src=x onerror=alert(1)>")
    evil.sell(member, 1_000)
    evil.push()
    evil.close()
    for path in ("/", "/members"):
        assert "<script>alert" not in owner.get(path).text
        assert "<img" not in owner.get(path).text


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("fa", "rtl"), ("ar", "rtl")])
def test_the_page_speaks_three_languages_and_remembers(owner: Owner, language: str, direction: str) -> None:
    assert f'<html lang="{language}" dir="{direction}">' in owner.get(f"/?lang={language}").text
    assert f'<html lang="{language}"' in owner.get("/members").text
    assert '<html lang="en"' in requests.get(owner.club.url + "/?lang=tlh", timeout=20).text


# ---- words ----


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_all_languages_say_the_same_things() -> None:
    english = catalogue("en")["words"]
    for language in LANGUAGES:
        words = catalogue(language)["words"]
        assert list(words) == list(english), language
        assert {key: places(text) for key, text in words.items()} == {k: places(t) for k, t in english.items()}
        assert all(len(catalogue(language)[name]) == 12 for name in ("months", "months_persian"))
        assert len(catalogue(language)["weekdays"]) == 7


def test_spelling() -> None:
    persian = json.dumps(catalogue("fa"), ensure_ascii=False)
    assert not re.findall("[يىكة0-9]", persian)
    assert not re.findall("می | ها[^\u200c\u0600-\u06ff]", persian)
    arabic = json.dumps(catalogue("ar"), ensure_ascii=False).replace('"language": "العربية"', "")
    assert not re.findall("[یکگچپ0-9]", arabic)


def test_every_word_that_a_template_uses_exists_and_every_word_is_used() -> None:
    folder = Path(dashboard.__path__[0])
    source = "".join(path.read_text("utf-8") for path in [*folder.glob("templates/*.html"), *folder.glob("*.py")])
    rooms = "nav|live|kpi|chart|sales|state|tills|copies|members|login|missing"
    used = set(re.findall(rf"""["']((?:{rooms})\.[a-z_.]+)["']""", source))
    used -= {path.name for path in folder.glob("templates/*.html")} | {"state.", "copies."}
    built = {"state.refund", "state.void", "state.posted", "state.parked", "copies.choose", "copies.block"}
    known = {key for key in catalogue("en")["words"] if not key.startswith(("unit.", "scale.", "reader.", "language"))}
    assert used | built == known


FA = Speech("fa", settings_for("fa"))
AR = Speech("ar", settings_for("ar"))
EN = Speech("en", Settings())


def test_numbers_and_dates() -> None:
    assert FA.plain(1_234_567) == "۱٬۲۳۴٬۵۶۷"
    assert FA.plain(482, tenths=True) == "۴۸٫۲"
    assert FA.plain(480, tenths=True) == "۴۸"
    assert EN.plain(-120) == "−120"
    assert AR.plain(1234) == "١٬٢٣٤"
    assert Speech("ar", settings_for("ar", digits="latn")).plain(1234) == "1,234"
    assert "۶۲٪" in FA.percent(620)
    assert "1.7%" in EN.percent(17, tenths=True)
    day = date(2026, 11, 21)
    assert FA.long_date(day) == "شنبه ۳۰ آبان ۱۴۰۵"
    assert AR.long_date(day) == "السبت ٢١ تشرين الثاني ٢٠٢٦"
    assert EN.long_date(day) == "Saturday 21 November 2026"
    assert Speech("en", settings_for("en", money="toman")).long_date(day) == "Saturday 30 Aban 1405"


def test_money_is_said_in_the_unit_of_the_shop() -> None:
    assert FA.amount(12_880_000) == '<bdi dir="ltr" class="n">۱٬۲۸۸٬۰۰۰</bdi>'
    scale = FA.scale(482_000_000)
    assert (FA.scaled_text(482_000_000, scale), scale.unit) == ("۴۸٫۲", "میلیون تومان")
    small = FA.scale(4_120_000)
    assert (FA.scaled_text(4_120_000, small), small.unit) == ("۴۱۲", "هزار تومان")
    dollars = Speech("en", settings_for("en", money="dollar"))
    assert dollars.scaled_text(123_456, dollars.scale(123_456)) == "1,235"


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**9))
def test_rounding_is_to_the_nearest(amount: int, divisor: int) -> None:
    assert abs(2 * (rounded(amount, divisor) * divisor - amount)) <= divisor


# ---- the chart ----


@given(st.integers(0, 10**15), st.sampled_from([10, 10_000, 10_000_000]))
def test_lines_stand_at_round_amounts_and_above_all_bars(highest: int, divisor: int) -> None:
    step, steps = grid(highest, divisor)
    assert 1 <= steps <= 4
    assert step * steps >= highest
    assert step * steps <= max(5 * highest, divisor * 10)
    assert str(step).strip("0") in {"1", "2", "5"}


@given(st.lists(st.tuples(st.integers(-(10**6), 10**12), st.integers(-(10**6), 10**12)), min_size=1, max_size=14))
@example([(1022, -22)])
def test_bars_stay_inside_and_are_mirrored(sales: list[tuple[int, int]]) -> None:
    days = [Day(date(2026, 11, 1 + n), *pair) for n, pair in enumerate(sales)]
    drawn = {speech.language: str(sales_chart(speech, days)[0]) for speech in (EN, FA)}
    for svg in drawn.values():
        for x, y, width, height in re.findall(r'x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg):
            assert 0 <= float(x) <= 640 - float(width)
            assert 18 <= float(y) <= 304.1 - float(height)
    lefts = {name: re.findall(r'rect class="[a-z ]+" x="([\d.]+)"', svg) for name, svg in drawn.items()}
    widths = re.findall(r'width="([\d.]+)"', drawn["en"])
    mirrored = [f"{640 - float(x) - float(w):.1f}" for x, w in zip(lefts["en"], widths, strict=True)]
    assert lefts["fa"] == mirrored
