"""How a bed breathed in a minute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"
branch_labels = depends_on = None


def upgrade() -> None:
    """Add the columns; of minutes that were received before nothing is known."""
    op.add_column("minutes", sa.Column("rate_per_min", sa.Float()))
    op.add_column("minutes", sa.Column("rate_why", sa.Text()))
    wholes = ("breathing_ms", "breaths", "continuous_breathing_ms", "discontinuous_breathing_ms")
    for name in wholes:
        op.add_column("minutes", sa.Column(name, sa.Integer()))
    for name in ("continuous_breaths", "discontinuous_breaths"):
        op.add_column("minutes", sa.Column(name, sa.Float()))
