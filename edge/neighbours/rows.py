"""Events, trends and changes of alarms as rows of three tables, with the columns and units that all formats share.

Not for writing them (`edge.tables`). A column is only ever added, behind the others. What is not known is
None, never 0. Times are RFC 3339 in UTC, with milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from edge.delivery.records import EventRecord, TransitionRecord, TrendRecord, WireRecord
from edge.tables.table import Columns, Row

COLUMNS: Mapping[str, Columns] = {
    "events": {
        "onset": "time", "end": "time", "site": "text", "node": "text", "stream": "text", "mode": "text", "id": "text",
        "rev": "integer", "type": "text", "label": "text", "peak": "number", "mean": "number", "threshold": "number",
        "verified": "truth", "end_reason": "text", "late": "truth", "model_id": "text", "model_sha256": "text",
    },
    "trends": {
        "ts": "time", "site": "text", "node": "text", "stream": "text", "boot_id": "text", "window_s": "integer",
        "known": "truth", "coverage": "number", "measured_s": "number", "unverified_s": "number", "missing_s": "text",
        "group": "text", "burden_s_per_min": "number", "low_s_per_min": "number", "high_s_per_min": "number",
        "mode": "text",
    },
    "alarms": {
        "changed": "time", "site": "text", "node": "text", "stream": "text", "mode": "text", "condition": "text",
        "kind": "text", "priority": "text", "rev": "integer", "cause": "text", "signal": "text", "presence": "truth",
        "escalated": "truth", "episode": "integer", "late": "truth", "by": "text", "why": "text",
    },
}  # fmt: skip
"""Table -> column -> what it holds. `missing_s` is a JSON object: seconds that were not measured, by cause."""
KINDS = tuple(COLUMNS)
"""Of the messages that are kept; gaps are not."""


def rows_of(record: WireRecord) -> Iterator[Row]:
    """The rows of one message: one, but of a trend one for each window and group, and of a gap none."""
    if isinstance(record, EventRecord):
        yield _event(record)
    elif isinstance(record, TrendRecord):
        yield from _trend(record)
    elif isinstance(record, TransitionRecord):
        yield _transition(record)


def _event(one: EventRecord) -> Row:
    return {
        "onset": one.time.onset, "end": one.time.end, "site": one.site, "node": one.node, "stream": one.stream,
        "mode": one.mode, "id": one.id, "rev": one.rev, "type": one.type, "label": one.label, "peak": one.scores.peak,
        "mean": one.scores.mean, "threshold": one.scores.threshold, "verified": one.verified,
        "end_reason": one.end_reason, "late": one.late, "model_id": one.model.id, "model_sha256": one.model.sha256,
    }  # fmt: skip


def _trend(one: TrendRecord) -> Iterator[Row]:
    for window in one.windows:
        missing = json.dumps(window.missing_s, sort_keys=True)
        for name, group in window.groups.items():
            yield {
                "ts": one.ts, "site": one.site, "node": one.node, "stream": one.stream, "boot_id": one.boot_id,
                "window_s": window.s, "known": window.known, "coverage": window.coverage,
                "measured_s": window.measured_s, "unverified_s": window.unverified_s, "missing_s": missing,
                "group": name, "burden_s_per_min": group.s_per_min, "low_s_per_min": group.low,
                "high_s_per_min": group.high, "mode": one.mode,
            }  # fmt: skip


def _transition(one: TransitionRecord) -> Row:
    by = one.by
    return {
        "changed": one.time.changed, "site": one.site, "node": one.node, "stream": one.stream, "mode": one.mode,
        "condition": one.condition, "kind": one.kind, "priority": one.priority, "rev": one.rev, "cause": one.cause,
        "signal": one.signal, "presence": one.presence, "escalated": one.escalated, "episode": one.episode,
        "late": one.late, "by": None if by is None else by.by, "why": None if by is None else by.why,
    }  # fmt: skip
