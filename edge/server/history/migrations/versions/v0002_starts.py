"""What a node says with each start: up to which number it had come before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"
branch_labels = depends_on = None


def upgrade() -> None:
    """Make the table; of starts that were received before nothing is known."""
    whole = sa.BigInteger()
    op.create_table(
        "starts",
        sa.Column("bed_id", whole, sa.ForeignKey("beds.id"), primary_key=True, nullable=False),
        sa.Column("seq_start", whole, primary_key=True, nullable=False),
        sa.Column("seq_before", whole, nullable=False),
    )
