"""The club's tables. Their rules keep every door to a bigger database open:

- whatever belongs to a member leads its primary key and its unique constraints with ``(club_id, member_id)``;
- no sequences, no triggers: ids come from tills, numbers from `posd.club.changes`;
- money and points are 64-bit integers; instants are Unix milliseconds; a ``day`` is ``yyyymmdd`` in the shop's zone.

``card_key`` and ``booked`` are directories (small rows that lead from a key to a member), so they are keyed by what is
looked up. The journal is keyed by till: it holds facts as they came, before anybody knows whose they are.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

metadata = MetaData()

NO_MEMBER = ""
"""``member_id`` of a sale without a card."""


def _id(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _maybe(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=True)


club = Table(
    "club",
    metadata,
    _id("club_id"),
    _text("name"),
    _text("settings", "{}"),
    _text("key_mark"),
    _text("feed"),
    _number("changes"),
    _number("programs_change"),
    _number("created_ms"),
    _number("tiers_day"),
)

till = Table(
    "till",
    metadata,
    _id("club_id"),
    _id("till_id"),
    _text("name"),
    _text("token_hash"),
    _number("epoch"),
    _number("created_ms"),
    _maybe("revoked_ms"),
    _maybe("seen_ms"),
    _maybe("pushed_ms"),
    _text("status"),
)

invitation = Table(
    "invitation",
    metadata,
    _id("club_id"),
    _id("code_hash"),
    _number("made_ms"),
    _text("boot"),
    _number("made_mono_ns"),
    _maybe("used_ms"),
)

head = Table(
    "head",
    metadata,
    _id("club_id"),
    _id("till_id"),
    _key("epoch"),
    _number("seq"),
    Column("hash", LargeBinary, nullable=False),
    _number("posted_seq"),
)

journal = Table(
    "journal",
    metadata,
    _id("club_id"),
    _id("till_id"),
    _key("epoch"),
    _key("seq"),
    Column("hash", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    _number("received_ms"),
    _text("state", "accepted"),
    _text("reason"),
    _text("waits_for"),
    Index("journal_waits", "club_id", "waits_for"),
    Index("journal_state", "club_id", "state"),
)

booked = Table(
    "booked",
    metadata,
    _id("club_id"),
    _id("entry_id"),
    _text("member_id"),
    _text("kind"),
    _text("till_id"),
    _number("epoch"),
    _number("seq"),
    _text("voided_by"),
)

member = Table(
    "member",
    metadata,
    _id("club_id"),
    _id("member_id"),
    _text("name"),
    _text("phone_mask"),
    Column("tier", Text, nullable=True),
    _text("state", "active"),
    _text("progress", "{}"),
    _number("joined_ms"),
    _text("joined_at"),
    _maybe("last_sale_ms"),
    _number("change"),
    Index("member_change", "club_id", "change"),
    Index("member_last_sale", "club_id", "last_sale_ms"),
)

person = Table(
    "person",
    metadata,
    _id("club_id"),
    _id("member_id"),
    _text("sealed"),
    _number("consent"),
    _number("told_ms"),
)

card_key = Table(
    "card_key",
    metadata,
    _id("club_id"),
    _id("key"),
    _text("member_id"),
    Index("card_key_member", "club_id", "member_id"),
)

balance = Table("balance", metadata, _id("club_id"), _id("member_id"), _id("unit"), _number("amount"))

movement = Table(
    "movement",
    metadata,
    _id("club_id"),
    _id("member_id"),
    _id("entry_id"),
    _id("unit"),
    _number("amount"),
    _text("till_id"),
    _number("epoch"),
    _number("seq"),
    _number("at_ms"),
    Index("movement_till", "club_id", "till_id", "epoch", "seq"),
)

spend = Table(
    "spend",
    metadata,
    _id("club_id"),
    _id("member_id"),
    _id("currency"),
    _key("day"),
    _number("amount_minor"),
    Index("spend_day", "club_id", "day"),
)

sale = Table(
    "sale",
    metadata,
    _id("club_id"),
    _id("member_id"),
    _id("entry_id"),
    _text("till_id"),
    _text("kind"),
    _text("state"),
    _number("day"),
    _number("at_ms"),
    _number("received_ms"),
    _text("currency"),
    _number("total_minor"),
    _number("payable_minor"),
    _text("earned", "{}"),
    _text("spent", "{}"),
    Index("sale_received", "club_id", "received_ms"),
)

day_total = Table(
    "day_total",
    metadata,
    _id("club_id"),
    _key("day"),
    _id("till_id"),
    _id("currency"),
    _key("carded"),
    _number("sales"),
    _number("total_minor"),
    _number("reward_minor"),
)

day_unit = Table(
    "day_unit",
    metadata,
    _id("club_id"),
    _key("day"),
    _id("till_id"),
    _id("unit"),
    _number("earned"),
    _number("spent"),
)

program = Table(
    "program",
    metadata,
    _id("club_id"),
    _id("program"),
    _key("version"),
    _text("document"),
    _number("active"),
    _number("made_ms"),
)

session = Table(
    "session",
    metadata,
    _id("club_id"),
    _id("token_hash"),
    _number("made_ms"),
)
