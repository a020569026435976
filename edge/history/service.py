"""`laennec ingest` at work: two sessions at the broker, one database, and what it says of itself.

Not for how a message is stored (`edge.history.ingester`). Events, gaps and changes of alarms have a session that the
broker keeps for two weeks. Trends have one of their own that it keeps for as long as it keeps a trend: they come by the
minute from every bed, and in the queue of an ingester that is away they would take the room of events.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass

from edge.delivery.mqtt_client import ClientFactory
from edge.delivery.one_off_session import OneOffSession
from edge.delivery.record_reading import filters
from edge.delivery.subscriber import SESSION_S, Subscriber, Subscription
from edge.delivery.trend import TREND_EXPIRY_S
from edge.errors import SourceError
from edge.history.holes_log import HolesLog
from edge.history.ingester import IN_FLIGHT, Ingester
from edge.history.presence import SAID_S, Presence, State, topic_of
from edge.history.writer import HistoryWriter
from edge.settings.mqtt import Mqtt

KEPT = ("events", "gaps", "alarms", "clips")  # of clips the numbers alone
DRAINED_S = 5.0  # after so long without a message nothing waits at the broker

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IngestSettings:
    """What an operator decides of an ingester."""

    mqtt: Mqtt
    url: str
    """Of the database."""
    name: str
    """The broker keeps what it missed by this name."""
    group: str | None = None
    """Ingesters of one group share the messages among them."""


class IngestService:
    """One ingester; `run` until it is stopped."""

    def __init__(self, settings: IngestSettings, stop: threading.Event, is_last: bool = False) -> None:
        """Prepare; nothing is connected before `run`.

        Args:
            settings: of the operator.
            stop: ends it.
            is_last: subscribe to nothing, take what waits, and be forgotten by the broker.

        Raises:
            ConfigError: the URL is none, or the password or a certificate cannot be read.
        """
        self._settings, self._stop, self._is_last = settings, stop, is_last
        self._topic = topic_of(settings.mqtt.prefix, settings.name)
        writers = [HistoryWriter(settings.url), HistoryWriter(settings.url)]
        self._events, self._trends = (Ingester(writer, settings.mqtt.prefix, stop) for writer in writers)
        self._clients = [f"laennec-ingest.{settings.name}{end}" for end in ("", ".trends")]
        wanted = [
            Subscription(
                self._clients[0], self._filters(KEPT), "ingest", SESSION_S, IN_FLIGHT, self._will, is_last=is_last
            ),
            Subscription(
                self._clients[1], self._filters(("trends",)), "ingest trends", TREND_EXPIRY_S, IN_FLIGHT,
                is_last=is_last,
            ),
        ]  # fmt: skip
        pairs = zip(wanted, (self._events, self._trends), strict=True)
        self._of_events, self._of_trends = (Subscriber(settings.mqtt, each, taker) for each, taker in pairs)
        self._holes = HolesLog(settings.url)
        self._failure: Exception | None = None
        self._said: tuple[int, bool, float] | None = None  # connection, whether the database was away, when
        self._seen, self._quiet_s, self._has_drained = (0, 0, 0), time.monotonic(), False

    @property
    def counts(self) -> Counter[str]:
        """Since the start, as in `edge.history.ingester.Ingester.counts`."""
        return self._events.counts + self._trends.counts

    def run(self) -> None:
        """Ingest until stopped; trends in a thread of their own.

        Raises:
            SourceError: the broker refuses this user, or does not speak MQTT 5; or it was to be forgotten, and was
                stopped before all that waits was taken.
            ConfigError: the tables are of a newer version.
        """
        thread = threading.Thread(target=self._run_trends, name="trends")
        thread.start()
        try:
            self._of_events.run(self._stop, self._tick)
        finally:
            self._stop.set()
            thread.join()
            self._holes.close()
        if self._failure is not None:
            raise self._failure
        if self._is_last and not self._has_drained:  # what still waits would go with the sessions
            raise SourceError("--retire: stopped before all that waits was taken; the broker keeps it: run it again")
        if self._is_last:
            self._end_sessions()

    def _run_trends(self) -> None:
        try:
            self._of_trends.run(self._stop, lambda: None)
        except Exception as error:  # raised again by `run`, in the thread that is asked
            self._failure = error
            self._stop.set()

    def _tick(self) -> None:
        self._events.prepare()
        if self._is_last and self._is_drained():
            self._has_drained = True
            self._stop.set()
        if not self._is_last:
            self._say()
        self._holes.tick(time.monotonic())

    def _say(self) -> None:
        """Publish its presence where it has changed, or a minute has passed."""
        if not self._of_events.is_connected:
            return
        is_away, now_s = self._events.is_away or self._trends.is_away, time.monotonic()
        number = self._of_events.connections
        state: State = "stopped" if self._stop.is_set() else "online"
        if self._said is None or self._said[:2] != (number, is_away) or state == "stopped" or (
            now_s - self._said[2] >= SAID_S
        ):  # fmt: skip
            self._said = number, is_away, now_s
            self._of_events.publish(self._topic, self._presence(state, is_away).payload())

    def _presence(self, state: State, is_away: bool) -> Presence:
        waiting = self._events.waiting + self._trends.waiting
        return Presence(self._settings.name, state, "away" if is_away else "ok", waiting, self.counts)

    def _will(self) -> tuple[str, bytes]:
        return self._topic, Presence(self._settings.name, "offline").payload()

    def _filters(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        shared = f"$share/{self._settings.group}/" if self._settings.group else ""
        return tuple(f"{shared}{each}" for each in filters(self._settings.mqtt.prefix, kinds))

    def _is_drained(self) -> bool:
        """Whether both sessions are there and have brought nothing for a while; a new one had no time to."""
        connections = self._of_events.connections, self._of_trends.connections
        seen, now_s = (sum(self.counts.values()), *connections), time.monotonic()
        is_busy = seen != self._seen or self._events.waiting or self._trends.waiting
        is_there = self._of_events.is_connected and self._of_trends.is_connected
        if is_busy or not is_there:
            self._seen, self._quiet_s = seen, now_s
        return now_s - self._quiet_s >= DRAINED_S

    def _end_sessions(self) -> None:
        """A clean session in the place of each, and no word of presence."""
        where = f"broker {self._settings.mqtt.host}:{self._settings.mqtt.tcp_port}"
        try:
            for client in self._clients:
                with OneOffSession(ClientFactory(self._settings.mqtt, client)) as session:
                    if not session.is_accepted:
                        raise SourceError(f"{where}: did not forget {client}; run it again")
                    session.clear(self._topic)
        except (OSError, ValueError) as error:
            raise SourceError(f"{where}: {error}; it has not forgotten this ingester: run it again") from None
