"""Tables: rows with named, typed columns; and those of events, trends and alarms, in all formats the same.

Not for writing them (`edge.server.exports`), nor for what a message's row holds (its `rows`). A column is only ever
added, behind the others, and is nullable: what is not known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from edge.contract.fields import rfc3339

Cell = str | int | float | bool | None
Row = Mapping[str, Cell]
ColumnType = Literal["text", "time", "integer", "number", "truth"]
"""`time`: seconds since 1970 in a message's row, RFC 3339 in UTC with milliseconds in a file; `number`: 64 bits."""
Columns = Mapping[str, ColumnType]

ROWS_AT_ONCE = 8192  # of a long table, in memory
OCCURRENCE: Columns = {
    "onset": "time",
    "end": "time",
    "site": "text",
    "node": "text",
    "stream": "text",
    "mode": "text",
    "id": "text",
    "rev": "integer",
    "type": "text",
}
"""Of what begins and ends at a bed, and is numbered."""
OF_OCCURRENCE = tuple(name for name, kind in OCCURRENCE.items() if kind != "time")
COLUMNS: Mapping[str, Columns] = {
    "events": {
        **OCCURRENCE,
        "label": "text",
        "peak": "number",
        "mean": "number",
        "threshold": "number",
        "verified": "truth",
        "end_reason": "text",
        "late": "truth",
        "model_id": "text",
        "model_sha256": "text",
    },
    "trends": {
        "ts": "time",
        "site": "text",
        "node": "text",
        "stream": "text",
        "boot_id": "text",
        "window_s": "integer",
        "known": "truth",
        "coverage": "number",
        "measured_s": "number",
        "unverified_s": "number",
        "missing_s": "text",
        "group": "text",
        "burden_s_per_min": "number",
        "low_s_per_min": "number",
        "high_s_per_min": "number",
        "mode": "text",
        "breaths_per_min": "number",
        "answered": "number",
        "rate_why": "text",
        "breathing_s": "number",
        "breaths": "integer",
        "of_time": "number",
        "of_time_low": "number",
        "of_time_high": "number",
        "of_time_why": "text",
        "of_breaths": "number",
        "of_breaths_low": "number",
        "of_breaths_high": "number",
        "of_breaths_why": "text",
    },
    "alarms": {
        "changed": "time",
        "site": "text",
        "node": "text",
        "stream": "text",
        "mode": "text",
        "condition": "text",
        "kind": "text",
        "priority": "text",
        "rev": "integer",
        "cause": "text",
        "signal": "text",
        "presence": "truth",
        "escalated": "truth",
        "episode": "integer",
        "late": "truth",
        "by": "text",
        "why": "text",
    },
    "pauses": {
        **OCCURRENCE,
        "limit_s": "number",
        "contact": "truth",
        "end_reason": "text",
        "late": "truth",
    },
}
"""Table -> column -> what it holds. `missing_s` is a JSON object: seconds that were not measured, by cause. `of_time`,
`of_breaths` and `answered` are shares, 0 to 1; a night (8 h) has no burden."""


def in_file(table: str, row: Row) -> Row:
    """A message's row with the columns of a file, times as text; what it does not have is None."""
    return {name: _text(row.get(name)) if kind == "time" else row.get(name) for name, kind in COLUMNS[table].items()}


def _text(wall_s: Cell) -> Cell:
    return rfc3339(wall_s) if isinstance(wall_s, float) else None
