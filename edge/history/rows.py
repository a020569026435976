"""Records of the wire as rows of the history, and which numbers of a node came with them. Pure.

Not for writing them (`edge.history.writer`). A bed stands in a row by its name, until the writer knows its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edge.contract import Record
from edge.contract.alarms import TransitionMessage
from edge.contract.clips import ClipMessage
from edge.contract.events import EventMessage, GapMessage
from edge.contract.fields import milliseconds_of
from edge.contract.trend import TrendMessage, Window
from edge.history.tables import GROUPS

MINUTE_S = 60  # length of the window of a trend that is kept
HOUR_MS = 3_600_000

Row = dict[str, Any]
Place = tuple[str, str, str]
"""Site, node and stream; the stream is empty for the node itself."""


@dataclass
class Batch:
    """Rows by table, with the `place` of a bed where the table has `bed_id`."""

    events: list[Row] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)
    alarms: list[Row] = field(default_factory=list)
    minutes: list[Row] = field(default_factory=list)
    """With `lost_ms` by cause beside the columns of the table."""
    numbers: list[tuple[Place, int, int]] = field(default_factory=list)
    """Of a node: seq_start and seq of every message that is numbered."""
    starts: set[tuple[Place, int, int]] = field(default_factory=set)
    """Of a node: seq_start and seq_before, where it is known."""

    def add(self, record: Record, is_self_test: bool = False) -> None:
        """Add what a record says; of a self-test or a clip, its number alone.

        Raises:
            ValueError: a trend tells no minute.
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
        elif isinstance(record, GapMessage):
            self.gaps.append(_row(record, told=record.at_s))
        else:
            self.alarms.append(_row(record, changed=record.at_s))

    def _number(self, node: Place, seq: int, start: int, before: int | None) -> None:
        self.numbers.append((node, start, seq))
        if before is not None:
            self.starts.add((node, start, before))

    def places(self) -> set[Place]:
        """Every bed and node that it names."""
        rows: Iterable[Row] = (*self.events, *self.gaps, *self.alarms, *self.minutes)
        return {row["place"] for row in rows} | {place for place, _, _ in self.numbers}


def _row(one: EventMessage | GapMessage | TransitionMessage, **times_s: float | None) -> Row:
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
        "lost_ms": {cause: round(s * 1000) for cause, s in sorted(window.missing_s.items()) if s > 0},
    }


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
