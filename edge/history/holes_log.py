"""Says in the log when numbers of a node are missing for longer than they can be on their way.

Not for listing them (`laennec history holes`). It looks every minute, with a connection of its own; it says
again only what has changed.
"""

from __future__ import annotations

import logging
import time

from sqlalchemy import Engine

from edge.errors import LaennecError
from edge.history.database import open_database, transaction
from edge.history.queries import missing

LOOK_S = 60.0
LATE_MS = 120_000  # what waits in a node's outbox comes behind live messages

logger = logging.getLogger(__name__)


class HolesLog:
    """What was said of holes; used by one thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._looked_s = time.monotonic()
        self._said = (0, 0)

    def tick(self, now_s: float) -> None:
        """Look, if a minute has passed."""
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        try:
            self._engine = self._engine or open_database(self._url)
            with transaction(self._engine) as connection:
                found = [row for row in missing(connection) if time.time() * 1000 - row.seen_ms > LATE_MS]
        except LaennecError:
            return  # the ingester says that the database is away; before its first batch there are no tables
        counts = len(found), sum(row.count or 0 for row in found)
        if counts != self._said:
            self._said = counts
            logger.warning("ingest holes=%d messages=%d; laennec history holes  lists them", *counts)

    def close(self) -> None:
        """Close its connection."""
        if self._engine is not None:
            self._engine.dispose()
