"""Months of the large tables on PostgreSQL: made before their first row comes, dropped when they are old.

Not for SQLite, which has none. A row whose time is far from now, as of a node without a clock, lies in the partition
`TABLE_other`; so does a month that cannot be made because such rows lie there already. Nothing depends on which.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from edge.history.database import transaction

LOOK_BACK = timedelta(days=400)
LOOK_AHEAD = timedelta(days=40)
NAME = re.compile(r"(?P<table>[a-z]+)_(?P<year>[0-9]{4})_(?P<month>[0-9]{2})")
LOCK = 0x1AE22ED  # of PostgreSQL's advisory locks: one process at a time makes partitions

logger = logging.getLogger(__name__)

Month = tuple[int, int]
"""Year and month, UTC."""


class Partitions:
    """The months of one database, as far as this process knows them."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: set[tuple[str, Month]] = set()

    def make(self, engine: Engine, times: Iterable[tuple[str, int]], now: datetime) -> None:
        """Make sure that rows find their month.

        Args:
            engine: PostgreSQL; another database is left alone.
            times: table and milliseconds since 1970 of each row to come.
            now: an old or future month far from it is not made.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        if engine.dialect.name != "postgresql":
            return
        earliest, latest = month_of_time(now - LOOK_BACK), month_of_time(now + LOOK_AHEAD)
        wanted = {(table, month_of(ms)) for table, ms in times}
        wanted = {(table, month) for table, month in wanted if earliest <= month <= latest}
        for table, month in sorted(wanted - self._known):
            self._make(engine, table, month)
            self._known.add((table, month))

    def _make(self, engine: Engine, table: str, month: Month) -> None:
        begin, end = bounds_ms(month)
        name = f"{table}_{month[0]}_{month[1]:02d}"
        try:
            with transaction(engine) as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
                if not engine.dialect.has_table(connection, name):
                    line = f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ({begin}) TO ({end})"
                    connection.execute(text(line))
        except IntegrityError as error:  # rows of it lie in the other one
            logger.warning('ingest partition=%s cannot be made reason="%s"', name, str(error.orig).splitlines()[0])


def drop_before(connection: Connection, table: str, cut_ms: int) -> list[str]:
    """Drop the months of `table` that ended at or before `cut_ms`; their names."""
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:table AS regclass) ORDER BY 1"
    dropped = []
    for (name,) in connection.execute(text(query), {"table": table}):
        found = NAME.fullmatch(name)
        if found and bounds_ms((int(found["year"]), int(found["month"])))[1] <= cut_ms:
            connection.execute(text(f"DROP TABLE {name}"))
            dropped.append(name)
    return dropped


def month_of_time(moment: datetime) -> Month:
    """The month of a moment."""
    return moment.year, moment.month


def month_of(ms: int) -> Month:
    """The month of milliseconds since 1970."""
    return month_of_time(datetime.fromtimestamp(ms / 1000, timezone.utc))


def bounds_ms(month: Month) -> tuple[int, int]:
    """Begin of a month and of the next one, milliseconds since 1970."""
    year, number = month
    begin = datetime(year, number, 1, tzinfo=timezone.utc)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=timezone.utc)
    return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)
