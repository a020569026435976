"""The burden of a bed as a message, and its minutes of the last 24 h on disk.

What a node publishes of the burden of a bed, and what it remembers of it: a pure body, and a row for each minute.

Not for measuring (`edge.ward.burden`).

The burden of every bed in the last 24 h, a row a minute for each group, in a SQLite file beside the outbox.

Not for events, which must not be lost (`edge.delivery.outbox`): a minute that the disk refuses waits in memory, and is
dropped and counted when an hour of them waits. Written by a thread of its own, one transaction a minute; a process that
is killed loses at most the minutes that it had not written. A minute without a row was not measured, never quiet.

Bounded by counting rows, not by the wall clock, which may step: the newest `KEPT` minutes of each bed stay, and beds
that are not in the settings any more go. With a rollback journal instead of a write-ahead log, no memory is shared with
readers, which a full disk would not allow (`edge.delivery.database.needs_exclusive_lock`).
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
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edge.contract.fields import Body
from edge.contract.trend import Breath, BreathShare, BreathSounds, Stop, TrendMessage, Window
from edge.contract.trend import GroupBurden as GroupMessage
from edge.delivery.messages import Node
from edge.errors import ConfigError, SourceError
from edge.files import make_private_file, make_private_folder, restrict
from edge.log import RateLimitedLog
from edge.ward.burden import GroupBurden, Reading, WindowBurden
from edge.ward.coverage import Covered
from edge.ward.wheeze_rate import BreathTrend, BreathWindow
from edge.ward.wheeze_rate import Share as BreathedShare

DIGITS = 6  # of the published numbers


@dataclass(frozen=True, slots=True)
class Minute:
    """What is remembered of one group of one bed in one minute."""

    stream: str
    group: str
    at_s: float
    """End of the minute, wall time, seconds since 1970."""
    expected_s: float
    """Expected seconds of sound in what was measured."""
    measured_s: float
    """Seconds that were measured, 0 to 60."""
    unverified_s: float
    """Seconds that could be judged but were not like what the model knows."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The burden of one bed, and how much of its sound was measured."""

    stream: str
    reading: Reading
    covered: Sequence[Covered]
    """Of the windows of the reading."""
    breath: BreathTrend | None = None
    """None: the model does not hear breath, or nothing was heard yet."""


def trend_body(node: Node, trend: Trend, hop_samples: int, rate_hz: int, wall_s: float) -> Body:
    """The burden of one bed over all windows.

    Args:
        node: who says so.
        trend: the measurement.
        hop_samples: samples to one score frame.
        rate_hz: of the sound, Hz.
        wall_s: now, seconds since 1970.
    """
    pairs = zip(trend.reading.windows, trend.covered, strict=True)
    return TrendMessage.model_construct(
        mode=node.mode,
        stream=trend.stream,
        boot_id=node.boot_id,
        ts=wall_s,
        sample=Stop.model_construct(rate=rate_hz, stop=trend.reading.stop * hop_samples),
        windows=[_window(window, covered) for window, covered in pairs],
        breath=None if trend.breath is None else [breath_of(each) for each in trend.breath.windows],
    ).body()


def minutes_of(stream: str, reading: Reading, at_s: float) -> list[Minute]:
    """A row for each group of the minute that a reading ends."""
    window = reading.windows[0]
    return [
        Minute(stream, one.group, at_s, one.expected_s, window.measured_s, window.unverified_s) for one in window.groups
    ]


def missing_s(covered: Covered) -> dict[str, float]:
    """Seconds of a window that were not measured, by cause."""
    return {cause.replace(" ", "_"): round(seconds, 3) for cause, seconds in covered.missing_s.items()}


def _window(window: WindowBurden, covered: Covered) -> Window:
    return Window.model_construct(
        s=window.window_s,
        known=window.is_known,
        coverage=round(window.coverage, DIGITS),
        measured_s=round(window.measured_s, 3),
        unverified_s=round(window.unverified_s, 3),
        groups={one.group: _group(one) for one in window.groups},
        missing_s=missing_s(covered),
    )


def _group(burden: GroupBurden) -> GroupMessage:
    known, low, high = (
        None if value is None else round(value, DIGITS) for value in (burden.s_per_min, burden.low, burden.high)
    )
    return GroupMessage.model_construct(s_per_min=known, low=low, high=high)


def breath_of(window: BreathWindow) -> Breath:
    """The breathing over one length as messages have it."""
    rate = window.breaths_per_min
    return Breath.model_construct(
        s=window.window_s,
        measured_s=round(window.measured_s, 3),
        breathing_s=round(window.breathing_s, 3),
        breaths=window.breaths,
        breaths_per_min=None if rate is None else round(rate, 1),
        answered=round(window.answered, 3),
        why=window.why,
        sounds={
            each.group: BreathSounds.model_construct(of_time=_share(each.of_time), of_breaths=_share(each.of_breaths))
            for each in window.groups
        },
    )


def _share(found: BreathedShare) -> BreathShare:
    share, low, high = (
        None if value is None else round(value, DIGITS) for value in (found.share, found.low, found.high)
    )
    return BreathShare.model_construct(share=share, low=low, high=high, why=found.why)


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
