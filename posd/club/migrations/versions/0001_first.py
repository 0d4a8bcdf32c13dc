"""The first schema: journal, members and balances, programs, tills, roll-ups for the owner's page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "balance",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "member_id", "unit"),
    )
    op.create_table(
        "booked",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("till_id", sa.Text(), server_default="", nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("voided_by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "entry_id"),
    )
    op.create_table(
        "card_key",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "key"),
    )
    op.create_index("card_key_member", "card_key", ["club_id", "member_id"], unique=False)
    op.create_table(
        "club",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("settings", sa.Text(), server_default="{}", nullable=False),
        sa.Column("key_mark", sa.Text(), server_default="", nullable=False),
        sa.Column("feed", sa.Text(), server_default="", nullable=False),
        sa.Column("changes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("programs_change", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tiers_day", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id"),
    )
    op.create_table(
        "day_total",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("till_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("carded", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sales", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reward_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "day", "till_id", "currency", "carded"),
    )
    op.create_table(
        "day_unit",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("till_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("earned", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spent", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "day", "till_id", "unit"),
    )
    op.create_table(
        "head",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("till_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("posted_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "till_id", "epoch"),
    )
    op.create_table(
        "invitation",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("boot", sa.Text(), server_default="", nullable=False),
        sa.Column("made_mono_ns", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("club_id", "code_hash"),
    )
    op.create_table(
        "journal",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("till_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="accepted", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("waits_for", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "till_id", "epoch", "seq"),
    )
    op.create_index("journal_state", "journal", ["club_id", "state"], unique=False)
    op.create_index("journal_waits", "journal", ["club_id", "waits_for"], unique=False)
    op.create_table(
        "member",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("phone_mask", sa.Text(), server_default="", nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("progress", sa.Text(), server_default="{}", nullable=False),
        sa.Column("joined_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("joined_at", sa.Text(), server_default="", nullable=False),
        sa.Column("last_sale_ms", sa.BigInteger(), nullable=True),
        sa.Column("change", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "member_id"),
    )
    op.create_index("member_change", "member", ["club_id", "change"], unique=False)
    op.create_index("member_last_sale", "member", ["club_id", "last_sale_ms"], unique=False)
    op.create_table(
        "movement",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("till_id", sa.Text(), server_default="", nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "member_id", "entry_id", "unit"),
    )
    op.create_index("movement_till", "movement", ["club_id", "till_id", "epoch", "seq"], unique=False)
    op.create_table(
        "person",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), server_default="", nullable=False),
        sa.Column("consent", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("told_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "member_id"),
    )
    op.create_table(
        "program",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.Column("active", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("made_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "program", "version"),
    )
    op.create_table(
        "sale",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("till_id", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("day", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("received_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("total_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("payable_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("earned", sa.Text(), server_default="{}", nullable=False),
        sa.Column("spent", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "member_id", "entry_id"),
    )
    op.create_index("sale_received", "sale", ["club_id", "received_ms"], unique=False)
    op.create_table(
        "session",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "token_hash"),
    )
    op.create_table(
        "spend",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "member_id", "currency", "day"),
    )
    op.create_index("spend_day", "spend", ["club_id", "day"], unique=False)
    op.create_table(
        "till",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("till_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("token_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.Column("seen_ms", sa.BigInteger(), nullable=True),
        sa.Column("pushed_ms", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "till_id"),
    )
