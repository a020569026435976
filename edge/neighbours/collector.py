"""Events, trends and changes of alarms of all nodes at a broker, into a journal: an MQTT client, and nothing else.

Not for alarming anybody, and read by no alarm: it may be away. The broker keeps its session, and a message is
acknowledged when it is on the disk (`edge.delivery.subscriber`): a death at any moment loses nothing and may write a
copy. A 3.1.1 broker keeps nothing for it: it says so.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

from edge.contract import RECORDS, Record, filters, parse_record, table_of
from edge.contract.tables import COLUMNS
from edge.contract.topics import is_self_test
from edge.delivery.subscriber import Arrived, Subscriber, Subscription
from edge.log import RateLimitedLog
from edge.neighbours.journal import Journal, line_of
from edge.settings.mqtt import Mqtt

logger = logging.getLogger(__name__)


class Collector:
    """One subscriber; `run` until it is stopped. Its counts may be read from any thread."""

    def __init__(self, settings: Mqtt, name: str, journal: Journal) -> None:
        """Prepare; nothing is connected before `run`.

        Args:
            settings: the broker.
            name: of the client; the broker keeps what it missed under this name.
            journal: where messages go.

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        self._prefix, self._journal = settings.prefix, journal
        topics = filters(settings.prefix, [RECORDS[table] for table in COLUMNS])
        wanted = Subscription(
            f"laennec-export.{name}",
            tuple(topics),
            "export",
            takes_311=True,
        )
        self._subscriber = Subscriber(settings, wanted, self)
        self._limited_log = RateLimitedLog(logger)
        self.counts: Counter[str] = Counter()
        """Messages by table, and `refused` (not as the contract says) and `self-test`, which are not kept."""

    def run(self, stop: threading.Event, tick: Callable[[], None]) -> None:
        """Collect, and connect again whenever the connection is gone.

        Args:
            stop: ends it.
            tick: called a few times a second, while there is a connection or not.

        Raises:
            SourceError: the disk takes nothing, or the broker refuses this user or what it subscribes to.
        """
        self._subscriber.run(stop, tick)

    def connected(self) -> None:
        """Nothing waits here between two calls of `take`."""

    def take(self, came: list[Arrived]) -> list[Arrived]:
        """To the disk, as one; all of it may be acknowledged then.

        Raises:
            SourceError: the disk takes nothing.
        """
        if came:
            stored = [pair for message in came if (pair := self._to_store(message)) is not None]
            self._journal.append(stored)
            self.counts.update(table_of(record) for record, _ in stored)
        return came

    def _to_store(self, message: Arrived) -> tuple[Record, bytes] | None:
        if is_self_test(message.topic):
            self.counts["self-test"] += 1
            return None
        if not message.payload:  # a retained trend that was withdrawn
            return None
        try:
            record, body = parse_record(self._prefix, message.topic, message.payload)
            return record, line_of(record, body)
        except ValueError as error:
            self.counts["refused"] += 1
            self._limited_log.log("message", f'export message=refused topic={message.topic[:128]} reason="{error}"')
            return None
