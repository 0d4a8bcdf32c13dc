"""How an owner gets in: a one-time link, known to whoever may read the state directory, becomes a session cookie.

There is no password to choose, forget or leak. The link's key lies in ``login.key`` (0600) and is replaced when used.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from posd.club.tables import session
from posd.club.tills import secret_hash
from posd.machine import write_private

LOGIN_FILE = "login.key"
SESSION_LIFE_MS = 30 * 86_400_000

_turn = threading.Lock()


def login_link(state_dir: Path, base_url: str) -> str:
    """The link that signs one browser in, once. It is a secret: print it for the owner, never log it."""
    return f"{base_url}/login?key={_key(state_dir)}"


def _key(state_dir: Path) -> str:
    try:
        return (state_dir / LOGIN_FILE).read_text("ascii").strip()
    except FileNotFoundError:
        return _new_key(state_dir)


def _new_key(state_dir: Path) -> str:
    key = secrets.token_urlsafe(24)
    write_private(state_dir / LOGIN_FILE, key.encode() + b"\n")
    return key


def use_login_key(state_dir: Path, key: str) -> bool:
    """Whether ``key`` is the present one; if so, it is used up."""
    with _turn:
        right = secrets.compare_digest(secret_hash(key), secret_hash(_key(state_dir)))
        if right:
            _new_key(state_dir)
        return right


def open_session(connection: Connection, club_id: str, now_ms: int) -> str:
    """A new session's token for the cookie; the database keeps its hash."""
    token = secrets.token_urlsafe(32)
    connection.execute(
        delete(session).where(session.c.club_id == club_id, session.c.made_ms < now_ms - SESSION_LIFE_MS)
    )
    connection.execute(insert(session).values(club_id=club_id, token_hash=secret_hash(token), made_ms=now_ms))
    return token


def is_session(connection: Connection, club_id: str, token: str, now_ms: int) -> bool:
    query = select(session.c.made_ms).where(session.c.club_id == club_id, session.c.token_hash == secret_hash(token))
    made_ms = connection.execute(query).scalar()
    return made_ms is not None and now_ms - int(made_ms) < SESSION_LIFE_MS


def end_session(connection: Connection, club_id: str, token: str) -> None:
    connection.execute(delete(session).where(session.c.club_id == club_id, session.c.token_hash == secret_hash(token)))
