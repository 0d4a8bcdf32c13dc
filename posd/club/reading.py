"""What an entry says, in the club's terms. Pure: bytes in, a `Reading` out, or `Unreadable` with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from posd.ledger.accounts import member_of
from posd.ledger.entries import Draft, Kind, parse_payload, unit_totals

LARGEST = 2**60
"""No amount, count or instant of a shop is larger; what is, is an error and must not reach a 64-bit column."""
LONGEST = 200


class Unreadable(ValueError):
    """The entry is kept as a fact, but this club cannot tell what it means."""


@dataclass(frozen=True, slots=True)
class Trade:
    """What an entry adds to the shop's figures; a refund or void adds negative amounts."""

    currency: str
    total_minor: int
    payable_minor: int
    earned: Mapping[str, int]
    spent: Mapping[str, int]

    @property
    def reward_minor(self) -> int:
        """Paid by points, credit or discount instead of by the customer."""
        return self.total_minor - self.payable_minor

    def reversed(self) -> Trade:
        return Trade(self.currency, -self.total_minor, -self.payable_minor, _negated(self.earned), _negated(self.spent))


@dataclass(frozen=True, slots=True)
class Joining:
    """Who joins or which card is added: keys in the club's HMAC form, personal data still sealed."""

    member_id: str
    keys: tuple[str, ...]
    sealed: str = field(default="", repr=False)
    consent: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One entry. ``moves``: unit → what the legs do to the member's own accounts. ``trade`` is None for enrol, link
    and void (a void takes back what its sale did)."""

    entry_id: str
    kind: Kind
    wall_ms: int
    member_id: str | None
    ref: str | None
    moves: Mapping[str, int]
    trade: Trade | None = None
    joining: Joining | None = None


def read_entry(payload: bytes) -> Reading:
    """Raises Unreadable."""
    try:
        draft = parse_payload(payload)
        return _reading(draft)
    except Unreadable:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"not an entry that this club understands ({type(error).__name__})") from error


def _reading(draft: Draft) -> Reading:
    joins = draft.kind in {Kind.ENROL, Kind.LINK}
    if draft.kind is Kind.READER_CHECK and (draft.legs or draft.member is not None):
        raise Unreadable("evidence moves nothing and concerns nobody")
    return Reading(
        entry_id=draft.entry_id.hex(),
        kind=draft.kind,
        wall_ms=_integer(draft.at.wall_ms),
        member_id=None if draft.member is None else _text(draft.member),
        ref=draft.ref.hex() if draft.ref else None,
        moves=_moves(draft),
        trade=_TRADES[draft.kind](draft.body) if draft.kind in _TRADES else None,
        joining=_joining(draft) if joins else None,
    )


def _moves(draft: Draft) -> dict[str, int]:
    """Raises Unreadable when a leg stands on another member's account: one entry touches one member."""
    owners = {member_of(leg.account) for leg in draft.legs} - {None}
    if owners - {draft.member}:
        raise Unreadable("a leg stands on another member's account")
    own = [leg for leg in draft.legs if member_of(leg.account) is not None]
    return {_text(unit): _integer(amount) for unit, amount in unit_totals(own).items() if amount}


def _sale(body: Mapping[str, Any]) -> Trade:
    return Trade(
        currency=_text(body["currency"]),
        total_minor=_integer(body["total_minor"]),
        payable_minor=_integer(body["payable_minor"]),
        earned=_per_unit((e["unit"], e["earned"]) for e in body["earnings"]),
        spent=_per_unit((r["unit"], r["spent"]) for r in body["redemptions"]),
    )


def _refund(body: Mapping[str, Any]) -> Trade:
    return Trade(
        currency=_text(body["currency"]),
        total_minor=-_integer(body["gross_minor"]),
        payable_minor=-_integer(body["pay_back_minor"]),
        earned=_negated(_per_unit(body["taken_back"].items())),
        spent=_negated(_per_unit(body["given_back"].items())),
    )


_TRADES = {Kind.SALE: _sale, Kind.REFUND: _refund}


def _joining(draft: Draft) -> Joining:
    body = draft.body
    member_id = _text(body["member_id"])
    if member_id != draft.member or not member_id:
        raise Unreadable("the entry names two members")
    if draft.kind is Kind.LINK:
        return Joining(member_id, (_text(body["key"]),))
    keys = tuple(dict.fromkeys(_text(key) for key in body["keys"]))
    return Joining(member_id, keys, _text(body["sealed"], longest=16 * LONGEST), body["consent"] is True)


def _per_unit(pairs: Any) -> dict[str, int]:
    totals: dict[str, int] = {}
    for unit, amount in pairs:
        totals[_text(unit)] = totals.get(_text(unit), 0) + _integer(amount)
    return totals


def _negated(amounts: Mapping[str, int]) -> dict[str, int]:
    return {unit: -amount for unit, amount in amounts.items()}


def _integer(value: Any) -> int:
    if type(value) is not int or abs(value) > LARGEST:
        raise Unreadable("an amount is not an integer of a sensible size")
    return value


def _text(value: Any, longest: int = LONGEST) -> str:
    if not isinstance(value, str) or len(value) > longest or not is_storable(value):
        raise Unreadable("a text is missing, too long or not storable")
    return value


def is_storable(text: str) -> bool:
    """Whether both databases can hold it: no NUL (PostgreSQL) and no half of a surrogate pair (UTF-8)."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
