"""The burden of every bed in the last 24 h, a row a minute for each group, in the file of the outbox.

Not for measuring (`edge.ward.burden`), nor for events, which must not be lost: a minute that the disk refuses waits in
memory, and a process that is killed loses at most the minutes that it had not written. A minute without a row was not
measured, never quiet.

Bounded by counting rows, not by the wall clock, which may step: the newest `MOST_MINUTES` of each bed stay, and beds
that are not in the settings any more go. A release before 1.1 wrote them to a file of its own, `*.history`, which is
read in once (`edge.delivery.before_one_file`); `read_history` reads both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from urllib.parse import quote

from edge.errors import ConfigError, SourceError
from edge.ward.burden import Reading

MOST_MINUTES = 1440  # minutes of each group of a bed
BUSY_S = 1.0  # how long a writer is waited for
SCHEMA = """
CREATE TABLE IF NOT EXISTS minute(seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, grp TEXT NOT NULL, at_s REAL NOT NULL,
                                  expected_s REAL NOT NULL, measured_s REAL NOT NULL, unverified_s REAL NOT NULL);
CREATE INDEX IF NOT EXISTS minute_of ON minute(stream, grp, seq);
CREATE TRIGGER IF NOT EXISTS minute_came AFTER INSERT ON minute BEGIN
    INSERT INTO room VALUES('minute', 60 + 2 * length(NEW.stream || NEW.grp))
        ON CONFLICT(of) DO UPDATE SET bytes = bytes + excluded.bytes; END;
CREATE TRIGGER IF NOT EXISTS minute_went AFTER DELETE ON minute BEGIN
    UPDATE room SET bytes = bytes - 60 - 2 * length(OLD.stream || OLD.grp) WHERE of = 'minute'; END;
"""
INSERT = "INSERT OR IGNORE INTO minute VALUES(?,?,?,?,?,?,?)"
PRUNE = """
DELETE FROM minute WHERE stream = ? AND grp = ? AND seq <= (
    SELECT seq FROM minute WHERE stream = ? AND grp = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)
"""
READ = "SELECT stream, grp, at_s, expected_s, measured_s, unverified_s FROM minute ORDER BY seq"


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


def minutes_of(stream: str, reading: Reading, at_s: float) -> list[Minute]:
    """A row for each group of the minute that a reading ends."""
    window = reading.windows[0]
    return [
        Minute(stream, one.group, at_s, one.expected_s, window.measured_s, window.unverified_s) for one in window.groups
    ]


class MinuteTable:
    """The minutes in one database; whoever calls this begins and ends the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def insert(self, minutes: Sequence[Minute], first_row: int) -> None:
        """Write minutes with consecutive row numbers, and forget what is beyond `MOST_MINUTES`."""
        rows = [(row, *astuple(each)) for row, each in enumerate(minutes, first_row)]
        self._db.executemany(INSERT, rows)
        for bed in {(each.stream, each.group) for each in minutes}:
            self._db.execute(PRUNE, (*bed, *bed, MOST_MINUTES))

    def forget_others(self, streams: Iterable[str]) -> None:
        """Forget the beds that are not among these."""
        names = tuple(streams)
        self._db.execute(f"DELETE FROM minute WHERE stream NOT IN ({','.join('?' * len(names))})", names)

    def known(self) -> set[tuple[str, str, float]]:
        """Bed, group and time of each minute that is here."""
        return set(self._db.execute("SELECT stream, grp, at_s FROM minute").fetchall())

    def move_from(self, other: sqlite3.Connection) -> None:
        """Take every row of another database, with its number."""
        self._db.executemany(INSERT, other.execute("SELECT * FROM minute ORDER BY seq").fetchall())


def history_path(outbox: Path) -> Path:
    """Where the release before kept the minutes of the node that has this outbox."""
    return outbox.with_suffix(".history")


def read_history(path: Path) -> list[Minute]:
    """All that is remembered, oldest first, also while a node writes it.

    Args:
        path: an outbox, or the `*.history` of an earlier release.

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
            raise SourceError(f"history {path}: {found} and no history; give the outbox of a node") from None
        raise ConfigError(f"history {path}: cannot be read: {error}; run as its owner") from None
    except sqlite3.DatabaseError as error:
        raise SourceError(f"history {path}: is damaged: {error}") from None
