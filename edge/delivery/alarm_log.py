"""The log of alarms on disk: a line of JSON for each record, from which the alarms are rebuilt after any death.

Not for what the records mean (`edge.ward.alarms`). Records are appended and written through to the disk (fsync) before
anybody is told of them: `kill -9` loses nothing, and a power cut nothing that a consumer has seen. A line that a death
tore is dropped when the file is opened; a damaged one is skipped and counted. Beyond `MAX_BYTES` the file becomes
`<name>.1`, in place of the one before (`edge.delivery.alarm_history` has taken that), and a new one begins with all
that must be remembered; where there is no room for it, the file just grows on. A file that could not be read is never
written over: it is moved aside, to `<name>.unread-<time>`. Folding the history may take
seconds, in which the file grows on, too.

A disk that refuses, or has not answered within a second (`edge.delivery.disk`), is no error: alarms go on in memory,
`is_behind` says so, and as soon as it accepts again the file is written anew with all that must be remembered. What
happened in between is then missing in what a person reads, and counted; of the state nothing is. If the process dies
before that, the next one goes on from an older log, and must not give a `rev` twice: readers keep the highest of each
alarm. So before anybody is told of what the log refused, a bound of all revs is written in place to `<name>.revs`,
which a full disk takes; `rev_floor` says from where to go on. Where not even that can be written (a disk that is
read-only), a log line says that a `rev` may come again after a death.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from edge.delivery.alarm_history import DEFAULT_BOUND, HistoryBound, parse, take
from edge.delivery.database import is_marked, loss, mark_written, read_number, write_number
from edge.delivery.disk import PatientDisk, StalledError
from edge.delivery.sequence import jump
from edge.files import open_private, restrict, sync
from edge.log import RateLimitedLog
from edge.ward.alarm_records import Record, Transition, to_line

RESERVE = 10_000  # revs that may be told before the disk is asked again; a busy alarm has some hundreds a day
MAX_BYTES = 4_000_000  # about 8000 transitions; with the file before at most twice that is on disk
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP)  # a file system that has none, such as FAT

logger = logging.getLogger(__name__)


class AlarmLog:
    """The log of one node; one process and one thread at a time (the outbox beside it is locked)."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, history: HistoryBound = DEFAULT_BOUND) -> None:
        """Prepare; nothing is read or written before `read`.

        Args:
            path: the file.
            max_bytes: size beyond which it is begun anew.
            history: how much is kept of what it was before.
        """
        self._path, self._max_bytes, self._history = path, max_bytes, history
        self._limited_log, self._disk = RateLimitedLog(logger), PatientDisk("alarm-log")
        self._history_disk = PatientDisk(
            "alarm-history"
        )  # of its own: folding takes seconds, and no alarm waits for it
        self._begun, self._taken = 0, -1  # how often the file was begun anew; after which of these `.1` was folded
        self._bytes = self._reserved = 0
        self._is_unread = self._is_marked = False
        self.rev_floor = 0
        """Every alarm goes on above this `rev`: up to here it may have been told without being in the log."""
        self.is_behind = False
        """Whether the disk does not have everything that must be remembered."""
        self.unwritten = 0
        """Records that no reader of the file will find, since the start."""

    def read(self) -> list[Record]:
        """What was recorded, oldest first; a torn last line is cut off, so that the next one begins a line."""
        restrict(self._path)
        self._read_reserve()
        try:
            content = self._path.read_bytes() if self._path.exists() else b""
        except OSError as error:
            self._refused(error, 0)
            self._is_unread, self.rev_floor = True, jump(self.rev_floor)  # above what it holds, whatever that is
            self._reserve(self.rev_floor)
            return []
        if (lost := loss(self._path, self._is_marked)) is not None:
            line = "alarms log=lost path=%s; it was written and %s: alarms begin anew, with numbers far beyond"
            logger.error(line, self._path, lost)
            self.rev_floor = jump(self.rev_floor)
            self._reserve(self.rev_floor)
        whole = content[: content.rfind(b"\n") + 1]
        records, damaged = parse(whole)
        if damaged:
            logger.error("alarms log=damaged path=%s lines=%d; they are skipped", self._path, damaged)
        self._bytes = len(whole)
        if len(whole) != len(content):
            self._cut(len(content))
        return records

    def append(self, records: Sequence[Record]) -> bool:
        """Write records through to the disk, all or none.

        Returns:
            Whether the disk has them; if not, `rewrite` must bring it up to date.
        """
        if self.is_behind:
            self._reserve(_highest_rev(records))
            self.unwritten += len(records)
            return False
        payload = b"".join(to_line(record) + b"\n" for record in records)
        try:
            self._disk.do(lambda: self._write_through(payload))
        except OSError as error:
            self._refused(error, len(records))
            self._reserve(_highest_rev(records))
            return False
        self._bytes += len(payload)
        self._mark()
        return True

    def _write_through(self, payload: bytes) -> None:
        is_new = not self._path.exists()
        with open_private(self._path, "ab") as file:
            file.write(payload)
            sync(file)
        if is_new:
            sync(self._path.parent)

    def close(self) -> None:
        """Nothing more is written."""
        self._disk.close()
        self._history_disk.close()

    @property
    def is_full(self) -> bool:
        """Whether it is time for `rewrite`."""
        return self._bytes > self._max_bytes

    def rewrite(self, records: Iterable[Record]) -> bool:
        """Begin the file anew with what must be remembered; the old one stays beside it. Returns whether it could.

        At every moment the file is whole: it is replaced by one that is on the disk already.
        """
        payload = b"".join(to_line(record) + b"\n" for record in records)
        try:
            self._take_history()
            self._disk.do(lambda: self._begin_anew(payload))
        except OSError as error:
            self._not_begun_anew(error)
            return False
        if self.is_behind:
            logger.info("alarms log=working path=%s unwritten=%d", self._path, self.unwritten)
            self._limited_log.clear("refused")
        self._bytes, self.is_behind = len(payload), False
        self._mark()
        return True

    def _begin_anew(self, payload: bytes) -> None:
        new, old = (self._path.with_name(f"{self._path.name}.{each}") for each in ("new", "old"))
        try:
            with open_private(new, "wb") as file:
                file.write(payload)
                sync(file)
            self._begun += 1
            self._keep_old(old)
            os.replace(new, self._path)
            sync(self._path.parent)
        finally:
            for path in (new, old):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _take_history(self) -> None:
        """Bring what the file is about to replace into the history; what must be remembered waits for no history.

        Raises:
            OSError: it is not there yet, and nothing is lost if the file grows on meanwhile.
        """
        begun = self._begun
        if self._taken == begun:
            return

        def work() -> None:
            take(self._path, before(self._path), self._history)
            self._taken = begun

        try:
            self._history_disk.do(work)
        except OSError as error:
            if not self.is_behind:
                raise
            self._limited_log.log("history", f"alarms history=lost path={self._path} reason={error}", logging.ERROR)

    def _keep_old(self, link: Path) -> None:
        """Give the file its second name; it keeps the first until the new one takes that."""
        if not self._path.exists():
            return
        if self._is_unread:
            aside = self._path.with_name(f"{self._path.name}.unread-{time.strftime('%Y%m%dT%H%M%S')}")
            os.replace(self._path, aside)
            self._is_unread = False
            logger.error("alarms log=unread moved_to=%s; a new one is begun", aside)
            return
        link.unlink(missing_ok=True)
        try:
            os.link(self._path, link)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            shutil.copyfile(self._path, link)
        os.replace(link, before(self._path))

    def _not_begun_anew(self, error: OSError) -> None:
        if self.is_behind:
            self._refused(error, 0)
            return
        line = f'alarms log=long path={self._path} reason="{error.strerror or error}"; it grows on until there is room'
        level = (
            logging.INFO if isinstance(error, StalledError) else logging.ERROR
        )  # mostly history that is folded still
        self._limited_log.log("long", line, level)

    def _cut(self, found: int) -> None:
        """Take the torn last line off; a disk that does not let it be has the records before it all the same."""
        try:
            os.truncate(self._path, self._bytes)
            logger.warning("alarms log=torn path=%s bytes=%d; the last line was cut off", self._path, found)
        except OSError as error:
            self._refused(error, 0)

    def _read_reserve(self) -> None:
        """Learn the bound, and take the room for one while there is some."""
        try:
            with self._open_reserve() as file:
                self.rev_floor = self._reserved = read_number(file.fileno())
                self._is_marked = is_marked(file.fileno())
                if not self._reserved and not self._is_marked:
                    write_number(file.fileno(), 0)
        except OSError as error:
            self._unreserved(error)

    def _reserve(self, highest: int) -> None:
        """Make sure that no later process gives this `rev` again, or one below it; it goes on above the bound."""
        if highest < self._reserved:
            return
        try:
            self._disk.do(lambda: self._write_reserve(highest + RESERVE))
            self._reserved = highest + RESERVE
        except OSError as error:
            self._unreserved(error)

    def _write_reserve(self, number: int) -> None:
        with self._open_reserve() as file:
            write_number(file.fileno(), number)

    def _mark(self) -> None:
        """Note that there is a log, so that one that is gone or empty at a start was lost."""
        if self._is_marked:
            return
        with suppress(OSError):
            self._disk.do(self._write_mark)
            self._is_marked = True

    def _write_mark(self) -> None:
        with self._open_reserve() as file:
            mark_written(file.fileno())

    def _open_reserve(self) -> BinaryIO:
        path = self._path.with_name(f"{self._path.name}.revs")
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b", buffering=0)

    def _unreserved(self, error: OSError) -> None:
        line = f'alarms revs=refused path={self._path}.revs reason="{error.strerror}"; one may be given twice'
        self._limited_log.log("revs", line, logging.ERROR)

    def _refused(self, error: OSError, records: int) -> None:
        self.is_behind = True
        self.unwritten += records
        line = f'alarms log=refused path={self._path} reason="{error.strerror or error}"; alarms are kept in memory'
        self._limited_log.log("refused", line, logging.ERROR)


def _highest_rev(records: Iterable[Record]) -> int:
    return max((each.state.rev for each in records if isinstance(each, Transition)), default=0)


def log_beside(outbox: Path, node: str) -> Path:
    """Where a node's log lives: beside its outbox, whose lock keeps a second process away from both."""
    return outbox.with_name(f"alarms-{node}.log")


def before(path: Path) -> Path:
    """The file that a log replaced last."""
    return path.with_name(f"{path.name}.1")
