"""The club's programs: documents, each version kept for ever because entries name it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from sqlalchemy import Connection, insert, select, update

from posd.club.changes import numbered_changes
from posd.club.tables import club, program
from posd.errors import ConfigError
from posd.loyalty.programs import TEMPLATES, Program, document_from_toml, parse_program


def ready_programs(currency: str) -> list[dict[str, Any]]:
    """The documents that a new club starts with, as far as they are written for its currency: amounts such as "one
    point per 10,000 toman" cannot be translated into another money."""
    folder = files("posd.loyalty") / "templates"
    documents = (document_from_toml((folder / f"{name}.toml").read_text("utf-8")) for name in TEMPLATES)
    return [document for document in documents if isinstance(document, dict) and document["currency"] == currency]


def checked(document: Mapping[str, Any]) -> Program:
    """Raises ConfigError that names everything to change."""
    parsed = parse_program(document)
    if isinstance(parsed, Program):
        return parsed
    raise ConfigError("this program cannot be used:\n" + "\n".join(f"  {problem}" for problem in parsed))


def put_program(connection: Connection, club_id: str, document: Mapping[str, Any], now_ms: int) -> Program:
    """Store a new version; putting the same one again changes nothing. Raises ConfigError for a version that is not
    newer: what entries were booked by is never rewritten."""
    parsed = checked(document)
    text = json.dumps(document, ensure_ascii=False, sort_keys=True)
    with numbered_changes(connection, club_id) as next_change:
        stored = _versions(connection, club_id, parsed.id)
        if stored.get(parsed.version) == text:
            return parsed
        if stored and parsed.version <= max(stored):
            raise ConfigError(
                f"version {max(stored)} of program {parsed.id!r} exists; write version = {max(stored) + 1}"
            )
        row = {"club_id": club_id, "program": parsed.id, "version": parsed.version, "document": text}
        connection.execute(insert(program).values(**row, active=1, made_ms=now_ms))
        _changed(connection, club_id, next_change())
    return parsed


def stop_program(connection: Connection, club_id: str, program_id: str) -> None:
    """Take a program out of use, all its versions. Raises ConfigError when there is none of this name."""
    with numbered_changes(connection, club_id) as next_change:
        where = (program.c.club_id == club_id, program.c.program == program_id)
        if connection.execute(update(program).where(*where).values(active=0)).rowcount == 0:
            raise ConfigError(f"there is no program {program_id!r}")
        _changed(connection, club_id, next_change())


def _versions(connection: Connection, club_id: str, program_id: str) -> dict[int, str]:
    query = select(program.c.version, program.c.document).where(
        program.c.club_id == club_id, program.c.program == program_id
    )
    return {int(row.version): str(row.document) for row in connection.execute(query)}


def _changed(connection: Connection, club_id: str, change: int) -> None:
    connection.execute(update(club).where(club.c.club_id == club_id).values(programs_change=change))


def program_texts(connection: Connection, club_id: str) -> tuple[str, ...]:
    query = (
        select(program.c.document)
        .where(program.c.club_id == club_id, program.c.active == 1)
        .order_by(program.c.program, program.c.version)
    )
    return tuple(str(text) for text in connection.execute(query).scalars())


def active_programs(connection: Connection, club_id: str) -> tuple[Program, ...]:
    """Every version of every program in use; `posd.loyalty` picks what is in force."""
    return _parsed(program_texts(connection, club_id))


@lru_cache(maxsize=8)
def _parsed(texts: tuple[str, ...]) -> tuple[Program, ...]:
    return tuple(checked(json.loads(text)) for text in texts)
