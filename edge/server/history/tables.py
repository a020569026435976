"""The tables of the history, the same on SQLite and on PostgreSQL, and messages as their rows. Pure.

Not for making the tables: that is done by the steps in `edge.server.history.migrations`, and a test compares the two;
nor for writing rows (`edge.server.history.writer`), which gives a bed its number: until then it stands in a row by its
name. Times are whole milliseconds since 1970 (UTC), durations whole milliseconds: sums are exact in any order. What is
not known is NULL, never 0. Every key is of the message itself, so that a copy finds its row there.

A PostgreSQL database of before has months as partitions of some tables; they stay, and what comes lies in them where
there are some, else in `TABLE_other`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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

from edge.contract import Record
from edge.contract.alarms import TransitionMessage
from edge.contract.clips import ClipMessage
from edge.contract.events import EventMessage, GapMessage
from edge.contract.fields import milliseconds_of
from edge.contract.pauses import PauseMessage
from edge.contract.trend import Breath, TrendMessage, Window

GROUPS = ("continuous", "discontinuous")
"""Groups of classes that a trend reports, a column `GROUP_ms` for each."""
TIMES: Mapping[str, str] = {
    "events": "onset_ms",
    "minutes": "at_ms",
    "hours": "hour_ms",
    "losses": "hour_ms",
    "alarms": "changed_ms",
    "gaps": "told_ms",
    "pauses": "onset_ms",
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
    Column("end_ms", BigInteger, doc="One past the sound, or past what was received of it; NULL: not known."),
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
PAUSES = Table(
    "pauses",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("rev", BigInteger, primary_key=True),
    Column("onset_ms", BigInteger, nullable=False),
    Column("bed_id", BigInteger, ForeignKey("beds.id"), nullable=False),
    Column("type", Text, nullable=False, doc="onset or end"),
    Column("mode", Text, nullable=False),
    Column("end_ms", BigInteger, doc="One past it; NULL: not known."),
    Column("limit_s", Float, nullable=False),
    Column("contact", Boolean, nullable=False, doc="Whether there was evidence that the sensor touched somebody."),
    Column("end_reason", Text),
    Column("late", Boolean, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index("pauses_by_bed", "bed_id", "onset_ms"),
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
    Column("rate_per_min", Float, doc="Respiratory rate; NULL: not known."),
    Column("rate_why", Text, doc="Why it is not known, else empty; NULL: the node's model is without breath."),
    Column("breathing_ms", Integer),
    Column("breaths", Integer),
    *(Column(f"{group}_breathing_ms", Integer, doc="Breathing with sound; NULL: not known.") for group in GROUPS),
    *(Column(f"{group}_breaths", Float, doc="Expected breaths with sound; NULL: not known.") for group in GROUPS),
)
HOURS = Table(
    "hours",
    METADATA,
    Column("bed_id", BigInteger, ForeignKey("beds.id"), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True, doc="Begin of the hour."),
    Column("minutes", SmallInteger, nullable=False, doc="Received; those of 60 that are missing did not come."),
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

MINUTE_S = 60  # length of the window of a trend that is kept
HOUR_MS = 3_600_000

Row = dict[str, Any]
AddressKey = tuple[str, str, str]
"""Site, node and stream; the stream is empty for the node itself."""


@dataclass
class Batch:
    """Rows by table, with the `place` of a bed where the table has `bed_id`."""

    events: list[Row] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)
    alarms: list[Row] = field(default_factory=list)
    pauses: list[Row] = field(default_factory=list)
    minutes: list[Row] = field(default_factory=list)
    """With `lost_ms` by cause beside the columns of the table."""
    numbers: list[tuple[AddressKey, int, int]] = field(default_factory=list)
    """Of a node: seq_start and seq of every message that is numbered."""
    starts: set[tuple[AddressKey, int, int]] = field(default_factory=set)
    """Of a node: seq_start and seq_before, where it is known."""

    def add(self, record: Record, is_self_test: bool = False) -> None:
        """Add what a record says; of a self-test or a clip, its number alone.

        Raises:
            ValueError: a trend reports no minute.
        """
        if isinstance(record, TrendMessage):
            if not is_self_test:
                self.minutes.append(_minute(record))
            return
        if record.seq_start is not None:
            self._number((record.site, record.node, ""), record.seq, record.seq_start, record.seq_before)
        if is_self_test or isinstance(record, ClipMessage):
            return
        if isinstance(record, EventMessage):
            self.events.append(_row(record, onset=record.at_s, end=record.end_s))
        elif isinstance(record, PauseMessage):
            self.pauses.append(_row(record, onset=record.at_s, end=record.end_s))
        elif isinstance(record, GapMessage):
            self.gaps.append(_row(record, told=record.at_s))
        else:
            self.alarms.append(_row(record, changed=record.at_s))

    def _number(self, node: AddressKey, seq: int, start: int, before: int | None) -> None:
        self.numbers.append((node, start, seq))
        if before is not None:
            self.starts.add((node, start, before))

    def places(self) -> set[AddressKey]:
        """Every bed and node that it names."""
        rows: Iterable[Row] = (*self.events, *self.gaps, *self.alarms, *self.pauses, *self.minutes)
        return {row["place"] for row in rows} | {place for place, _, _ in self.numbers}


def _row(one: EventMessage | GapMessage | PauseMessage | TransitionMessage, **times_s: float | None) -> Row:
    """The row of a message with its `place`, and these times of it in milliseconds."""
    (row,) = one.rows()
    times = {f"{name}_ms": None if at_s is None else milliseconds_of(at_s) for name, at_s in times_s.items()}
    return {**row, **times, "place": (one.site, one.node, one.stream or "")}


def _minute(one: TrendMessage) -> Row:
    window = next((each for each in one.windows if each.s == MINUTE_S), None)
    if window is None:
        raise ValueError(f"windows: expected one of {MINUTE_S} s, found none")
    return {
        "place": (one.site, one.node, one.stream),
        "at_ms": milliseconds_of(one.ts),
        "boot_id": one.boot_id,
        "stop": one.sample.stop,
        "measured_ms": _measured_ms(window),
        **_sound_ms(window),
        **_breathing(next((each for each in one.breath or () if each.s == MINUTE_S), None)),
        "lost_ms": {cause: round(s * 1000) for cause, s in sorted(window.missing_s.items()) if s > 0},
    }


def _breathing(breath: Breath | None) -> Row:
    """How a bed breathed in a minute; None: not known."""
    row: Row = {
        "rate_per_min": None if breath is None else breath.breaths_per_min,
        "rate_why": None if breath is None else breath.why,
        "breathing_ms": None if breath is None else round(breath.breathing_s * 1000),
        "breaths": None if breath is None else breath.breaths,
    }
    for group in GROUPS:
        sounds = None if breath is None else breath.sounds.get(group)
        time, breaths = (None, None) if sounds is None else (sounds.of_time.share, sounds.of_breaths.share)
        row[f"{group}_breathing_ms"] = None if time is None else round(time * row["breathing_ms"])
        row[f"{group}_breaths"] = None if breaths is None else breaths * row["breaths"]
    return row


def _measured_ms(window: Window) -> int:
    return round(min(window.measured_s, MINUTE_S) * 1000)


def _sound_ms(window: Window) -> Row:
    """Expected sound of each group, from its seconds in a measurable minute; None: not known."""
    burdens = [None if (one := window.groups.get(group)) is None else one.s_per_min for group in GROUPS]
    known = [each for each in burdens if each is not None]
    is_known = window.known and len(known) == len(GROUPS)
    sounds = [round(each * _measured_ms(window) / MINUTE_S) for each in known] if is_known else [None] * len(GROUPS)
    return {f"{group}_ms": sound for group, sound in zip(GROUPS, sounds, strict=True)}


def hour_of(at_ms: int) -> int:
    """Begin of the hour in which most of the minute lies that ends at `at_ms`."""
    return (at_ms - MINUTE_S * 500) // HOUR_MS * HOUR_MS
