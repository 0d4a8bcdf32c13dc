"""The club's truth as last heard: members, their keys, programs, and where in the change feed we are.

Within one reading of the feed a member's version only rises. Reading it anew (the club answered 410) begins the next
``feed``: rows of the feed before stay in use until they are told again, and what was not told again is gone at its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from posd.ledger.connection import savepoint
from posd.ledger.members import DeltaPage, MemberRow

if TYPE_CHECKING:
    from sqlite_utils import Database

    from posd.ledger.books import Books

ERASED = "erased"

# A version that was told twice is the same row, so both positions of our journal are in it: the higher one counts.
UPSERT = """
insert into member (member_id, name, phone_mask, tier, balances, progress, version, state,
                    included_seq, feed, provisional)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, (select feed from till_state), 0)
on conflict (member_id) do update set
    name = excluded.name, phone_mask = excluded.phone_mask, tier = excluded.tier, balances = excluded.balances,
    progress = excluded.progress, state = excluded.state, feed = excluded.feed, provisional = 0,
    included_seq = iif(version = excluded.version and not provisional,
                       max(included_seq, excluded.included_seq), excluded.included_seq),
    version = excluded.version
where provisional or feed < excluded.feed or version <= excluded.version
"""


def apply_page(books: Books, page: DeltaPage) -> int:
    """Take in one page and its cursor, whole or not at all. Returns how many members it told that were not older than
    what is known; a page may come twice."""
    db = books.db
    with savepoint(db):
        told = sum(_apply_member(db, row, page.posted_seq) for row in page.members)
        if page.programs is not None:
            _replace_programs(db, page.programs)
        db.execute("update till_state set cursor = ?", (page.cursor,))
        if not page.more:
            _sweep(db)
    return told


def begin_anew(books: Books) -> None:
    """Forget the cursor, keep the members until the club has told them again."""
    books.db.execute("update till_state set cursor = null, feed = feed + 1")


def remember_provisional(db: Database, row: MemberRow, seq: int) -> None:
    """A member enrolled here, or a further card, by own entry ``seq``; valid until the club's word includes it."""
    db.execute(
        "insert or ignore into member select ?, ?, ?, ?, ?, ?, ?, ?, 0, feed, 1 from till_state",
        _columns(row),
    )
    _give_keys(db, row, seq)


def _apply_member(db: Database, row: MemberRow, posted_seq: int) -> bool:
    if row.state == ERASED:
        row = MemberRow(row.member_id, "", "", None, {}, (), row.version, state=ERASED)
    if db.execute(UPSERT, (*_columns(row), posted_seq)).rowcount == 0:
        return False
    # A key given by an entry that the club has not posted yet is not in its list, and stays.
    kept = -1 if row.state == ERASED else posted_seq
    db.execute("delete from member_key where member_id = ? and (since_seq <= ? or ? < 0)", (row.member_id, kept, kept))
    _give_keys(db, row, since_seq=0)
    return True


def _give_keys(db: Database, row: MemberRow, since_seq: int) -> None:
    for key in row.keys:
        db.execute(
            "insert into member_key (key, member_id, since_seq) values (?, ?, ?) on conflict (key) do update "
            "set member_id = excluded.member_id, since_seq = excluded.since_seq",
            (key, row.member_id, since_seq),
        )


def _columns(row: MemberRow) -> tuple[Any, ...]:
    balances, progress = _json(row.balances), _json(row.progress)
    return (row.member_id, row.name, row.phone_mask, row.tier, balances, progress, row.version, row.state)


def _replace_programs(db: Database, programs: Iterable[Mapping[str, Any]]) -> None:
    db.execute("delete from program")
    for n, document in enumerate(programs):
        db.execute("insert into program (n, document) values (?, ?)", (n, _json(document)))


def _sweep(db: Database) -> None:
    """The feed was read to its end: a row of an older feed is a member that the club no longer has."""
    (behind,) = db.execute("select swept_feed < feed from till_state").fetchone()
    if behind:
        db.execute("delete from member where feed < (select feed from till_state) and not provisional")
        db.execute("update till_state set swept_feed = feed")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, separators=(",", ":"))
