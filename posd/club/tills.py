"""Tills: how one joins with an invitation code, by which key it is known, how it is shut out, how it fares."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from enum import Enum, auto

from sqlalchemy import Connection, and_, insert, or_, select, update

from posd.clock import Instant
from posd.club.epochs import FIRST_EPOCH
from posd.club.keys import ClubKeys
from posd.club.reading import is_storable
from posd.club.shop import Club
from posd.club.tables import invitation, till
from posd.sync.identity import CODE_ALPHABET, code_letters, four_words, is_signed_by, key_change
from posd.sync.wire import TILL_REVOKED, KeyChange, TillGrant, TillRequest, TillStatus

CODE_LIFE_MS = 24 * 3600 * 1000
LONGEST_NAME = 60


def secret_hash(secret: str) -> str:
    """The only form in which tokens and codes are stored."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a code is, how many tills it lets in and for how long."""

    groups: int = 2
    uses: int = 1
    life_ms: int = CODE_LIFE_MS


BY_HAND = Terms()
"""Typed by somebody: 34 bits, one till, a day."""
UNATTENDED_GROUPS = 6
"""Read by a program: 103 bits, which may lie in a file for a while."""


def new_invitation(connection: Connection, club_id: str, now: Instant, terms: Terms = BY_HAND) -> str:
    """A code such as ``BCDF-GHJK``."""
    groups = ["".join(secrets.choice(CODE_ALPHABET) for _ in range(4)) for _ in range(terms.groups)]
    connection.execute(
        insert(invitation).values(
            club_id=club_id,
            code_hash=secret_hash("".join(groups)),
            made_ms=now.wall_ms,
            boot=now.boot,
            made_mono_ns=now.mono_ns,
            uses_left=terms.uses,
            life_ms=terms.life_ms,
        )
    )
    return "-".join(groups)


def is_fresh(made: Instant, now: Instant, life_ms: int = CODE_LIFE_MS) -> bool:
    """Whether a code of ``made`` may still be used. In the same boot the monotonic clock decides alone; over a restart
    the wall clock has to, and one that runs backwards ends the code."""
    if made.boot == now.boot:
        return 0 <= now.mono_ns - made.mono_ns < life_ms * 1_000_000
    return 0 <= now.wall_ms - made.wall_ms < life_ms


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A till that asks to join: what it said, the id that it shall have, and the key that signed the request."""

    request: TillRequest
    till_id: str
    key: str


def admit(connection: Connection, club: Club, keys: ClubKeys, newcomer: Newcomer, now: Instant) -> TillGrant | None:
    """Use up the invitation and let the till in, or None: unknown, used and outdated codes are not told apart."""
    request, till_id, own_key = newcomer.request, newcomer.till_id, keys.signing_key().public
    if not _use_up(connection, club.club_id, request.invitation, now):
        return None
    connection.execute(
        insert(till).values(
            club_id=club.club_id,
            till_id=till_id,
            name=shown_name(request.name),
            epoch=FIRST_EPOCH,
            created_ms=now.wall_ms,
            seen_ms=now.wall_ms,
            public_key=newcomer.key,
            words=" ".join(four_words(own_key, newcomer.key, till_id, request.invitation)),
        )
    )
    return TillGrant(till_id, "", club.club_id, club.name, keys.card_key, keys.seal_public, FIRST_EPOCH, own_key)


def shown_name(name: str) -> str:
    """A till's name as it can be stored and shown."""
    text = " ".join(name.split())[:LONGEST_NAME]
    return text if text and is_storable(text) else "?"


def _use_up(connection: Connection, club_id: str, code: str, now: Instant) -> bool:
    where = (invitation.c.club_id == club_id, invitation.c.code_hash == secret_hash(code_letters(code)))
    row = connection.execute(select(invitation).where(*where)).first()
    if row is None or not is_fresh(Instant(row.made_ms, row.boot, row.made_mono_ns), now, row.life_ms):
        return False
    left = invitation.c.uses_left
    used = update(invitation).where(*where, left > 0).values(uses_left=left - 1, used_ms=now.wall_ms)
    return connection.execute(used).rowcount == 1


@dataclass(frozen=True, slots=True)
class Shown:
    """By what a request says that a till sent it. ``key``: the public key whose signature it bears; empty = none.
    ``token``: what tills had before there were keys."""

    key: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Shut:
    """Not let in. ``code`` is stable: ``unauthorized`` or ``till_revoked``; for one copy of a till's ledger
    ``copy_blocked`` or ``epoch_over``."""

    code: str


class Known(Enum):
    """Let in: by the key that is on record, by one that is to be put on record, or by a token alone."""

    BY_KEY = auto()
    BY_NEW_KEY = auto()
    BY_TOKEN = auto()


def recognised(connection: Connection, club_id: str, till_id: str, shown: Shown) -> Shut | Known:
    """Whether this is the till, and not shut out. A till that has a key is never known by its token any more."""
    columns = (till.c.token_hash, till.c.public_key, till.c.next_key, till.c.revoked_ms)
    row = connection.execute(select(*columns).where(till.c.club_id == club_id, till.c.till_id == till_id)).first()
    known = None if row is None else _known(row.public_key, row.next_key, row.token_hash, shown)
    if row is None or known is None:
        return Shut("unauthorized")
    return Shut(TILL_REVOKED) if row.revoked_ms is not None else known


def _known(public_key: str, next_key: str, token_hash: str, shown: Shown) -> Known | None:
    if shown.key and shown.key == public_key:
        return Known.BY_KEY
    if shown.key and shown.key == next_key:
        return Known.BY_NEW_KEY
    if not public_key and secrets.compare_digest(token_hash, secret_hash(shown.token)):
        return Known.BY_NEW_KEY if shown.key else Known.BY_TOKEN
    return None


def adopt_key(connection: Connection, club_id: str, till_id: str, shown: Shown) -> None:
    """Put ``shown.key`` on record, in place of the key or token that was good until now."""
    where = (till.c.club_id == club_id, till.c.till_id == till_id)
    first = and_(till.c.public_key == "", till.c.token_hash == secret_hash(shown.token))
    values = {"public_key": shown.key, "next_key": "", "token_hash": ""}
    connection.execute(update(till).where(*where, or_(till.c.next_key == shown.key, first)).values(values))


def announce_key(connection: Connection, club_id: str, till_id: str, old: str, change: KeyChange) -> bool:
    """Let the till be known by a further key as well, until it uses that; False when ``change`` does not prove that
    the till has it."""
    if not is_signed_by(change.public, _bytes(change.proof), key_change(till_id, old, change.public)):
        return False
    where = (till.c.club_id == club_id, till.c.till_id == till_id)
    connection.execute(update(till).where(*where).values(next_key=change.public))
    return True


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def revoke(connection: Connection, club_id: str, till_id: str, now_ms: int) -> bool:
    """Shut a till out: it keeps its ledger and its sales, and hears 401 from now on. False when there is none."""
    where = (till.c.club_id == club_id, till.c.till_id == till_id, till.c.revoked_ms.is_(None))
    return connection.execute(update(till).where(*where).values(revoked_ms=now_ms)).rowcount == 1


def note_status(connection: Connection, club_id: str, till_id: str, status: TillStatus, now_ms: int) -> None:
    """Keep the till's last word about itself, for the page."""
    text = json.dumps(status.as_json(), sort_keys=True)
    where = (till.c.club_id == club_id, till.c.till_id == till_id)
    connection.execute(update(till).where(*where).values(status=text, seen_ms=now_ms))
