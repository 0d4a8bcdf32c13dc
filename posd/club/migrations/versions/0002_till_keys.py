"""Tills prove who they are with a key of their own; an invitation may let more than one till in, or live less long."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for name in ("public_key", "next_key", "words"):
        op.add_column("till", sa.Column(name, sa.Text(), server_default="", nullable=False))
    for name, default in (("uses_left", "1"), ("life_ms", "86400000")):
        op.add_column("invitation", sa.Column(name, sa.BigInteger(), server_default=default, nullable=False))
    op.execute("UPDATE invitation SET uses_left = 0 WHERE used_ms IS NOT NULL")
