"""Messages wait here, on disk, until the broker has them; alarms and minutes are recorded in the same transactions.

Not for retained state such as status or health: that describes the present and is made anew at each start. Every
message gets the next `seq` (`edge.delivery.sequence`). When the disk refuses (full, read-only, locked, failing), at the
start or later, messages go on in memory, bounded, counted and logged, and are moved to the disk when it works again:
detection never stops for the disk, and never waits for it to begin. What memory holds is copied to a file whose room
was taken before (`edge.delivery.memory_copy`): the next process goes on with it, and no sound stays without its end.

A file that turns out to be damaged is replaced (`edge.delivery.disk`); what is lost is counted and logged.

What has no room is dropped by its priority (`edge.delivery.priority`), on the disk and in memory alike, each by
its own bound. What waits too long is dropped whatever it is. Its age is operating time: how long Laennec has run on
this box since; the time when it was off does not count, nor does a step of the wall clock.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from edge.contract.fields import Body
from edge.delivery import disk
from edge.delivery.alarm_rows import AlarmRows
from edge.delivery.alarm_table import DEFAULT_BOUND
from edge.delivery.database import open_store
from edge.delivery.disk import Disk, Replacement
from edge.delivery.entries import Entry, LiveEntries, OutboxStatus, Stamp
from edge.delivery.memory_copy import MemoryCopy
from edge.delivery.message_inbox import NO_ROWS, Rows
from edge.delivery.messages import Message
from edge.delivery.priority import CAUSES, DAMAGED, MessagePriority, nothing_dropped, priority_of
from edge.delivery.sequence import SequenceNumbers
from edge.delivery.store import Store
from edge.log import RateLimitedLog
from edge.ward.alarm_records import Record

MEMORY_BYTES = 16e6  # bound of what is kept in memory while the disk refuses, about 10 000 events
OPERATING_NOTE_S = 600.0  # how often a node that decides nothing notes its operating time

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


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
        """Open or create `path`; a damaged file is moved aside, and a log line names the new place.

        A disk that is full, read-only or failing is no error: messages are kept in memory, and `tidy` tries again.

        Args:
            path: the SQLite file.
            max_mb: size that what waits may reach, megabytes.
            max_age_h: how long it may wait, hours of operating time.
            wall: seconds since 1970.
            monotonic: seconds that never step.

        Raises:
            ConfigError: the path cannot be written.
            SourceError: another process holds it, or a newer Laennec wrote it.
        """
        self._path, self._max_bytes, self._max_age_s, self._wall = path, max_mb * 1e6, max_age_h * 3600, wall
        self._monotonic, self._operating_zero_s = monotonic, monotonic()
        self._mutex, self._limited_log = threading.Lock(), RateLimitedLog(logger)
        self._evicted, self._drops = nothing_dropped(), 0
        self.status = OutboxStatus()
        """To be read from any thread; each work here ends with a new one."""
        self._memory, self._live = open_store(":memory:"), LiveEntries()
        self._disk, self._copy = Disk(path), MemoryCopy(path)
        self.history_bound = DEFAULT_BOUND
        """How much is kept of what alarms did; to be set before the first `tidy`."""
        self._rows = AlarmRows(path, self._disk, self._memory)
        self._replacement = Replacement(self._disk, self._memory, self._live)
        self.alarm_revs: dict[str, int] | None = None
        """Of each alarm the last `rev` that earlier processes put here, by its name; None until it can be read."""
        try:
            stored = self._read_counters() if self._disk.open() else None
        except BaseException:
            self._disk.close()
            raise
        self._numbers = SequenceNumbers(self._disk.lock_file, stored)
        self.number_for("")
        self._live.forget(self._numbers.last)
        self._copy.take(self._memory, self._numbers.last, self._operating_s())
        self._record_operating_time(0.0)  # finds a full disk now
        self._publish()

    @property
    def path(self) -> Path:
        """The file; its lock keeps others away from what lies beside it, too."""
        return self._path

    @property
    def changes(self) -> int:
        """Grows when messages were dropped, or appeared that could not be read before."""
        return self._drops + self._disk.recoveries

    @property
    def last_seq(self) -> int:
        """`seq` of the newest message ever put, 0 before the first."""
        return self._numbers.last

    def number_for(self, node: str) -> None:
        """Write into each message up to which number a node, by its topic, had come; call it before the first `put`."""
        with self._mutex:
            self._node = node
            if self._numbers.is_known:
                before = self._disk.read(lambda store: store.assigned_seq(node), None)
                self._numbers.before = None if before is None else max(before, self._memory.last_seqs().get(node, 0))

    def put(self, messages: Sequence[Message], rows: Rows = NO_ROWS) -> bool:
        """Write messages, each with its `seq`, and rows in one transaction; when the disk refuses, keep them in memory.

        Updates of a sound are not kept there: after a death nobody would know which revs a consumer has, and the end
        that the next process makes must have a later one. Whether they are on disk.
        """
        with self._mutex:
            is_written = self._write(messages, rows) or (self._replace_damaged() and self._write(messages, rows))
            self._rows.put(rows.records)
            if is_written:
                if messages:
                    self._numbers.stored(len(messages))
                    self._disk.do("shrink", lambda store: self._count_dropped(store.shrink(self._max_bytes)))
            else:
                self._keep_in_memory(messages, rows)
                self._rows.refused(rows.records)
            self._rows.last += len(rows)
            self._publish()
            return is_written

    def _write(self, messages: Sequence[Message], rows: Rows) -> bool:
        return self._disk.write(lambda store: self._insert(store, messages, rows))

    def _keep_in_memory(self, messages: Sequence[Message], rows: Rows) -> None:
        self._replacement.hold(self._numbers.last, self._wall())
        self._numbers.reserve(len(messages))
        self._memory.insert(self._stamp(), messages, rows=rows)
        self._drop_updates(messages, self._numbers.last + 1)
        self._numbers.last += len(messages)
        self._live.forget(self._numbers.last)
        self._count_dropped(self._memory.shrink(MEMORY_BYTES))
        self._copy.write_from(self._memory)

    def alarm_records(self) -> tuple[list[Record], int]:
        """What must be remembered of the alarms, oldest first, and the `rev` above which every alarm goes on."""
        with self._mutex:
            return self._rows.remembered()

    def read(self, query: Callable[[Store], Result], otherwise: Result) -> Result:
        """What the file says, or `otherwise` if the disk refuses."""
        with self._mutex:
            return self._disk.read(query, otherwise)

    def waiting(self, after: int, until: int, limit: int) -> list[Entry]:
        """The oldest entries with after < seq <= until, at most `limit`."""
        with self._mutex:
            if (live := self._live.waiting(after, until, limit)) is not None:
                return live
            return disk.waiting(self._disk, self._memory, after, until, limit)

    def earlier(self, entry: Entry) -> list[Entry] | None:
        """What still waits of the same event with a lower `rev`, lowest first; None if that cannot be known now."""
        if (event := entry.event) is None or event[1] == 1:
            return []
        with self._mutex:
            if (live := self._live.earlier(event)) is not None:
                return list(live)
            return disk.earlier(self._disk, self._memory, event)

    def gone(self, seqs: Iterable[int]) -> list[int]:
        """Which of these do not wait any more, as far as the disk can be read."""
        wanted = list(seqs)
        with self._mutex:
            gone = self._disk.read(lambda store: store.gone(wanted), list[int]())
            return self._memory.gone(gone)

    def unfinished(self, boot_id: str) -> list[Body] | None:
        """Of each event of processes before `boot_id` that never got an end the last that was published, oldest first.

        None if that cannot be known now.
        """
        with self._mutex:
            return disk.unfinished(self._disk, self._memory, boot_id)

    def ended_by_restart(self) -> list[int]:
        """`seq` of the ends that wait and were made because a process died."""
        with self._mutex:
            return self._disk.read(Store.ended_by_restart, list[int]()) + self._memory.ended_by_restart()

    def ack(self, seqs: Iterable[int]) -> None:
        """The broker has these; they leave the disk with the next write, or by `delete_acknowledged`."""
        with self._mutex:
            seqs = list(seqs)
            self._live.remove(seqs)
            if len(on_disk := self._memory.gone(seqs)) < len(seqs):
                self._memory.delete(seqs)
                self._copy.is_old = True
            # What a damaged file has may be in memory as well (`Replacement.hold`): it is hidden in both.
            self._disk.ack(on_disk if self._disk.damage is None else seqs)
            self._publish()

    def delete_acknowledged(self) -> None:
        """Take what the broker has off the disk, without an fsync: what is still there goes again after a death."""
        with self._mutex:
            if self._disk.accepts_writes:  # else by `tidy`: a disk that refuses may take a second to say so
                self._disk.delete_acknowledged()

    def leave_out(self, update: int) -> None:
        """Drop the update with this `seq`: the broker takes too little, and the end of its sound repeats it."""
        self.ack([update])
        with self._mutex:
            self._count_dropped({CAUSES[MessagePriority.UPDATE]: 1}, is_known=True)
            self._publish()

    def tidy(self) -> None:
        """Drop what is too old, and move messages from memory to disk if it works again; to be called regularly."""
        with self._mutex:
            self._disk.delete_acknowledged()
            self._disk.let_others_read()
            self._replace_damaged()
            if not self._disk.is_open:
                self._open_late()
            before_s = self._operating_s() - self._max_age_s
            self._count_dropped(self._memory.expire(before_s))
            self._disk.do("expire", lambda store: self._count_dropped(store.expire(before_s)))
            self._disk.do("alarms", lambda store: store.change(lambda: store.alarms.tidy(self.history_bound)))
            self._move_memory()
            self._record_operating_time(OPERATING_NOTE_S if self._disk.accepts_writes else 0.0)
            self._copy.prepare()
            if self._copy.is_old:
                self._copy.write_from(self._memory)
            self._publish()

    def _move_memory(self) -> None:
        """What is in memory goes to the disk, if it works."""
        if self._memory.holds_anything() and self._disk.write(lambda store: store.take_over(self._memory)):
            self._numbers.stored()
            self._copy.is_old = True
            self._live.forget(self._numbers.last)
            logger.info("outbox disk=working path=%s; what waited in memory is on disk", self._path)

    def _replace_damaged(self) -> bool:
        """Replace the file if it is damaged, and write what is in memory; whether that was done."""
        if not self._replacement.replace(self._stamp(), self._monotonic()):
            return False
        self._rows.on_open()
        records = self._rows.not_in_file()
        self._memory.insert(self._stamp(), [], rows=Rows(records))
        self._rows.last += len(records)
        self._move_memory()
        self._count_dropped({DAMAGED: self._replacement.lost})
        return True

    @property
    def lost(self) -> int:
        """Messages that would be lost if the process ended now."""
        return 0 if self._copy.is_whole else self.status.in_memory

    def close(self) -> None:
        """Leave everything that waits on disk, and release the file."""
        self.tidy()
        with self._mutex:
            self._record_operating_time(0.0)
            with suppress(OSError):
                self._numbers.release_unused()
            self._memory.close()
            self._disk.close()

    def _publish(self) -> None:
        """Make a new status, at the end of all that changes it, with the mutex held."""
        in_memory = self._memory.depth()
        since_s = [self._memory.operating_s(seq) for seq in self._memory.oldest(1)]
        if (on_disk_s := self._disk.oldest_s()) is not None:
            since_s.append(on_disk_s)
        self.status = OutboxStatus(
            in_memory + self._disk.depth(),
            self._operating_zero_s + min(since_s) if since_s else None,
            in_memory,
            self._disk.accepts_writes,
            self._disk.failed_writes,
            dict(self._evicted),
            self._memory.alarms.count(),
        )

    def _read_counters(self) -> int | None:
        """The highest `seq` in the file just opened, None if unreadable; operating time goes on from what it holds."""
        self._operating_zero_s = min(
            self._operating_zero_s, self._monotonic() - self._disk.read(Store.operating_s, 0.0)
        )
        if self.alarm_revs is None:
            self.alarm_revs = self._disk.read(Store.alarm_revs, None)
        self._rows.on_open()
        return self._disk.read(Store.highest_seq, None)

    def _open_late(self) -> None:
        before_s = self._operating_s()
        if self._disk.open_late():
            self._numbers.attach(self._disk.lock_file, self._read_counters() or 0)
            self._live.forget(self._numbers.last)
            self._memory.add_operating_time(self._operating_s() - before_s)

    def _stamp(self) -> Stamp:
        numbers = self._numbers
        start, before, row = numbers.start, numbers.before, self._rows.last + 1
        return Stamp(numbers.last + 1, start, self._wall(), self._operating_s(), before, self._node, row)

    def _operating_s(self) -> float:
        """How long Laennec has run on this box, as far as its disk knows, seconds."""
        return self._monotonic() - self._operating_zero_s

    def _record_operating_time(self, every_s: float) -> None:
        seq, now_s = self._numbers.last, self._operating_s()
        if self._disk.is_open and now_s - self._disk.read(Store.operating_s, now_s) >= every_s:
            self._disk.write(lambda store: store.record_operating_time(seq, now_s))

    def _insert(self, store: Store, messages: Sequence[Message], rows: Rows) -> None:
        """Messages, rows, and the end of what the broker has, in one transaction."""
        delivered = list(self._disk.acknowledged)
        entries = store.insert(self._stamp(), messages, delivered, rows)
        self._disk.acknowledged.difference_update(delivered)
        self._live.add(entries, self._numbers.last + len(entries))

    def _drop_updates(self, messages: Sequence[Message], first_seq: int) -> None:
        """Of messages in memory; the others keep their numbers, for a write that failed may have reached the disk."""
        updates = [seq for seq, each in enumerate(messages, first_seq) if priority_of(each) is MessagePriority.UPDATE]
        self._memory.drop(updates)
        self._count_dropped({CAUSES[MessagePriority.UPDATE]: len(updates)})

    def _count_dropped(self, rows: dict[str, int], is_known: bool = False) -> None:
        for cause, number in rows.items():
            if number and cause in self._evicted:  # `delivered`, the log of what the broker has, is no loss
                self._evicted[cause] += number
                self._drops += 1
                if not is_known:
                    self._live.forget(self._numbers.last)
                self._limited_log.log(cause, f"outbox dropped={cause} total={self._evicted[cause]}", logging.ERROR)
