"""Old rows away.

Not for beds and the numbers of messages, which stay: they are few. Hours may stay longer than what they are made of.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Engine, delete, text

from edge.history.database import transaction
from edge.history.tables import METADATA, TIMES

OF_HOURS = ("hours", "losses")
DAY_MS = 86_400_000


def prune(engine: Engine, now_ms: int, days: int, hours_days: int) -> Counter[str]:
    """Take away what is old.

    Args:
        engine: opened for writing.
        now_ms: milliseconds since 1970.
        days: how long events, gaps, alarms and minutes stay.
        hours_days: how long hours stay.

    Returns:
        Rows by table.

    Raises:
        DatabaseAwayError: the database does not answer; each table is done whole or not at all.
    """
    found: Counter[str] = Counter()
    for table, column in sorted(TIMES.items()):
        cut_ms = now_ms - DAY_MS * (hours_days if table in OF_HOURS else days)
        with transaction(engine) as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            old = METADATA.tables[table].c[column] < cut_ms
            found[table] = connection.execute(delete(METADATA.tables[table]).where(old)).rowcount
    return found
