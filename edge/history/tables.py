"""The tables of the history, the same on SQLite and on PostgreSQL.

Not for making them: that is done by the steps in `edge.history.migrations`, and a test compares the two. Times are
whole milliseconds since 1970 (UTC), durations whole milliseconds: sums are exact in any order. What is not known is
NULL, never 0. Every key is of the message itself, so that a copy finds its row there.

A PostgreSQL database of before has months as partitions of some tables; they stay, and what comes lies in them where
there are some, else in `TABLE_other`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

GROUPS = ("continuous", "discontinuous")
"""Groups of classes that a trend tells, a column `GROUP_ms` for each."""
TIMES: Mapping[str, str] = {
    "events": "onset_ms",
    "minutes": "at_ms",
    "hours": "hour_ms",
    "losses": "hour_ms",
    "alarms": "changed_ms",
    "gaps": "told_ms",
}
"""Table -> its column that says how old a row is, of all tables that grow for ever."""

METADATA = MetaData()
Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself in a column of this type alone

BEDS = Table(
    "beds",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("site", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("stream", Text, nullable=False, doc="Empty: the node itself."),
    UniqueConstraint("site", "node", "stream", name="beds_place"),
)
EVENTS = Table(
    "events",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("rev", BigInteger, primary_key=True),
    Column("onset_ms", BigInteger, primary_key=True, doc="Of all revs of an id the same."),
    Column("bed_id", BigInteger, ForeignKey("beds.id"), nullable=False),
    Column("type", Text, nullable=False, doc="onset, update or end"),
    Column("mode", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("end_ms", BigInteger, doc="One past the sound, or past what was heard of it; NULL: not known."),
    Column("peak", Float, nullable=False),
    Column("mean", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("verified", Boolean),
    Column("end_reason", Text),
    Column("late", Boolean, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("model_sha256", Text, nullable=False),
    Index("events_by_bed", "bed_id", "onset_ms"),
)
GAPS = Table(
    "gaps",
    METADATA,
    Column("bed_id", BigInteger, ForeignKey("beds.id"), primary_key=True),
    Column("boot_id", Text, primary_key=True),
    Column("from_sample", BigInteger, primary_key=True),
    Column("to_sample", BigInteger, primary_key=True),
    Column("told_ms", BigInteger, nullable=False, doc="When it was sent; a gap has no other time."),
    Column("lost_ms", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index("gaps_by_time", "told_ms"),
)
ALARMS = Table(
    "alarms",
    METADATA,
    Column("bed_id", BigInteger, ForeignKey("beds.id"), primary_key=True),
    Column("condition", Text, primary_key=True),
    Column("rev", BigInteger, primary_key=True),
    Column("changed_ms", BigInteger, primary_key=True, doc="A box whose disk was replaced counts `rev` from 1 again."),
    Column("mode", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("signal", Text, nullable=False),
    Column("presence", Boolean, nullable=False),
    Column("escalated", Boolean, nullable=False),
    Column("episode", BigInteger),
    Column("by", Text),
    Column("why", Text),
    Column("late", Boolean, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index("alarms_by_time", "changed_ms"),
)
MINUTES = Table(
    "minutes",
    METADATA,
    Column("bed_id", BigInteger, ForeignKey("beds.id"), primary_key=True),
    Column("at_ms", BigInteger, primary_key=True, doc="End of the minute."),
    Column("boot_id", Text, primary_key=True),
    Column("stop", BigInteger, primary_key=True, doc="Sample at which it ends."),
    Column("measured_ms", Integer, nullable=False),
    *(Column(f"{group}_ms", Integer, doc="Expected sound; NULL: not known.") for group in GROUPS),
)
HOURS = Table(
    "hours",
    METADATA,
    Column("bed_id", BigInteger, ForeignKey("beds.id"), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True, doc="Begin of the hour."),
    Column("minutes", SmallInteger, nullable=False, doc="Told; those of 60 that are missing were not told."),
    Column("measured_ms", Integer, nullable=False),
    Column("judged_ms", Integer, nullable=False, doc="Measured in minutes whose burden is known."),
    *(Column(f"{group}_ms", Integer, nullable=False, doc="Expected sound in judged_ms.") for group in GROUPS),
)
LOSSES = Table(
    "losses",
    METADATA,
    Column("bed_id", BigInteger, ForeignKey("beds.id"), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("lost_ms", BigInteger, nullable=False, doc="Not measured, by what the trends said."),
)
SEQUENCES = Table(
    "sequences",
    METADATA,
    Column("bed_id", BigInteger, ForeignKey("beds.id"), primary_key=True, doc="Of the node itself."),
    Column("seq_start", BigInteger, primary_key=True),
    Column("first", BigInteger, primary_key=True, doc="Of numbers that came, without a hole up to `last`."),
    Column("last", BigInteger, nullable=False),
    Column("since_ms", BigInteger, nullable=False, doc="When the first of them came."),
)
STARTS = Table(
    "starts",
    METADATA,
    Column("bed_id", BigInteger, ForeignKey("beds.id"), primary_key=True, doc="Of the node itself."),
    Column("seq_start", BigInteger, primary_key=True),
    Column("seq_before", BigInteger, nullable=False, doc="The highest number given before; no row where not known."),
)
