"""Records of the wire as rows of the history, and which numbers of a node came with them. Pure.

Not for writing them (`edge.history.writer`). A bed stands in a row by its name, until the writer knows its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edge.delivery.records import (
    ClipRecord,
    EventRecord,
    GapRecord,
    TransitionRecord,
    TrendRecord,
    TrendWindow,
    WireRecord,
    milliseconds_of,
)
from edge.history.tables import GROUPS

MINUTE_S = 60  # length of the window of a trend that is kept
HOUR_MS = 3_600_000
MAX_CAUSES = 32  # of lost time in one trend

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

    def add(self, record: WireRecord, is_self_test: bool = False) -> None:
        """Add what a record says; of a self-test or a clip, its number alone.

        Raises:
            ValueError: a trend tells no minute.
        """
        if isinstance(record, TrendRecord):
            if not is_self_test:
                self.minutes.append(_minute(record))
            return
        if record.seq_start is not None:
            self._number((record.site, record.node, ""), record.seq, record.seq_start, record.seq_before)
        if is_self_test or isinstance(record, ClipRecord):
            return
        if isinstance(record, EventRecord):
            self.events.append(_event(record))
        elif isinstance(record, GapRecord):
            self.gaps.append(_gap(record))
        else:
            self.alarms.append(_alarm(record))

    def _number(self, node: Place, seq: int, start: int, before: int | None) -> None:
        self.numbers.append((node, start, seq))
        if before is not None:
            self.starts.add((node, start, before))

    def places(self) -> set[Place]:
        """Every bed and node that it names."""
        rows: Iterable[Row] = (*self.events, *self.gaps, *self.alarms, *self.minutes)
        return {row["place"] for row in rows} | {place for place, _, _ in self.numbers}


def printable(text: str) -> str:
    """Text that every database takes and every terminal shows: without control characters."""
    return "".join(each if each.isprintable() else "�" for each in text)


def _event(one: EventRecord) -> Row:
    until = one.time.end or one.time.until
    return {
        "id": one.id, "rev": one.rev, "onset_ms": milliseconds_of(one.time.onset),
        "place": (one.site, one.node, one.stream), "type": one.type, "mode": one.mode, "label": one.label,
        "end_ms": None if until is None else milliseconds_of(until), "peak": one.scores.peak, "mean": one.scores.mean,
        "threshold": one.scores.threshold, "verified": one.verified,
        "end_reason": None if one.end_reason is None else printable(one.end_reason), "late": one.late,
        "boot_id": one.boot_id, "seq": one.seq, "model_id": printable(one.model.id), "model_sha256": one.model.sha256,
    }  # fmt: skip


def _gap(one: GapRecord) -> Row:
    return {
        "place": (one.site, one.node, one.stream), "boot_id": one.boot_id, "from_sample": one.from_sample,
        "to_sample": one.to_sample, "told_ms": milliseconds_of(one.time.published), "lost_ms": one.ms,
        "count": one.count, "cause": printable(one.cause), "late": one.late, "seq": one.seq,
    }  # fmt: skip


def _alarm(one: TransitionRecord) -> Row:
    by = one.by
    return {
        "place": (one.site, one.node, one.stream or ""), "condition": one.condition, "rev": one.rev,
        "changed_ms": milliseconds_of(one.time.changed), "mode": one.mode, "kind": one.kind, "priority": one.priority,
        "cause": printable(one.cause), "signal": one.signal, "presence": one.presence, "escalated": one.escalated,
        "episode": one.episode, "by": None if by is None else printable(by.by),
        "why": None if by is None else printable(by.why), "late": one.late, "seq": one.seq,
    }  # fmt: skip


def _minute(one: TrendRecord) -> Row:
    window = next((each for each in one.windows if each.s == MINUTE_S), None)
    if window is None:
        raise ValueError(f"windows: expected one of {MINUTE_S} s, found none")
    return {
        "place": (one.site, one.node, one.stream), "at_ms": milliseconds_of(one.ts), "boot_id": one.boot_id,
        "stop": one.sample.stop, "measured_ms": _measured_ms(window), **_sound_ms(window),
        "lost_ms": {cause: round(s * 1000) for cause, s in sorted(window.missing_s.items())[:MAX_CAUSES] if s > 0},
    }  # fmt: skip


def _measured_ms(window: TrendWindow) -> int:
    return round(min(window.measured_s, MINUTE_S) * 1000)


def _sound_ms(window: TrendWindow) -> Row:
    """Expected sound of each group, from its seconds in a measurable minute; None: not known."""
    burdens = [None if (one := window.groups.get(group)) is None else one.s_per_min for group in GROUPS]
    known = [each for each in burdens if each is not None]
    is_known = window.known and len(known) == len(GROUPS)
    sounds = [round(each * _measured_ms(window) / MINUTE_S) for each in known] if is_known else [None] * len(GROUPS)
    return {f"{group}_ms": sound for group, sound in zip(GROUPS, sounds, strict=True)}


def hour_of(at_ms: int) -> int:
    """Begin of the hour in which most of the minute lies that ends at `at_ms`."""
    return (at_ms - MINUTE_S * 500) // HOUR_MS * HOUR_MS
