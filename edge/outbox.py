"""What was decided waits here, on disk, until the broker has it (store and forward).

Not for retained state such as status or health: that describes the present and is made anew at each start. Every
message gets the next `seq`, so a hole at the consumer is a message that was dropped. When the disk refuses (full,
locked, failing), messages go on in memory, bounded, counted and told, and are moved to the disk when it works again:
detection never stops for the disk.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.log import Repeats
from edge.messages import Message
from edge.store import Entry, hold, open_or_replace, open_store

SPARE_BYTES = 16e6  # bound of what is kept in memory while the disk refuses, about 10 000 events

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Counts:
    """What the health report says of the outbox."""

    waiting: int = 0
    oldest_s: float = 0.0
    """Age of the oldest waiting message by the wall clock, seconds."""
    in_memory: int = 0
    """Messages that the disk refused; a power cut would lose them."""
    failed_writes: int = 0
    evicted: dict[str, int] = field(default_factory=lambda: {"technical": 0, "event": 0, "expired": 0})
    """Messages that were dropped undelivered, by cause."""


class Outbox:
    """A bounded queue on disk. Safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        max_mb: float,
        max_age_h: float,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open or create `path`; a damaged file is moved aside with a log line that says where.

        Args:
            path: the SQLite file.
            max_mb: size that what waits may reach, megabytes.
            max_age_h: how long it may wait, hours.
            wall: seconds since 1970.
            monotonic: seconds that never step.

        Raises:
            ConfigError: the path cannot be written.
            SourceError: another process holds it, or a newer Laennec wrote it.
        """
        self._path, self._max_bytes, self._max_age_s, self._wall = path, max_mb * 1e6, max_age_h * 3600, wall
        self._mutex = threading.Lock()
        self._repeats = Repeats(logger)
        self._counts = Counts()
        self._claim = hold(path)
        try:
            self._disk = open_or_replace(path)
        except BaseException:
            self._claim.close()
            raise
        self._spare = open_store(":memory:")
        self._last_seq = self._inherited_seq = self._disk.highest_seq()
        self._monotonic = monotonic
        self._started_s = monotonic()

    @property
    def last_seq(self) -> int:
        """`seq` of the newest message ever put, 0 before the first."""
        return self._last_seq

    def put(self, messages: Sequence[Message]) -> None:
        """Write messages in one transaction and give each its `seq`; when the disk refuses, keep them in memory."""
        with self._mutex:
            first, now = self._last_seq + 1, self._wall()
            self._last_seq += len(messages)
            if self._on_disk("write", lambda: self._disk.insert(first, messages, now)):
                self._on_disk("shrink", lambda: self._dropped(self._disk.shrink(self._max_bytes)))
            else:
                self._spare.insert(first, messages, now)
                self._dropped(self._spare.shrink(SPARE_BYTES))

    def waiting(self, after: int, until: int, limit: int) -> list[Entry]:
        """The oldest entries with after < seq <= until, at most `limit`."""
        entries: list[Entry] = []
        with self._mutex:
            self._on_disk("read", lambda: entries.extend(self._disk.waiting(after, until, limit)))
            entries += self._spare.waiting(after, until, limit)
        return sorted(entries, key=lambda entry: entry.seq)[:limit]

    def ack(self, seqs: Iterable[int]) -> None:
        """Forget messages that the broker has; if the disk refuses, they are sent once more after a restart."""
        known = list(seqs)
        with self._mutex:
            self._spare.delete(known)
            self._on_disk("delete", lambda: self._disk.delete(known))

    def tidy(self) -> None:
        """Drop what is too old, and move what waits in memory to the disk if it works again; call it now and then."""
        before_s = self._wall() - self._max_age_s
        # A wall clock that is set in mid-run makes new messages look old, but none of them is older than this process.
        until_seq = self._inherited_seq if self._monotonic() - self._started_s < self._max_age_s else self._last_seq
        with self._mutex:
            self._on_disk("expire", lambda: self._dropped(self._disk.expire(before_s, until_seq)))
            self._dropped(self._spare.expire(before_s, until_seq))
            if self._spare.depth()[0] and self._on_disk("write", lambda: self._disk.take_over(self._spare)):
                logger.info("outbox disk=working path=%s; what waited in memory is on disk", self._path)

    def counts(self) -> Counts:
        """The state of the outbox now."""
        with self._mutex:
            spare = self._spare.depth()
            depths = [spare]
            self._on_disk("read", lambda: depths.append(self._disk.depth()))
            oldest = min((written_s for _, written_s in depths if written_s is not None), default=None)
            return replace(
                self._counts,
                waiting=sum(number for number, _ in depths),
                oldest_s=0.0 if oldest is None else round(max(0.0, self._wall() - oldest), 1),
                in_memory=spare[0],
                evicted=dict(self._counts.evicted),
            )

    def close(self) -> None:
        """Leave everything that waits on disk and give the file free."""
        self.tidy()
        with self._mutex:
            self._spare.close()
            self._disk.close()
            self._claim.close()

    def _on_disk(self, action: str, work: Callable[[], None]) -> bool:
        """Do `work` on the disk; false, counted and told, if the disk refuses."""
        try:
            work()
        except sqlite3.Error as error:
            if action == "write":
                self._counts = replace(self._counts, failed_writes=self._counts.failed_writes + 1)
            line = f'outbox disk=refuses action={action} reason="{error}" path={self._path}; events are kept in memory'
            self._repeats.tell("disk", line, logging.ERROR)
            return False
        if action == "write":
            self._repeats.over("disk")
        return True

    def _dropped(self, rows: dict[str, int]) -> None:
        for cause, number in rows.items():
            if number and cause in self._counts.evicted:  # the log of what the broker has is no loss
                self._counts.evicted[cause] += number
                self._repeats.tell(cause, f"outbox dropped={cause} total={self._counts.evicted[cause]}", logging.ERROR)
