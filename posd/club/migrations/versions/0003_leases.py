"""Parts of balances that are set apart for tills."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    texts = ("club_id", "member_id", "lease_id", "unit")
    numbers = ("epoch", "granted", "spent", "returned", "taken", "recalled", "made_ms")
    op.create_table(
        "lease",
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        *(sa.Column(name, sa.Text(), server_default="", nullable=False) for name in ("till_id", "incarnation")),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in numbers),
        sa.Column("written_off_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(*texts),
    )
    op.create_index("lease_till", "lease", ["club_id", "till_id"], unique=False)
