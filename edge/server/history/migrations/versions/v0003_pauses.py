"""Pauses of breath."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"
branch_labels = depends_on = None


def upgrade() -> None:
    """Make the table."""
    whole, text, truth = sa.BigInteger(), sa.Text(), sa.Boolean()
    op.create_table(
        "pauses",
        sa.Column("id", text, primary_key=True, nullable=False),
        sa.Column("rev", whole, primary_key=True, nullable=False),
        sa.Column("onset_ms", whole, nullable=False),
        sa.Column("bed_id", whole, sa.ForeignKey("beds.id"), nullable=False),
        sa.Column("type", text, nullable=False),
        sa.Column("mode", text, nullable=False),
        sa.Column("end_ms", whole),
        sa.Column("limit_s", sa.Float(), nullable=False),
        sa.Column("contact", truth, nullable=False),
        sa.Column("end_reason", text),
        sa.Column("late", truth, nullable=False),
        sa.Column("boot_id", text, nullable=False),
        sa.Column("seq", whole, nullable=False),
    )
    op.create_index("pauses_by_bed", "pauses", ["bed_id", "onset_ms"])
