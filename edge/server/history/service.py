"""`laennec ingest` at work: two sessions at the broker, one database, its status, missing numbers in the log.

Not for how a message is stored (`edge.server.history.ingester`) nor for listing what is missing (`laennec history
missing`): the log has what is missing for longer than it can be on its way, looked for every minute with a connection
of its own, and logged again only when it has changed.

Events, gaps and changes of alarms have a session that the broker keeps for two weeks. Trends have one of their own that
it keeps for as long as it keeps a trend: they come by the minute from every bed, and in the queue of an ingester that
is away they would take the room of events.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Engine

from edge.contract import RECORDS, filters
from edge.contract.status import NodeState
from edge.contract.trend import TREND_EXPIRY_S, TrendMessage
from edge.delivery.consumer import SESSION_S, Subscriber, Subscription
from edge.errors import LaennecError
from edge.server.history.database import open_database, transaction
from edge.server.history.ingester import IN_FLIGHT, Ingester
from edge.server.history.presence import PUBLISH_S, Presence, topic_of
from edge.server.history.queries import missing
from edge.server.history.writer import HistoryWriter
from edge.settings.broker import Mqtt

LOOK_S = 60.0
LATE_MS = 120_000  # what waits in a node's outbox comes behind live messages

logger = logging.getLogger(__name__)


class MissingNumbersLog:
    """What was logged of missing numbers; used by one thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._looked_s = time.monotonic()
        self._published = (0, 0)

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
        if counts != self._published:
            self._published = counts
            logger.warning("ingest missing=%d messages=%d; laennec history missing  lists them", *counts)

    def close(self) -> None:
        """Close its connection."""
        if self._engine is not None:
            self._engine.dispose()


STORED = [RECORDS[table] for table in ("events", "gaps", "alarms", "clips")]  # of clips the numbers alone


@dataclass(frozen=True)
class IngestSettings:
    """What an operator decides of an ingester."""

    mqtt: Mqtt
    url: str
    """Of the database."""
    name: str
    """The broker keeps what it missed by this name."""


class IngestService:
    """One ingester; `run` until it is stopped."""

    def __init__(self, settings: IngestSettings, stop: threading.Event) -> None:
        """Prepare; nothing is connected before `run`.

        Args:
            settings: of the operator.
            stop: ends it.

        Raises:
            ConfigError: the URL is none, or the password or a certificate cannot be read.
        """
        self._settings, self._stop, prefix = settings, stop, settings.mqtt.prefix
        self._topic = topic_of(settings.mqtt.prefix, settings.name)
        writers = [HistoryWriter(settings.url), HistoryWriter(settings.url)]
        self._events, self._trends = (Ingester(writer, settings.mqtt.prefix, stop) for writer in writers)
        client = f"laennec-ingest.{settings.name}"
        stored, trends = tuple(filters(prefix, STORED)), tuple(filters(prefix, [TrendMessage]))
        subscriptions = [
            Subscription(client, stored, "ingest", SESSION_S, IN_FLIGHT, self._will),
            Subscription(f"{client}.trends", trends, "ingest trends", TREND_EXPIRY_S, IN_FLIGHT),
        ]
        pairs = zip(subscriptions, (self._events, self._trends), strict=True)
        self._of_events, self._of_trends = (Subscriber(settings.mqtt, each, taker) for each, taker in pairs)
        self._missing = MissingNumbersLog(settings.url)
        self._failure: Exception | None = None
        self._published: tuple[int, bool, float] | None = None  # connection, whether the database was away, when

    @property
    def counts(self) -> Counter[str]:
        """Since the start, as in `edge.server.history.ingester.Ingester.counts`."""
        return self._events.counts + self._trends.counts

    def run(self) -> None:
        """Ingest until stopped; trends in a thread of their own.

        Raises:
            SourceError: the broker refuses this user, or does not speak MQTT 5.
            ConfigError: the tables are of a newer version.
        """
        thread = threading.Thread(target=self._run_trends, name="trends")
        thread.start()
        try:
            self._of_events.run(self._stop, self._tick)
        finally:
            self._stop.set()
            thread.join()
            self._missing.close()
        if self._failure is not None:
            raise self._failure

    def _run_trends(self) -> None:
        try:
            self._of_trends.run(self._stop, lambda: None)
        except Exception as error:  # raised again by `run`, in the thread that is asked
            self._failure = error
            self._stop.set()

    def _tick(self) -> None:
        self._events.prepare()
        self._publish()
        self._missing.tick(time.monotonic())

    def _publish(self) -> None:
        """Publish its presence where it has changed, or a minute has passed."""
        if not self._of_events.is_connected:
            return
        is_away, now_s = self._events.is_away or self._trends.is_away, time.monotonic()
        number = self._of_events.connections
        state: NodeState = "stopped" if self._stop.is_set() else "online"
        if (
            self._published is None
            or self._published[:2] != (number, is_away)
            or state == "stopped"
            or (now_s - self._published[2] >= PUBLISH_S)
        ):
            self._published = number, is_away, now_s
            self._of_events.publish(self._topic, self._presence(state, is_away).payload())

    def _presence(self, state: NodeState, is_away: bool) -> Presence:
        waiting = self._events.waiting + self._trends.waiting
        return Presence(self._settings.name, state, "away" if is_away else "ok", waiting, self.counts)

    def _will(self) -> tuple[str, bytes]:
        return self._topic, Presence(self._settings.name, "offline").payload()
