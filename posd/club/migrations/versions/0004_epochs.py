"""Epochs of a till: one journal for each copy of its ledger, and under which epoch each entry was booked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "till_epoch",
        sa.Column("club_id", sa.Text(), nullable=False),
        sa.Column("till_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("parent", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("base_epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("base_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("base_hash", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("granted_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("club_id", "till_id", "epoch"),
    )
    op.add_column("journal", sa.Column("booked_epoch", sa.BigInteger(), nullable=True))
