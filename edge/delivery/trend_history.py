"""The burden of every bed in the last 24 h, a row a minute for each group, in a SQLite file beside the outbox.

Not for events, which must not be lost (`edge.delivery.outbox`): a minute that the disk refuses waits in memory, and is
dropped and counted when an hour of them waits. Written by a thread of its own, one transaction a minute; a process that
is killed loses at most the minutes that it had not written. A minute without a row was not measured, never quiet.

Bounded by counting rows, not by the wall clock, which may step: the newest `KEPT` minutes of each bed stay, and beds
that are not in the settings any more go. With a rollback journal instead of a write-ahead log, no memory is shared with
readers, which a full disk would not allow (`edge.delivery.store_file.needs_exclusive_lock`).
"""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from edge.delivery.trend import Minute
from edge.errors import ConfigError, SourceError
from edge.log import RateLimitedLog
from edge.private_files import make_private_file, make_private_folder, restrict

KEPT = 1440  # minutes of each group of a bed
MOST_WAITING = 20_000  # rows that the disk refused: an hour of 64 beds, twice over
RETRY_S = 10.0
BUSY_S = 1.0  # how long a reader is waited for
SCHEMA = """
CREATE TABLE IF NOT EXISTS minute(seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, grp TEXT NOT NULL, at_s REAL NOT NULL,
                                  expected_s REAL NOT NULL, measured_s REAL NOT NULL, unverified_s REAL NOT NULL);
CREATE INDEX IF NOT EXISTS minute_of ON minute(stream, grp, seq);
"""
INSERT = "INSERT INTO minute(stream, grp, at_s, expected_s, measured_s, unverified_s) VALUES(?,?,?,?,?,?)"
PRUNE = """
DELETE FROM minute WHERE stream = ? AND grp = ? AND seq <= (
    SELECT seq FROM minute WHERE stream = ? AND grp = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)
"""
READ = "SELECT stream, grp, at_s, expected_s, measured_s, unverified_s FROM minute ORDER BY seq"

logger = logging.getLogger(__name__)


def history_path(outbox: Path) -> Path:
    """The history of the node that has this outbox."""
    return outbox.with_suffix(".history")


class TrendHistory:
    """Writes the history of one node; safe to use from several threads."""

    def __init__(self, path: Path, streams: Sequence[str]) -> None:
        """Touch nothing yet.

        Args:
            path: the file.
            streams: ids of the beds that there are.
        """
        self.dropped = 0
        """Rows that the disk refused for so long that they were given up."""
        self._path, self._streams = path, tuple(streams)
        self._inbox: queue.SimpleQueue[list[Minute] | None] = queue.SimpleQueue()
        self._waiting: deque[Minute] = deque()
        self._db: sqlite3.Connection | None = None
        self._limited_log = RateLimitedLog(logger)
        self._thread = threading.Thread(target=self._run, name="trend-history", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, minutes: Sequence[Minute]) -> None:
        """Remember some minutes; never waits."""
        if minutes:
            self._inbox.put(list(minutes))

    def stop(self, timeout_s: float) -> None:
        """Write what waits, if the disk takes it in time, and end."""
        self._inbox.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self._write()  # a file that is damaged is found at the start
        is_ending = False
        while not is_ending:
            try:
                taken = self._inbox.get(timeout=RETRY_S if self._waiting else None)
                is_ending = taken is None
                self._waiting.extend(taken or ())
            except queue.Empty:
                pass
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._write()
        if self._db is not None:
            self._db.close()

    def _write(self) -> None:
        """Everything that waits, in one transaction; if the disk refuses, it waits on."""
        rows = list(self._waiting)
        try:
            if self._db is None:
                self._db = _open(self._path, self._streams)
            with self._db:
                self._db.executemany(INSERT, [_values(row) for row in rows])
                for bed in {(row.stream, row.group) for row in rows}:
                    self._db.execute(PRUNE, (*bed, *bed, KEPT))
        except (sqlite3.Error, OSError) as error:
            line = f'trend_history disk=refuses reason="{error}" path={self._path}; {len(rows)} rows wait in memory'
            self._limited_log.log("disk", line, logging.ERROR)
            if self._db is not None and not isinstance(error, sqlite3.OperationalError):
                self._db.close()
                self._db = None  # damaged: opening moves it aside
            return
        self._limited_log.clear("disk")
        self._waiting.clear()


def read_history(path: Path) -> list[Minute]:
    """All that is remembered, oldest first, also while a node writes it.

    Raises:
        SourceError: there is no history, it is a file of something else, or damaged.
        ConfigError: it may not be read.
    """
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise SourceError(f"no history at {path}; it is written by `laennec run`, a minute after its start") from None
    except OSError as error:
        raise ConfigError(f"history {path}: cannot be read by this user: {error.strerror}; run as its owner") from None
    try:  # `rw`: who may write undoes what a writer left that died in a transaction; for others it is read-only
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=rw", uri=True, timeout=BUSY_S)) as db:
            return [Minute(*row) for row in db.execute(READ)]
    except sqlite3.OperationalError as error:
        if str(error).startswith("no such"):  # table or column
            found = "is an empty file" if not path.stat().st_size else "is a database of another program"
            raise SourceError(
                f"history {path}: {found} and no history; give that beside the outbox of a node"
            ) from None
        raise ConfigError(f"history {path}: cannot be read: {error}; run as its owner") from None
    except sqlite3.DatabaseError as error:
        raise SourceError(f"history {path}: is damaged: {error}") from None


def _open(path: Path, streams: Sequence[str]) -> sqlite3.Connection:
    """Open or make the file, and forget beds that are no more; a damaged file is moved aside.

    Raises:
        sqlite3.Error, OSError: the disk refuses.
    """
    make_private_folder(path.parent)
    restrict(path)
    if path.exists() and not path.stat().st_size:
        logger.error("trend_history lost=%s; it is empty: the minutes in it are lost, a new one is begun", path)
    try:
        return _opened(path, streams)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
        os.replace(path, aside)
        logger.error('trend_history damaged=%s reason="%s" moved_to=%s; a new one was begun', path, error, aside)
        return _opened(path, streams)


def _opened(path: Path, streams: Sequence[str]) -> sqlite3.Connection:
    make_private_file(path)
    db = sqlite3.connect(path, timeout=BUSY_S)
    try:
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(SCHEMA)
        with db:
            marks = ",".join("?" * len(streams))
            db.execute(f"DELETE FROM minute WHERE stream NOT IN ({marks})", tuple(streams))
    except BaseException:
        db.close()
        raise
    return db


def _values(row: Minute) -> tuple[str, str, float, float, float, float]:
    return row.stream, row.group, row.at_s, row.expected_s, row.measured_s, row.unverified_s
