"""What a ward engineer asks of the history: events, burden, coverage, alarms, missing messages.

And the answers on standard output: a table for a person, JSON lines or CSV for a program. Not for files
(`edge.server.exports`). Every query reads the keys of the tables: a bed and a time. Burden and coverage come from the
hours. What is not known is None: an hour of which less than half was judged has no burden.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, select, true

from edge.contract.fields import rfc3339
from edge.contract.tables import Columns
from edge.server.exports.tables import cell_text
from edge.server.history.sequences import MissingNumbers, Range, Start, missing_of
from edge.server.history.tables import (
    ALARMS,
    BEDS,
    EVENTS,
    GROUPS,
    HOUR_MS,
    HOURS,
    LOSSES,
    SEQUENCES,
    STARTS,
)

JUDGED_MS = HOUR_MS // 2  # of an hour, at least, for a burden; as trends do it in a minute
PLACE: Columns = {"site": "text", "node": "text", "stream": "text"}


@dataclass(frozen=True)
class Query:
    """Which beds, and when."""

    begin_ms: int
    end_ms: int
    """One past the last moment."""
    bed: str | None = None
    """STREAM, NODE/STREAM or SITE/NODE/STREAM."""
    site: str | None = None

    def places(self) -> list[ColumnElement[bool]]:
        """Conditions on the beds."""
        levels = (BEDS.c.stream, BEDS.c.node, BEDS.c.site)
        named = zip(levels, reversed((self.bed or "").split("/")), strict=False) if self.bed else ()
        found = [column == name for column, name in named]
        return found + ([BEDS.c.site == self.site] if self.site else [])


@dataclass(frozen=True)
class ResultTable:
    """A table."""

    columns: Columns
    """Name -> what it holds; a `time` is in milliseconds since 1970."""
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Missing:
    """Messages of one node that did not come."""

    site: str
    node: str
    first: int
    last: int
    count: int | None
    """None: not known."""
    seen_ms: int


def events(connection: Connection, query: Query, label: str | None = None) -> ResultTable:
    """Each sound that began in the time, as it was said last."""
    e, later = EVENTS.c, EVENTS.alias("later")
    when = and_(e.onset_ms >= query.begin_ms, e.onset_ms < query.end_ms)
    of_label = [e.label == label] if label else []
    same = and_(later.c.id == e.id, later.c.onset_ms == e.onset_ms, later.c.rev > e.rev)
    among = and_(later.c.onset_ms >= query.begin_ms, later.c.onset_ms < query.end_ms)
    if connection.dialect.name == "postgresql":  # which joins the two as wholes
        among = and_(among, of_beds(connection, later.c.bed_id, query))
    selected = select(
        e.onset_ms,
        *place_columns(),
        e.label,
        (e.end_ms - e.onset_ms) / 1000.0,
        e.peak,
        e.mean,
        e.verified,
        e.type,
        e.end_reason,
        e.mode,
        e.id,
    )
    of_day = selected.join(BEDS, BEDS.c.id == e.bed_id).where(of_beds(connection, e.bed_id, query), when, *of_label)
    statement = of_day.where(~exists().where(same, among)).order_by(e.onset_ms, e.id)
    columns: Columns = {
        "onset": "time",
        **PLACE,
        "label": "text",
        "length_s": "number",
        "peak": "number",
        "mean": "number",
        "verified": "truth",
        "said": "text",
        "end_reason": "text",
        "mode": "text",
        "id": "text",
    }
    return ResultTable(columns, connection.execute(statement).all())


def burden_by_hour(connection: Connection, query: Query) -> ResultTable:
    """The burden of each bed in each hour."""
    h = HOURS.c
    sounds = (h[f"{name}_ms"] for name in GROUPS)
    statement = _of_hours(connection, query, h.bed_id, h.hour_ms, h.measured_ms, h.judged_ms, *sounds)
    names = names_of(connection, query)
    rows = [
        (hour_ms, *names[bed], measured_ms / HOUR_MS, *(_burden(sound_ms, judged_ms) for sound_ms in sounds))
        for bed, hour_ms, measured_ms, judged_ms, *sounds in connection.execute(statement.order_by(h.bed_id, h.hour_ms))
    ]
    columns: Columns = {"hour": "time", **PLACE, "coverage": "number"}
    return ResultTable({**columns, **{f"{name}_s_per_min": "number" for name in GROUPS}}, rows)


def burden_by_bed(connection: Connection, query: Query) -> ResultTable:
    """The burden of each bed over the whole time, and in its worst hour."""
    h = HOURS.c
    worst = [func.max(case((h.judged_ms >= JUDGED_MS, h[f"{name}_ms"] * 60.0 / h.judged_ms))) for name in GROUPS]
    sums = [func.sum(column) for column in (h.measured_ms, h.judged_ms, *(h[f"{name}_ms"] for name in GROUPS))]
    statement = _of_hours(connection, query, h.bed_id, *sums, *worst).group_by(h.bed_id).order_by(h.bed_id)
    names, size = names_of(connection, query), len(GROUPS)
    rows = []
    for bed, measured_ms, judged_ms, *numbers in connection.execute(statement):
        means = [None if not judged_ms else float(sound_ms) * 60 / float(judged_ms) for sound_ms in numbers[:size]]
        pairs = zip(means, numbers[size:], strict=True)
        rows.append((*names[bed], float(measured_ms) / HOUR_MS, *(number for pair in pairs for number in pair)))
    columns: Columns = {**PLACE, "measured_h": "number"}
    more: Columns = {f"{name}_{end}": "number" for name in GROUPS for end in ("s_per_min", "worst_hour")}
    return ResultTable({**columns, **more}, sorted(rows))


def coverage(connection: Connection, query: Query) -> ResultTable:
    """Of each bed how much of the time was measured, and why the rest was not; `not_told_h`: no trend came."""
    h, loss = HOURS.c, LOSSES.c
    sums = func.sum(h.measured_ms), func.sum(h.minutes)
    measured = connection.execute(_of_hours(connection, query, h.bed_id, *sums).group_by(h.bed_id)).all()
    when = and_(loss.hour_ms >= query.begin_ms, loss.hour_ms < query.end_ms)
    lost = select(loss.bed_id, loss.cause, func.sum(loss.lost_ms)).where(of_beds(connection, loss.bed_id, query), when)
    causes: defaultdict[int, list[tuple[float, str]]] = defaultdict(list)
    for bed, cause, lost_ms in connection.execute(lost.group_by(loss.bed_id, loss.cause)):
        causes[bed].append((float(lost_ms) / HOUR_MS, cause))
    names, all_h = names_of(connection, query), (query.end_ms - query.begin_ms) / HOUR_MS
    known = {bed: (float(measured_ms) / HOUR_MS, float(minutes) / 60) for bed, measured_ms, minutes in measured}
    rows = []
    for bed, place in names.items():
        measured_h, published_h = known.get(bed, (0.0, 0.0))
        why = ", ".join(f"{cause} {lost_h:.2f} h" for lost_h, cause in sorted(causes[bed], reverse=True))
        if place[2]:  # a bed, not a node
            rows.append((*place, measured_h / all_h, measured_h, max(0.0, all_h - published_h), why))
    columns: Columns = {
        **PLACE,
        "coverage": "number",
        "measured_h": "number",
        "not_told_h": "number",
        "not_measured": "text",
    }
    return ResultTable(columns, sorted(rows))


def alarms(connection: Connection, query: Query) -> ResultTable:
    """Each change of an alarm."""
    a = ALARMS.c
    when = and_(a.changed_ms >= query.begin_ms, a.changed_ms < query.end_ms)
    selected = select(a.changed_ms, *place_columns(), a.condition, a.priority, a.cause, a.signal, a.by, a.why, a.mode)
    statement = selected.join(BEDS, BEDS.c.id == a.bed_id).where(when, *query.places()).order_by(a.changed_ms)
    names = ("condition", "priority", "cause", "signal", "by", "why", "mode")
    return ResultTable(
        {"changed": "time", **PLACE, **dict.fromkeys(names, "text")}, connection.execute(statement).all()
    )


def missing_numbers(connection: Connection) -> ResultTable:
    """Messages that were numbered and did not come: dropped, expired, refused, or still on their way."""
    rows = [(each.site, each.node, each.first, each.last, each.count, each.seen_ms) for each in missing(connection)]
    columns: Columns = {
        "site": "text",
        "node": "text",
        "first_seq": "integer",
        "last_seq": "integer",
        "messages": "integer",
        "seen": "time",
    }
    return ResultTable(columns, rows)


def missing(connection: Connection) -> list[Missing]:
    """The missing numbers of all nodes."""
    s = SEQUENCES.c
    selected = select(BEDS.c.site, BEDS.c.node, s.seq_start, STARTS.c.seq_before, s.first, s.last, s.since_ms)
    of_start = and_(STARTS.c.bed_id == s.bed_id, STARTS.c.seq_start == s.seq_start)
    statement = selected.join(BEDS, BEDS.c.id == s.bed_id).outerjoin(STARTS, of_start)
    nodes: defaultdict[tuple[str, str], dict[int, Start]] = defaultdict(dict)
    for row in connection.execute(statement.order_by(s.bed_id, s.seq_start, s.first)):
        start = nodes[row.site, row.node].setdefault(row.seq_start, Start(row.seq_before, []))
        start.ranges.append(Range(row.first, row.last, row.since_ms))
    return [_missing(node, missed) for node, starts in sorted(nodes.items()) for missed in missing_of(starts)]


def _missing(node: tuple[str, str], missed: MissingNumbers) -> Missing:
    return Missing(*node, missed.first, missed.last, missed.count, missed.seen_ms)


def of_beds(connection: Connection, column: Any, query: Query) -> ColumnElement[bool]:
    """That a row is of the beds that are asked for, so that each database finds its index.

    SQLite steps from bed to bed, all of them included. PostgreSQL plans by how many beds are named.
    """
    chosen = select(BEDS.c.id).where(*query.places())
    if connection.dialect.name == "sqlite":
        return cast("ColumnElement[bool]", column.in_(chosen))
    if not query.places():
        return true()
    return cast("ColumnElement[bool]", column.in_(list(connection.scalars(chosen))))


def place_columns() -> tuple[Any, Any, Any]:
    """Site, node and stream of what is joined with the beds."""
    return BEDS.c.site, BEDS.c.node, BEDS.c.stream


def names_of(connection: Connection, query: Query) -> dict[int, tuple[str, str, str]]:
    """Site, node and stream of each bed."""
    statement = select(BEDS.c.id, *place_columns()).where(*query.places())
    return {bed: (site, node, stream) for bed, site, node, stream in connection.execute(statement)}


def _of_hours(connection: Connection, query: Query, *selected: Any) -> Select[Any]:
    """Of the hours of the beds in the time."""
    when = and_(HOURS.c.hour_ms >= query.begin_ms, HOURS.c.hour_ms < query.end_ms)
    return select(*selected).where(of_beds(connection, HOURS.c.bed_id, query), when)


def _burden(sound_ms: int, judged_ms: int) -> float | None:
    """Expected seconds of sound in a measurable minute."""
    return sound_ms * 60 / judged_ms if judged_ms >= JUDGED_MS else None


Form = Literal["table", "jsonl", "csv"]
DIGITS = 4


def show(answer: ResultTable, form: Form) -> None:
    """Print an answer."""
    rows = _rows(answer)
    if form == "jsonl":
        for row in rows:
            print(json.dumps(dict(zip(answer.columns, row, strict=True)), ensure_ascii=False))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([cell_text(value) for value in row] for row in rows)
    else:
        _show_table([list(answer.columns), *([_words(value) for value in row] for row in rows)])


def _rows(answer: ResultTable) -> Iterator[list[Any]]:
    """Rows with times as RFC 3339 and numbers of few digits."""
    kinds = list(answer.columns.values())
    for row in answer.rows:
        yield [_plain(value, kind) for value, kind in zip(row, kinds, strict=True)]


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "time":
        return rfc3339(value / 1000)
    return round(float(value), DIGITS) if kind == "number" else value


def _words(value: Any) -> str:
    """A cell for a person: what is not known is a question mark."""
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _show_table(lines: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
