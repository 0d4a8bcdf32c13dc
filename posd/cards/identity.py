"""From a read to the identity it carries, by the club's rules; and from an identity to the key that a till may keep."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from posd.cards.reads import Medium


@dataclass(frozen=True, slots=True)
class Identity:
    """``value`` is text end to end (leading zeros stay) and is never stored or logged; ``tail`` are at most its last
    four characters, for the cashier's eyes. ``earn_only``: the number is merely written on plastic (a UID), so it may
    collect but not spend."""

    scheme: str
    value: str = field(repr=False)
    medium: Medium
    tail: str = field(default="", repr=False)
    earn_only: bool = False


def card_key(club_key: bytes, identity: Identity) -> str:
    """The only form of a card or phone number that a till stores: HMAC-SHA256 over ``scheme ":" value`` under the
    club's key, the first 128 bits as 32 hex digits. Keys of two clubs cannot be joined."""
    message = f"{identity.scheme}:{identity.value}".encode()
    return hmac.new(club_key, message, hashlib.sha256).digest()[:16].hex()


def phone_identity(e164: str) -> Identity:
    """A phone number in E.164 (``+989120001234``) as an identity, so that tills find members by it offline too."""
    return Identity(scheme="phone", value=e164, medium=Medium.PHONE, tail=e164[-2:])
