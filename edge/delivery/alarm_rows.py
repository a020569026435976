"""What the outbox does for the alarms: their row numbers, the bound of their revs, and what is remembered of them.

Not for the tables (`edge.delivery.alarm_table`). While the disk refuses, an alarm goes on with revs that only memory
knows. So before anybody can publish one, a bound of all revs is written in place to the lock file, which a full disk
takes; the next process goes on above it. Where not even that can be written (a disk that is read-only), a log line says
that a `rev` may come again after a death.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.delivery.alarm_messages import name_of
from edge.delivery.alarm_table import AlarmTable
from edge.delivery.disk import Disk
from edge.delivery.sequence import jump
from edge.delivery.store import Store
from edge.log import RateLimitedLog
from edge.ward.alarm_records import Record, Transition, to_line

IN_MEMORY = Path("/dev/shm")  # a folder that needs no disk
MOST_IN_MEMORY = 20_000  # records of alarms that the disk refused, 10 MB; what each alarm is now always stays
RESERVE = 10_000  # revs that may be published before the disk is asked again; a busy alarm has some hundreds a day

logger = logging.getLogger(__name__)


class AlarmRows:
    """Of one outbox, whose mutex is held."""

    def __init__(self, path: Path, disk: Disk, memory: Store) -> None:
        self._path, self._disk, self._memory = path, disk, memory
        self._limited_log = RateLimitedLog(logger)
        self._reserved = 0
        self.last = 0
        """Number of the newest row of alarms and minutes."""
        self.current: dict[str, Transition] = {}
        """The last change of each alarm that was put here, by its name."""

    def on_open(self) -> None:
        """The file was opened just now: what memory holds goes behind the rows that the file has."""
        used = self._disk.read(lambda store: store.alarms.last_row(), 0)
        self._memory.change(lambda: self._memory.alarms.shift(used))
        self.last += used
        if (lock := self._disk.lock_file) is not None:
            self._reserved = max(self._reserved, lock.reserved_revs())
        if self._disk.is_replacement:
            self._reserve(jump(self._reserved))

    def remembered(self) -> tuple[list[Record], int]:
        """What must be remembered of the alarms, oldest first, and the `rev` above which every alarm goes on."""
        found: list[Record] | None = self._disk.read(lambda store: store.alarms.remembered(), None)
        if found is None:
            found = remembered_of_copy(self._path)
            self._reserve(jump(self._reserved))
        self.put(found)
        return found, self._reserved

    def put(self, records: Sequence[Record]) -> None:
        """These are put into the outbox, or come from it."""
        self.current |= {name_of(each.key): each for each in records if isinstance(each, Transition)}

    def not_in_file(self) -> list[Record]:
        """What the alarms are now, as far as a file that replaced a damaged one does not say it."""
        lines = self._disk.read(lambda store: store.alarms.lines(), set[bytes]())
        return [each for each in self.current.values() if to_line(each) not in lines]

    def refused(self, records: Sequence[Record]) -> None:
        """The disk refused these, and they are in memory: make sure that no later process gives their revs again."""
        highest = max((each.state.rev for each in records if isinstance(each, Transition)), default=0)
        # RESERVE at a time, so that the lock file is written once for many changes.
        if highest >= self._reserved:
            self._reserve(highest + RESERVE)
        if lost := self._memory.bound_records(MOST_IN_MEMORY):
            line = f"alarms history=lost records={lost}; the disk refuses, what each alarm is now is known"
            self._limited_log.log("lost", line, logging.ERROR)

    def _reserve(self, rev: int) -> None:
        self._reserved = rev
        try:
            if self._disk.lock_file is None:
                raise OSError("there is no lock file")
            self._disk.lock_file.reserve_revs(rev)
        except OSError as error:
            line = f'alarms revs=refused path={self._path}.lock reason="{error}"; one may be given twice after a death'
            self._limited_log.log("revs", line, logging.ERROR)


def remembered_of_copy(path: Path) -> list[Record]:
    """What must be remembered of alarms, from a copy in memory of a file that cannot be opened where it is.

    So it is on a disk that became read-only, as Linux makes one that fails: there a database cannot be opened.

    Returns:
        Oldest first; nothing where there is none, or it cannot be read at all.
    """
    with suppress(OSError, sqlite3.Error), TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        with closing(sqlite3.connect(copy)) as db:
            return AlarmTable(db).remembered()
    return []
