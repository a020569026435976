"""What is asked of the history of a bed's breath: how it breathed in each hour, and its pauses.

Not for what else is asked (`edge.server.history.queries`). None of it is a vital sign; what is not known is None.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, exists, func, select

from edge.contract.tables import Columns
from edge.server.history.queries import PLACE, Query, ResultTable, names_of, of_beds, place_columns
from edge.server.history.tables import BEDS, GROUPS, HOUR_MS, MINUTE_S, MINUTES, PAUSES

KNOWN_MINUTES = 30  # of an hour, at least; as the burden has it


def breath_by_hour(connection: Connection, query: Query) -> ResultTable:
    """How each bed breathed in each hour: mean rate of its minutes, and the shares of breathing with sound.

    A number is of the minutes that know it, None where that is less than half of the hour.
    """
    m = MINUTES.c
    hour = (m.at_ms - MINUTE_S * 500) // HOUR_MS  # as `hour_of`
    pairs = [(m[f"{name}_{of}"], m[of]) for of in ("breathing_ms", "breaths") for name in GROUPS]
    sums = [
        column
        for found, all_of in pairs
        for column in (func.count(found), func.sum(found), func.sum(case((found.is_not(None), all_of))))
    ]
    when = and_(m.at_ms > query.begin_ms, m.at_ms <= query.end_ms, m.rate_why.is_not(None))
    statement = select(m.bed_id, hour, func.count(m.rate_per_min), func.avg(m.rate_per_min), *sums)
    statement = (
        statement.where(of_beds(connection, m.bed_id, query), when).group_by(m.bed_id, hour).order_by(m.bed_id, hour)
    )
    names, rows = names_of(connection, query), []
    for bed, number, answered, rate, *numbers in connection.execute(statement):
        shares = [_share(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]
        known = rate if answered >= KNOWN_MINUTES else None
        rows.append((int(number) * HOUR_MS, *names[bed], known, answered / 60, *shares))
    columns: Columns = {"hour": "time", **PLACE, "breaths_per_min": "number", "answered": "number"}
    ends = [f"{name}_of_{of}" for of in ("time", "breaths") for name in GROUPS]
    return ResultTable({**columns, **dict.fromkeys(ends, "number")}, rows)


def pauses(connection: Connection, query: Query) -> ResultTable:
    """Each pause of breath that began in the time, as it was said last."""
    p, later = PAUSES.c, PAUSES.alias("later")
    when = and_(p.onset_ms >= query.begin_ms, p.onset_ms < query.end_ms)
    length_s = (p.end_ms - p.onset_ms) / 1000.0
    selected = select(p.onset_ms, *place_columns(), length_s, p.limit_s, p.contact, p.type, p.end_reason, p.mode, p.id)
    of_day = selected.join(BEDS, BEDS.c.id == p.bed_id).where(of_beds(connection, p.bed_id, query), when)
    statement = of_day.where(~exists().where(later.c.id == p.id, later.c.rev > p.rev)).order_by(p.onset_ms, p.id)
    columns: Columns = {
        "onset": "time",
        **PLACE,
        "length_s": "number",
        "limit_s": "number",
        "contact": "truth",
        "said": "text",
        "end_reason": "text",
        "mode": "text",
        "id": "text",
    }
    return ResultTable(columns, connection.execute(statement).all())


def _share(minutes: int, found: float | None, all_of: float | None) -> float | None:
    """Of the minutes that know it what share of their breathing has sound."""
    return float(found or 0) / float(all_of) if minutes >= KNOWN_MINUTES and all_of else None
