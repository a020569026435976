"""The first tables: events, gaps, alarms, burden by minute and hour, numbers that came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None
branch_labels = depends_on = None

BIG, TEXT, BOOL = sa.BigInteger(), sa.Text(), sa.Boolean()


def _of_bed(key: bool = True) -> sa.Column[int]:
    return sa.Column("bed_id", BIG, sa.ForeignKey("beds.id"), primary_key=key, nullable=False)


def _whole(*names: str, key: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, BIG, primary_key=key, nullable=False) for name in names]


def _text(*names: str, key: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, primary_key=key, nullable=False) for name in names]


def _flags(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, BOOL, nullable=False) for name in names]


def upgrade() -> None:
    """Make them."""
    place = sa.UniqueConstraint("site", "node", "stream", name="beds_place")
    number = sa.Column("id", BIG.with_variant(sa.Integer(), "sqlite"), primary_key=True)
    op.create_table("beds", number, *_text("site", "node", "stream"), place)
    _events()
    _gaps_and_alarms()
    _burden()
    op.create_table("sequences", _of_bed(), *_whole("seq_start", "first", key=True), *_whole("last", "since_ms"))


def _events() -> None:
    scores = [sa.Column(name, sa.Float(), nullable=False) for name in ("peak", "mean", "threshold")]
    op.create_table(
        "events",
        *_text("id", key=True),
        *_whole("rev", "onset_ms", key=True),
        _of_bed(key=False),
        *_text("type", "mode", "label"),
        sa.Column("end_ms", BIG),
        *scores,
        sa.Column("verified", BOOL),
        sa.Column("end_reason", TEXT),
        *_flags("late"),
        *_text("boot_id"),
        *_whole("seq"),
        *_text("model_id", "model_sha256"),
    )
    op.create_index("events_by_bed", "events", ["bed_id", "onset_ms"])


def _gaps_and_alarms() -> None:
    op.create_table(
        "gaps",
        _of_bed(),
        *_text("boot_id", key=True),
        *_whole("from_sample", "to_sample", key=True),
        *_whole("told_ms", "lost_ms", "count"),
        *_text("cause"),
        *_flags("late"),
        *_whole("seq"),
    )
    op.create_index("gaps_by_time", "gaps", ["told_ms"])
    op.create_table(
        "alarms",
        _of_bed(),
        *_text("condition", key=True),
        *_whole("rev", "changed_ms", key=True),
        *_text("mode", "kind", "priority", "cause", "signal"),
        *_flags("presence", "escalated"),
        sa.Column("episode", BIG),
        sa.Column("by", TEXT),
        sa.Column("why", TEXT),
        *_flags("late"),
        *_whole("seq"),
    )
    op.create_index("alarms_by_time", "alarms", ["changed_ms"])


def _burden() -> None:
    def numbers(*names: str, empty: bool = False) -> list[sa.Column[int]]:
        return [sa.Column(name, sa.Integer(), nullable=empty) for name in names]

    groups = ("continuous_ms", "discontinuous_ms")
    op.create_table(
        "minutes",
        _of_bed(),
        *_whole("at_ms", key=True),
        *_text("boot_id", key=True),
        *_whole("stop", key=True),
        *numbers("measured_ms"),
        *numbers(*groups, empty=True),
        sqlite_with_rowid=False,
    )
    minutes = sa.Column("minutes", sa.SmallInteger(), nullable=False)
    op.create_table(
        "hours",
        _of_bed(),
        *_whole("hour_ms", key=True),
        minutes,
        *numbers("measured_ms", "judged_ms", *groups),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "losses",
        _of_bed(),
        *_whole("hour_ms", key=True),
        *_text("cause", key=True),
        *_whole("lost_ms"),
        sqlite_with_rowid=False,
    )
