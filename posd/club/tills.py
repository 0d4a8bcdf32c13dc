"""Tills: how one joins with an invitation code, how it proves who it is, how it is shut out, how it fares."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from posd.clock import Instant
from posd.club.keys import ClubKeys
from posd.club.reading import is_storable
from posd.club.shop import Club
from posd.club.tables import invitation, till
from posd.sync.wire import TillGrant, TillRequest, TillStatus

CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no word appears by chance, and nothing that is mistaken for a digit (RFC 8628 §6.1)."""
CODE_LENGTH = 8
CODE_LIFE_MS = 24 * 3600 * 1000
FIRST_EPOCH = 1
LONGEST_NAME = 60


def secret_hash(secret: str) -> str:
    """The only form in which tokens and codes are stored."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def new_invitation(connection: Connection, club_id: str, now: Instant) -> str:
    """A code such as ``BCDF-GHJK``: good for one till within 24 hours."""
    letters = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    connection.execute(
        insert(invitation).values(
            club_id=club_id,
            code_hash=secret_hash(letters),
            made_ms=now.wall_ms,
            boot=now.boot,
            made_mono_ns=now.mono_ns,
        )
    )
    return f"{letters[:4]}-{letters[4:]}"


def is_fresh(made: Instant, now: Instant) -> bool:
    """Whether a code of ``made`` may still be used. In the same boot the monotonic clock decides alone; over a restart
    the wall clock has to, and one that runs backwards ends the code."""
    if made.boot == now.boot:
        return 0 <= now.mono_ns - made.mono_ns < CODE_LIFE_MS * 1_000_000
    return 0 <= now.wall_ms - made.wall_ms < CODE_LIFE_MS


def admit(
    connection: Connection, club: Club, keys: ClubKeys, request: TillRequest, till_id: str, now: Instant
) -> TillGrant | None:
    """Use up the invitation and let the till in, or None: unknown, used and outdated codes are not told apart."""
    if not _use_up(connection, club.club_id, request.invitation, now):
        return None
    token = secrets.token_hex(32)
    connection.execute(
        insert(till).values(
            club_id=club.club_id,
            till_id=till_id,
            name=shown_name(request.name),
            token_hash=secret_hash(token),
            epoch=FIRST_EPOCH,
            created_ms=now.wall_ms,
            seen_ms=now.wall_ms,
        )
    )
    return TillGrant(till_id, token, club.club_id, club.name, keys.card_key, keys.seal_public, FIRST_EPOCH)


def shown_name(name: str) -> str:
    """A till's name as it can be stored and shown."""
    text = " ".join(name.split())[:LONGEST_NAME]
    return text if text and is_storable(text) else "?"


def _use_up(connection: Connection, club_id: str, code: str, now: Instant) -> bool:
    letters = "".join(letter for letter in code.upper() if letter in CODE_ALPHABET)
    where = (invitation.c.club_id == club_id, invitation.c.code_hash == secret_hash(letters))
    row = connection.execute(select(invitation).where(*where)).first()
    if row is None or not is_fresh(Instant(row.made_ms, row.boot, row.made_mono_ns), now):
        return False
    used = update(invitation).where(*where, invitation.c.used_ms.is_(None)).values(used_ms=now.wall_ms)
    return connection.execute(used).rowcount == 1


@dataclass(frozen=True, slots=True)
class Shut:
    """The token is not good. ``code`` is stable: ``unauthorized`` or ``till_revoked``."""

    code: str


def admitted(connection: Connection, club_id: str, till_id: str, token: str) -> Shut | None:
    """None when ``token`` is the till's own and the till is not shut out."""
    query = select(till.c.token_hash, till.c.revoked_ms).where(till.c.club_id == club_id, till.c.till_id == till_id)
    row = connection.execute(query).first()
    if row is None or not secrets.compare_digest(row.token_hash, secret_hash(token)):
        return Shut("unauthorized")
    return Shut("till_revoked") if row.revoked_ms is not None else None


def revoke(connection: Connection, club_id: str, till_id: str, now_ms: int) -> bool:
    """Shut a till out: it keeps its ledger and its sales, and hears 401 from now on. False when there is none."""
    where = (till.c.club_id == club_id, till.c.till_id == till_id, till.c.revoked_ms.is_(None))
    return connection.execute(update(till).where(*where).values(revoked_ms=now_ms)).rowcount == 1


def note_status(connection: Connection, club_id: str, till_id: str, status: TillStatus, now_ms: int) -> None:
    """Keep the till's last word about itself, for the page."""
    text = json.dumps(status.as_json(), sort_keys=True)
    where = (till.c.club_id == club_id, till.c.till_id == till_id)
    connection.execute(update(till).where(*where).values(status=text, seen_ms=now_ms))
