"""Old rows go, and hours may stay longer; also out of a PostgreSQL database whose tables were cut by month."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from sqlalchemy import text

from edge.contract.fields import rfc3339
from edge.server.history.database import open_database, prune, transaction
from edge.server.history.writer import HistoryWriter
from tests.edge.server.exports.messages import event
from tests.edge.server.history.messages import batch, minute
from tests.edge.server.history.postgres import Postgres

NOW_S = round(datetime.now(timezone.utc).timestamp())
DAYS_AGO = (0, 20, 70, 130)


def at(days_ago: float) -> list[dict[str, Any]]:
    """An event and a minute, so many days ago."""
    then = rfc3339(NOW_S - days_ago * 86_400)
    ident = f"01M82V69XRES0V4E6QY2D{round(days_ago):05d}"
    onset = {**event("onset", 1, None), "id": ident}
    return [{**onset, "time": {**onset["time"], "onset": then}}, {**minute(round(days_ago)), "ts": then}]


def stored(url: str, table: str) -> int:
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
    assert [stored(url, table) for table in ("events", "minutes", "hours")] == [2, 2, 3]


@pytest.mark.needs("pg_ctlcluster")
def test_a_database_whose_tables_were_cut_by_month_is_written_and_pruned_as_any_other(postgres: Postgres) -> None:
    url = postgres.new_database()
    writer = HistoryWriter(url)
    writer.prepare()
    engine = open_database(url, writes=True)
    begin_ms = (NOW_S - 30 * 86_400) * 1000
    with transaction(engine) as connection:
        for line in (
            "ALTER TABLE events RENAME TO plain",
            "CREATE TABLE events (LIKE plain INCLUDING ALL) PARTITION BY RANGE (onset_ms)",
            "CREATE TABLE events_other PARTITION OF events DEFAULT",
            f"CREATE TABLE events_2026_01 PARTITION OF events FOR VALUES FROM ({begin_ms}) TO ({NOW_S * 1000})",
        ):
            connection.execute(text(line))
    counts = writer.write(batch(*(body for days in DAYS_AGO for body in at(days))))
    writer.close()
    assert (counts["events"], stored(url, "events_2026_01"), stored(url, "events_other")) == (4, 1, 3)
    assert prune(engine, NOW_S * 1000, 40, 100)["events"] == 2
    engine.dispose()
    assert (stored(url, "events"), stored(url, "events_2026_01")) == (2, 1)
