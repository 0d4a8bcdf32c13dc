"""The change feed never skips: not under writers that commit at the same time, not across pages, not for the till's own
entries. On SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from posd.club.changes import numbered_changes
from posd.club.database import Database
from posd.club.deltas import PAGE, parse_cursor, read_page
from posd.club.owner import OpenClub, init_club, open_club
from posd.club.rows import put
from posd.club.tables import club as clubs
from posd.club.tables import member
from posd.ledger.members import DeltaPage
from tests.fakes.journal import FakeTill
from tests.fakes.postgres import ENGINES, database_url
from tests.fakes.running_club import RunningClub

WRITERS, EACH = 6, 25


@pytest.fixture(params=ENGINES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenClub]:
    url = database_url(request.param)
    init_club(tmp_path / "club", "Narenj Club", database_url=url)
    with open_club(tmp_path / "club", url) as found:
        yield found


def add_member(connection: Connection, club_id: str, member_id: str, number: int) -> None:
    put(connection, member, club_id=club_id, member_id=member_id, name=member_id, joined_at="", change=number)


def write_members(database: Database, club_id: str, writer: int) -> None:
    """One transaction per member; some transactions are slow, so that commits overtake each other if they can."""
    for n in range(EACH):

        def work(connection: Connection, n: int = n) -> None:
            with numbered_changes(connection, club_id) as next_change:
                add_member(connection, club_id, f"{writer}-{n}", next_change())
                if (writer + n) % 5 == 0:
                    threading.Event().wait(0.005)

        database.write(work)


class Reader(threading.Thread):
    """Follows the feed while others write; stops when it has seen enough or all writers ended and nothing is new."""

    def __init__(self, opened: OpenClub, ended: threading.Event) -> None:
        super().__init__()
        self._opened, self._ended = opened, ended
        self.seen: list[str] = []
        self.versions: list[int] = []

    def run(self) -> None:
        cursor = None
        while True:
            last_round = self._ended.is_set()
            page = self._page(cursor)
            self.seen += [row.member_id for row in page.members]
            self.versions += [row.version for row in page.members]
            cursor = page.cursor
            if last_round and not page.members and not page.more:
                return

    def _page(self, cursor: str | None) -> DeltaPage:
        page = self._opened.database.read(lambda c: read_page(c, self._opened.club, "till", cursor))
        assert page is not None
        return page


def follow(opened: OpenClub, writers: list[threading.Thread]) -> Reader:
    ended = threading.Event()
    reader = Reader(opened, ended)
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    ended.set()
    reader.join(60)
    assert not reader.is_alive()
    return reader


def test_a_reader_misses_nothing_while_many_write(opened: OpenClub) -> None:
    club_id = opened.club.club_id
    writers = [threading.Thread(target=write_members, args=(opened.database, club_id, n)) for n in range(WRITERS)]
    reader = follow(opened, writers)
    assert sorted(reader.seen) == sorted(f"{w}-{n}" for w in range(WRITERS) for n in range(EACH))
    assert reader.versions == sorted(reader.versions), "and in the order of the changes"


def test_numbers_taken_without_the_lock_are_missed(tmp_path: Path) -> None:
    """Positive control: number in one transaction, commit in another order, and this very reader does miss one."""
    url = database_url("postgresql")
    init_club(tmp_path / "club", "Narenj Club", database_url=url)
    with open_club(tmp_path / "club", url) as opened:
        club_id, database = opened.club.club_id, opened.database
        numbered, overtaken = threading.Event(), threading.Event()

        def take_number() -> int:
            def work(connection: Connection) -> int:
                number = int(connection.execute(select(clubs.c.changes)).scalar_one()) + 1
                connection.execute(update(clubs).values(changes=number))
                return number

            return database.write(work)

        def slow() -> None:
            number = take_number()
            numbered.set()
            with database.writer.begin() as connection:
                add_member(connection, club_id, "slow", number)
                assert overtaken.wait(30)

        thread = threading.Thread(target=slow)
        thread.start()
        assert numbered.wait(30)
        number = take_number()
        database.write(lambda c: add_member(c, club_id, "fast", number))
        page = database.read(lambda c: read_page(c, opened.club, "till", None))
        assert page is not None
        overtaken.set()
        thread.join(30)
        after = database.read(lambda c: read_page(c, opened.club, "till", page.cursor))
        assert after is not None
        assert [row.member_id for row in (*page.members, *after.members)] == ["fast"], "the slow one is lost"


def fill(opened: OpenClub, count: int, name: str = "m") -> None:
    def work(connection: Connection) -> None:
        with numbered_changes(connection, opened.club.club_id) as next_change:
            for n in range(count):
                add_member(connection, opened.club.club_id, f"{name}{n:05}", next_change())

    opened.database.write(work)


def test_pages_are_bounded_and_join_without_a_seam(opened: OpenClub) -> None:
    fill(opened, PAGE * 2 + 7)
    cursor, sizes, seen = None, [], []
    more = True
    while more:
        page = opened.database.read(partial(read_page, club=opened.club, till_id="till", cursor_text=cursor))
        assert page is not None
        sizes.append(len(page.members))
        seen += [row.member_id for row in page.members]
        cursor, more = page.cursor, page.more
    assert sizes == [PAGE, PAGE, 7]
    assert seen == [f"m{n:05}" for n in range(PAGE * 2 + 7)]


def test_a_member_changed_between_two_pages_comes_again(opened: OpenClub) -> None:
    fill(opened, PAGE + 5)
    first = opened.database.read(lambda c: read_page(c, opened.club, "till", None))
    assert first is not None

    def touch(connection: Connection) -> None:
        with numbered_changes(connection, opened.club.club_id) as next_change:
            connection.execute(update(member).where(member.c.member_id == "m00000").values(change=next_change()))

    opened.database.write(touch)
    second = opened.database.read(lambda c: read_page(c, opened.club, "till", first.cursor))
    assert second is not None
    assert [row.member_id for row in second.members] == [*[f"m{PAGE + n:05}" for n in range(5)], "m00000"]


def test_own_entries_are_never_counted_twice_nor_left_out(tmp_path: Path) -> None:
    """A till that shows "club's balance + own entries above posted_seq" is right after every page, however many pages
    there are: here its own sale is posted while 600 other members changed."""
    with RunningClub(tmp_path / "club") as club:
        till = FakeTill(club.url, club.enrol())
        members = [till.enrol(f"{n:032x}", gift=100) for n in range(3)]
        till.push()
        start = till.pull()
        shown = Shown(start)
        assert club.opened is not None
        fill(club.opened, 600, "other")
        for n, one in enumerate(members):
            till.sell(one, 100_000, earned={"PTS": n + 1})
        shown.own = {4 + n: (one, n + 1) for n, one in enumerate(members)}
        till.push(after=3)
        fill(club.opened, 600, "later")
        more = True
        while more:
            page = till.pull(shown.cursor)
            more = page.more
            shown.apply(page)
            assert [shown.points(one) for one in members] == [101, 102, 103], page.cursor
        parsed = parse_cursor(shown.cursor)
        assert parsed is not None
        assert parsed.posted_seq == 6
        till.close()


class Shown:
    """How a till reckons what it shows."""

    def __init__(self, page: DeltaPage) -> None:
        self.balances: dict[str, int] = {}
        self.own: dict[int, tuple[str, int]] = {}
        self.apply(page)

    def apply(self, page: DeltaPage) -> None:
        self.cursor, self.posted_seq = page.cursor, page.posted_seq
        self.balances |= {row.member_id: row.balances.get("PTS", 0) for row in page.members}

    def points(self, member_id: str) -> int:
        above = (amount for seq, (who, amount) in self.own.items() if seq > self.posted_seq and who == member_id)
        return self.balances[member_id] + sum(above)
