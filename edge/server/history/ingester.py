"""Messages of one session into the database, in batches: acknowledged to the broker once they are committed there.

Not for the connection (`edge.delivery.consumer`) nor for the tables (`edge.server.history.writer`). While the database
is away, what came stays unacknowledged: the broker keeps it and all that follows, and only `IN_FLIGHT` messages wait
here. A message that the database itself refuses is refused alone, not with its batch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from edge.contract import parse_record
from edge.contract.topics import is_self_test
from edge.delivery.consumer import ReceivedMessage
from edge.errors import ConfigError, SourceError
from edge.log import RateLimitedLog
from edge.server.history.database import DatabaseAwayError
from edge.server.history.tables import Batch
from edge.server.history.writer import HistoryWriter

BATCH = 500
WAIT_S = 1.0  # how long a message waits for others
IN_FLIGHT = 2 * BATCH  # messages that the broker sends ahead of their acknowledgement
RETRY_MIN_S, RETRY_MAX_S = 0.5, 30.0  # between two attempts to write

logger = logging.getLogger(__name__)


class Ingester:
    """What takes the messages of one subscriber. Its counts may be read from any thread."""

    def __init__(self, writer: HistoryWriter, prefix: str, stop: threading.Event) -> None:
        """Nothing has come yet.

        Args:
            writer: of the database; used by the thread of the subscriber alone.
            prefix: first levels of all topics.
            stop: what waits is written at once when it is set.
        """
        self._writer, self._prefix, self._stop = writer, prefix, stop
        self._waiting: list[ReceivedMessage] = []
        self._since_s = self._retry_s = 0.0
        self._backoff_s, self._is_prepared = RETRY_MIN_S, False
        self._limited_log = RateLimitedLog(logger)
        self.counts: Counter[str] = Counter()
        """New rows by table, `copies`, `self-tests`, and `refused`: not as the contract says, or not storable."""
        self.is_away = False
        """Whether the database did not answer last time."""

    @property
    def waiting(self) -> int:
        """Messages that came and are not in the database."""
        return len(self._waiting)

    def connected(self) -> None:
        """What an earlier connection brought stays, once each: a broker that was killed may not bring it again."""
        self._waiting = list({(each.topic, each.payload): each for each in self._waiting}.values())

    def prepare(self) -> None:
        """Bring the tables up to date, once, before a message comes: whoever asks the database needs them.

        Call it again and again; while the database is away it is tried as a batch is.

        Raises:
            ConfigError: the tables are of a newer version.
        """
        if self._is_prepared or time.monotonic() < self._retry_s:
            return
        with self._answering():
            self._writer.prepare()
            self._is_prepared = True

    def take(self, came: list[ReceivedMessage]) -> list[ReceivedMessage]:
        """Take messages; write what is due.

        Returns:
            What is committed now.

        Raises:
            ConfigError: the tables are of a newer version.
        """
        safe: list[ReceivedMessage] = []
        if came and not self._waiting:
            self._since_s = time.monotonic()
        self._waiting += came
        while self._is_due(time.monotonic()):
            some = self._waiting[:BATCH]
            if not self._store(some):
                break
            # Behind the commit: what fails stays first in line, with `IN_FLIGHT` messages at most behind it.
            del self._waiting[: len(some)]
            self._since_s = time.monotonic()
            safe += some
        return safe

    def _is_due(self, now_s: float) -> bool:
        if not self._waiting or now_s < self._retry_s:
            return False
        return len(self._waiting) >= BATCH or now_s - self._since_s >= WAIT_S or self._stop.is_set()

    def _store(self, some: Sequence[ReceivedMessage]) -> bool:
        """Write messages; false if the database is away."""
        with self._answering():
            self.counts.update(self._written(some))
        return not self.is_away

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """What is done with the database; where it is away, that is logged, and it is tried again later."""
        try:
            yield
        except DatabaseAwayError as error:
            self.is_away = True
            self._retry_s = time.monotonic() + self._backoff_s
            self._backoff_s = min(2 * self._backoff_s, RETRY_MAX_S)
            line = f'ingest database=away reason="{error}" waiting={self.waiting}; the broker keeps what comes'
            self._limited_log.log("away", line)
            return
        if self._limited_log.clear("away"):
            logger.info("ingest database=back waiting=%d", self.waiting)
        self.is_away, self._backoff_s = False, RETRY_MIN_S

    def _written(self, some: Sequence[ReceivedMessage]) -> Counter[str]:
        """What became of messages; where they cannot be written together, each alone."""
        batch, counts = self._batch_of(some)
        try:
            return counts + self._writer.write(batch)
        except (DatabaseAwayError, ConfigError):
            raise
        except (SQLAlchemyError, SourceError, ValueError, OverflowError) as error:
            if len(some) > 1:
                return sum((self._written([each]) for each in some), Counter())
            why = str(error) if isinstance(error, SourceError) else type(error).__name__
            self._refuse(some[0], f"the database does not take it: {why}")
            return Counter(refused=1)

    def _batch_of(self, some: Sequence[ReceivedMessage]) -> tuple[Batch, Counter[str]]:
        batch, counts = Batch(), Counter[str]()
        for each in some:
            if not each.payload:  # a retained trend that was withdrawn
                continue
            is_test = is_self_test(each.topic)
            counts["self-tests"] += is_test
            try:
                batch.add(parse_record(self._prefix, each.topic, each.payload)[0], is_test)
            except ValueError as error:
                counts["refused"] += 1
                self._refuse(each, str(error))
        return batch, counts

    def _refuse(self, message: ReceivedMessage, why: str) -> None:
        self._limited_log.log("message", f'ingest message=refused topic={message.topic[:128]!r} reason="{why}"')
