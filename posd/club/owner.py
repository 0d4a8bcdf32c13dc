"""What an owner does from the command line: found a club, invite a till, set a program, look at members and figures.

Each function opens the club's database, does one thing and closes it; it may run while the server runs.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select, update

from posd.club.copies import Copies, decide, doubled_tills, read_copies
from posd.club.dashboard.figures import read_figures
from posd.club.database import Database, open_database
from posd.club.deltas import member_rows
from posd.club.keys import ClubKeys, load_keys, new_keys, save_keys
from posd.club.leases import open_leases, write_off
from posd.club.migrate import migrate
from posd.club.programs import put_program, ready_programs, stop_program
from posd.club.shop import Club, Settings, read_club, settings_text
from posd.club.tables import club as clubs
from posd.club.tables import journal, member, till
from posd.club.tills import BY_HAND, Terms, new_invitation, revoke
from posd.errors import ConfigError
from posd.ledger.members import MemberRow
from posd.loyalty.programs import Program
from posd.machine import SystemClock, Uuid7Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenClub:
    """A club that was found and fits its key file."""

    database: Database
    club: Club
    keys: ClubKeys


def init_club(state_dir: Path, name: str, *, settings: Settings | None = None, database_url: str | None = None) -> Club:
    """Found the club if there is none yet: database, keys, ready programs. Running it again changes nothing."""
    _private_directory(state_dir)
    database = open_database(state_dir, database_url)
    try:
        migrate(database)
        keys = load_keys(state_dir)
        if keys is None and database.read(read_club) is not None:
            raise ConfigError(f"{state_dir}/club.key of this club is missing; restore it from the backup")
        if keys is None:
            keys = new_keys()
            save_keys(state_dir, keys)
        return _found(database, keys, name, settings or Settings())
    finally:
        database.close()


def _private_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise ConfigError(f"cannot write to {path} ({error.strerror}); choose another --state-dir") from error


def _found(database: Database, keys: ClubKeys, name: str, settings: Settings) -> Club:
    club_id, feed, now_ms = Uuid7Source()().hex(), secrets.token_hex(4), SystemClock().now().wall_ms

    def work(connection: Connection) -> Club:
        known = read_club(connection)
        if known is not None:
            return known
        club = Club(club_id, " ".join(name.split())[:80] or "posd", feed, keys.mark, settings)
        row = {"club_id": club_id, "name": club.name, "feed": feed, "key_mark": keys.mark, "created_ms": now_ms}
        connection.execute(insert(clubs).values(**row, settings=settings_text(settings)))
        for document in ready_programs(settings.currency):
            put_program(connection, club_id, document, now_ms)
        return club

    return database.write(work)


@contextmanager
def open_club(state_dir: Path, database_url: str | None = None, *, serves: bool = False) -> Iterator[OpenClub]:
    """The club of ``state_dir``, its schema brought up to date. Raises ConfigError when there is none."""
    if not state_dir.is_dir():
        raise ConfigError(f"there is no club in {state_dir}; found one with: posd club init")
    database = open_database(state_dir, database_url, serves=serves)
    try:
        migrate(database)
        club = database.read(read_club)
        keys = load_keys(state_dir, club.key_mark if club else None)
        if club is None or keys is None:
            raise ConfigError(f"there is no club in {state_dir}; found one with: posd club init")
        yield OpenClub(database, club, keys)
    finally:
        database.close()


def _change(state_dir: Path, database_url: str | None, work: Callable[[Connection, str], T]) -> T:
    with open_club(state_dir, database_url) as opened:
        return opened.database.write(lambda connection: work(connection, opened.club.club_id))


def invite(state_dir: Path, database_url: str | None = None, terms: Terms = BY_HAND) -> str:
    """An invitation code; without ``terms`` for one till, good for 24 hours."""
    now = SystemClock().now()
    return _change(state_dir, database_url, lambda connection, club_id: new_invitation(connection, club_id, now, terms))


def set_program(state_dir: Path, document: Mapping[str, Any], database_url: str | None = None) -> Program:
    """Put a program, or a new version of one, into force. Raises ConfigError naming everything to change."""
    now_ms = SystemClock().now().wall_ms
    return _change(
        state_dir, database_url, lambda connection, club_id: put_program(connection, club_id, document, now_ms)
    )


def drop_program(state_dir: Path, program_id: str, database_url: str | None = None) -> None:
    """Take a program out of use. Raises ConfigError when there is none of this name."""
    _change(state_dir, database_url, lambda connection, club_id: stop_program(connection, club_id, program_id))


def list_members(state_dir: Path, database_url: str | None = None, limit: int = 200) -> list[MemberRow]:
    """Members as tills see them, newest change first."""
    with open_club(state_dir, database_url) as opened:
        return opened.database.read(lambda connection: newest_members(connection, opened.club, limit))


def newest_members(connection: Connection, club: Club, limit: int) -> list[MemberRow]:
    query = select(member.c.member_id).where(member.c.club_id == club.club_id).order_by(member.c.change.desc())
    ids = [str(member_id) for member_id in connection.execute(query.limit(limit)).scalars()]
    return member_rows(connection, club, ids)[::-1]


def report(state_dir: Path, database_url: str | None = None) -> dict[str, Any]:
    """The overview's figures as data: money in minor parts of ``currency``, shares in thousandths."""
    now_ms = SystemClock().now().wall_ms
    with open_club(state_dir, database_url) as opened:
        figures = opened.database.read(lambda connection: read_figures(connection, opened.club, now_ms))
        parked = opened.database.read(lambda connection: parked_entries(connection, opened.club.club_id))
    return {
        "club": opened.club.name,
        "currency": opened.club.settings.currency,
        "days": [
            {"on": day.on.isoformat(), "carded_minor": day.carded_minor, "other_minor": day.other_minor}
            for day in figures.days
        ],
        "members": figures.members,
        "active_members": figures.active,
        "owed_minor": figures.owed.worth_minor,
        "owed_points": figures.owed.points,
        "redeemed_permille": figures.redeemed.share_permille,
        "cost_permille": figures.redeemed.cost_permille,
        "parked": parked,
    }


def parked_entries(connection: Connection, club_id: str) -> list[dict[str, Any]]:
    """Entries that wait for a person: ``till_id``, ``epoch``, ``seq``, ``reason``, ``received_ms``."""
    columns = (journal.c.till_id, journal.c.epoch, journal.c.seq, journal.c.reason, journal.c.received_ms)
    query = select(*columns).where(journal.c.club_id == club_id, journal.c.state == "parked")
    rows = connection.execute(query.order_by(journal.c.received_ms, journal.c.till_id, journal.c.seq))
    return [dict(row) for row in rows.mappings()]


def list_tills(state_dir: Path, database_url: str | None = None) -> list[dict[str, Any]]:
    """Tills with ``till_id``, ``name``, ``created_ms``, ``seen_ms``, ``revoked_ms``, ``public_key``, ``words`` and
    ``doubled``: its ledger has a copy, and it is not decided which one is the till."""
    columns = (till.c.till_id, till.c.name, till.c.created_ms, till.c.seen_ms, till.c.revoked_ms)
    query = select(*columns, till.c.public_key, till.c.words).order_by(till.c.created_ms)
    with open_club(state_dir, database_url) as opened:
        own = query.where(till.c.club_id == opened.club.club_id)
        rows = opened.database.read(lambda connection: [dict(row) for row in connection.execute(own).mappings()])
        doubled = opened.database.read(lambda connection: doubled_tills(connection, opened.club.club_id))
    return [{**row, "doubled": row["till_id"] in doubled} for row in rows]


def till_copies(state_dir: Path, till_id: str, database_url: str | None = None) -> Copies | None:
    """The copies of a till's ledger; None when there is no such till."""
    with open_club(state_dir, database_url) as opened:
        return opened.database.read(lambda connection: read_copies(connection, opened.club.club_id, till_id))


def decide_copy(state_dir: Path, till_id: str, deed: str, epoch: int, database_url: str | None = None) -> bool:
    """``choose``: the copy that writes ``epoch`` is the till, the others are closed. ``block``: nothing more is taken
    from it. False when there is no such epoch, or no other one would be left."""
    now_ms = SystemClock().now().wall_ms
    return _change(
        state_dir, database_url, lambda connection, club_id: decide(connection, club_id, till_id, deed, epoch, now_ms)
    )


def held_by_tills(state_dir: Path, database_url: str | None = None) -> list[dict[str, Any]]:
    """What tills may spend of members' balances, and what was written off of it (`posd.club.leases.open_leases`)."""
    with open_club(state_dir, database_url) as opened:
        return opened.database.read(lambda connection: open_leases(connection, opened.club.club_id))


def write_off_till(state_dir: Path, till_id: str, database_url: str | None = None) -> dict[str, int]:
    """Set free, by unit, what a lost till holds of members' balances. What it spent of that and reports later is
    parked."""
    now_ms = SystemClock().now().wall_ms
    return _change(state_dir, database_url, lambda connection, club_id: write_off(connection, club_id, till_id, now_ms))


def set_offline_share(state_dir: Path, percent: int, database_url: str | None = None) -> None:
    """How much of a balance a till may keep after a visit, for when the club is away. Raises ConfigError."""
    with open_club(state_dir, database_url) as opened:
        settings = replace(opened.club.settings, offline_permille=10 * percent)
        own = update(clubs).where(clubs.c.club_id == opened.club.club_id).values(settings=settings_text(settings))
        opened.database.write(lambda connection: connection.execute(own))


def revoke_till(state_dir: Path, till_id: str, database_url: str | None = None) -> bool:
    """Shut a till out. False when there is none of this id, or it was shut out before."""
    now_ms = SystemClock().now().wall_ms
    return _change(state_dir, database_url, lambda connection, club_id: revoke(connection, club_id, till_id, now_ms))
