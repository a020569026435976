"""Months are made before their rows come, and old rows go; on PostgreSQL as whole months."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from sqlalchemy import text

from edge.delivery.messages import rfc3339
from edge.history.database import open_database, transaction
from edge.history.partitions import bounds_ms, month_of
from edge.history.retention import DAY_MS, prune
from edge.history.writer import HistoryWriter
from tests.edge.history.messages import batch, minute
from tests.edge.history.postgres import Postgres
from tests.edge.neighbours.messages import event

NOW_S = round(datetime.now(timezone.utc).timestamp())
DAYS_AGO = (0, 20, 70, 130)


def at(days_ago: float) -> list[dict[str, Any]]:
    """An event and a minute, so many days ago."""
    then = rfc3339(NOW_S - days_ago * 86_400)
    ident = f"01M82V69XRES0V4E6QY2D{round(days_ago):05d}"
    onset = {**event("onset", 1, None), "id": ident}
    return [{**onset, "time": {**onset["time"], "onset": then}}, {**minute(round(days_ago)), "ts": then}]


def kept(url: str, table: str) -> int:
    engine = open_database(url)
    with transaction(engine) as connection:
        (count,) = connection.execute(text(f"SELECT count(*) FROM {table}")).one()
    engine.dispose()
    return int(count)


def test_what_is_older_goes_and_hours_may_stay_longer(url: str) -> None:
    writer = HistoryWriter(url)
    writer.write(batch(*(body for days in DAYS_AGO for body in at(days))))
    writer.close()
    engine = open_database(url, writes=True)
    prune(engine, NOW_S * 1000, 40, 100)
    engine.dispose()
    in_months = url.startswith("postgresql")  # where a month stays until all of it is old
    assert [kept(url, table) for table in ("events", "minutes")] == [2 + (in_months and _is_kept(70, 40))] * 2
    assert kept(url, "hours") == 3 + (in_months and _is_kept(130, 100))


def _is_kept(days_ago: int, cut_days: int) -> bool:
    """Whether the month of a row is not wholly older than the cut."""
    return bounds_ms(month_of(NOW_S * 1000 - days_ago * DAY_MS))[1] > NOW_S * 1000 - cut_days * DAY_MS


def test_rows_lie_in_their_month_and_those_of_a_wrong_clock_in_the_other_one(postgres: Postgres) -> None:
    url = postgres.new_database()
    writer = HistoryWriter(url)
    writer.write(batch(*at(0), *at(20_000)))
    year, month = month_of(NOW_S * 1000)
    assert (kept(url, f"events_{year}_{month:02d}"), kept(url, "events_other")) == (1, 1)
    engine = open_database(url, writes=True)
    assert prune(engine, NOW_S * 1000, 40, 40)["events"] == 1, "of the year 1972"
    engine.dispose()
    writer.close()
    assert (kept(url, "events"), kept(url, "events_other")) == (1, 0)


@pytest.mark.parametrize(("month", "days"), [((2026, 2), 28), ((2028, 2), 29), ((2026, 12), 31)])
def test_a_month_is_as_long_as_in_the_calendar(month: tuple[int, int], days: int) -> None:
    begin, end = bounds_ms(month)
    assert end - begin == days * DAY_MS
    assert month_of(begin) == month_of(end - 1) == month
