"""One SQLite file of decided messages: the tables, how they are opened, and what is dropped first.

Not for policy: `edge.outbox` decides what happens when this one raises. WAL and synchronous=FULL: what a method has
written survives a power cut. A process holds its file alone (flock on `<path>.lock`), so two services cannot send the
same events; other programs may still read it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edge.errors import ConfigError, SourceError
from edge.messages import Body, Message, encode

SCHEMA_VERSION = 1
BUSY_S = 1.0  # how long a lock held by another program is waited for
EVICT_ROWS = 64  # rows removed at once when the bound is reached
FIRST_PLAUSIBLE_S = 1_735_689_600.0  # 2025-01-01: before it the wall clock was not set yet, and an age means nothing
SCHEMA = """
CREATE TABLE event(id TEXT NOT NULL, rev INTEGER NOT NULL, seq INTEGER NOT NULL UNIQUE, body TEXT NOT NULL,
                   written_s REAL NOT NULL, PRIMARY KEY(id, rev));
CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body TEXT, -- NULL: see event
                    expiry_s INTEGER NOT NULL, written_s REAL NOT NULL);
"""
WAITING = """
SELECT seq, topic, coalesce(outbox.body, event.body), expiry_s FROM outbox LEFT JOIN event USING(seq)
WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?
"""
# What goes first when there is no room: the log of delivered events, then technical messages, then the oldest events.
EVICTIONS = (
    ("delivered", "SELECT seq FROM event WHERE seq NOT IN (SELECT seq FROM outbox) ORDER BY seq LIMIT ?"),
    ("technical", "SELECT seq FROM outbox WHERE body NOTNULL ORDER BY seq LIMIT ?"),
    ("event", "SELECT seq FROM outbox ORDER BY seq LIMIT ?"),
)  # fmt: skip
EXPIRIES = (
    ("expired", "DELETE FROM outbox WHERE seq <= :until AND written_s BETWEEN :plausible AND :before"),
    (
        "delivered",
        "DELETE FROM event WHERE seq <= :until AND written_s BETWEEN :plausible AND :before"
        " AND seq NOT IN (SELECT seq FROM outbox)",
    ),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One message that waits."""

    seq: int
    """Order of decision; never used twice."""
    topic: str
    body: Body
    expiry_s: int
    """How long the broker may keep it, seconds."""


class Store:
    """The tables of one database. Every method raises `sqlite3.Error` when the disk refuses."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use an opened database; see `open_store`."""
        self._db = connection

    def insert(self, first_seq: int, messages: Iterable[Message], written_s: float) -> None:
        """Write messages with consecutive `seq`, all or none."""
        with self._db:
            for seq, message in enumerate(messages, first_seq):
                text: str | None = encode({**message.body, "seq": seq}).decode()
                if message.event is not None:
                    row = (*message.event, seq, text, written_s)
                    self._db.execute("INSERT OR REPLACE INTO event VALUES(?,?,?,?,?)", row)
                    text = None
                waiting = (seq, message.topic, text, message.expiry_s, written_s)
                self._db.execute("INSERT INTO outbox VALUES(?,?,?,?,?)", waiting)

    def waiting(self, after: int, until: int, limit: int) -> list[Entry]:
        """The oldest entries with after < seq <= until, at most `limit`."""
        rows = self._db.execute(WAITING, (after, until, limit)).fetchall()
        return [Entry(seq, topic, json.loads(body), expiry_s) for seq, topic, body, expiry_s in rows]

    def delete(self, seqs: Iterable[int]) -> None:
        """Take entries out of the outbox; the event log keeps them."""
        with self._db:
            self._db.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in seqs])

    def depth(self) -> tuple[int, float | None]:
        """How many entries wait, and when the oldest was written (seconds since 1970)."""
        number, oldest = self._db.execute("SELECT count(*), min(written_s) FROM outbox").fetchone()
        return int(number), oldest

    def highest_seq(self) -> int:
        """The greatest `seq` ever written, 0 if none."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return int(row[0]) if row else 0

    def shrink(self, bound_bytes: float) -> dict[str, int]:
        """Drop the least precious rows until the file's used pages fit.

        Returns:
            Number of rows dropped, by cause.
        """
        dropped: dict[str, int] = {}
        for cause, query in EVICTIONS:
            while self._used_bytes() > bound_bytes:
                oldest = self._db.execute(query, (EVICT_ROWS,)).fetchall()
                if not oldest:
                    break
                with self._db:
                    for table in ("outbox", "event"):
                        self._db.executemany(f"DELETE FROM {table} WHERE seq = ?", oldest)
                dropped[cause] = dropped.get(cause, 0) + len(oldest)
        return dropped

    def expire(self, before_s: float, until_seq: int) -> dict[str, int]:
        """Drop what was written before `before_s`, seconds since 1970, unless the clock was not set then.

        Args:
            before_s: seconds since 1970.
            until_seq: only messages up to this one.

        Returns:
            Number of rows dropped, by cause.
        """
        with self._db:
            bounds = {"until": until_seq, "plausible": FIRST_PLAUSIBLE_S, "before": before_s}
            return {cause: self._db.execute(query, bounds).rowcount for cause, query in EXPIRIES}

    def take_over(self, other: Store) -> None:
        """Move every row of `other` here, keeping each `seq`."""
        with self._db:
            events = other._db.execute("SELECT * FROM event").fetchall()
            self._db.executemany("INSERT OR REPLACE INTO event VALUES(?,?,?,?,?)", events)
            waiting = other._db.execute("SELECT * FROM outbox").fetchall()
            self._db.executemany("INSERT INTO outbox VALUES(?,?,?,?,?)", waiting)
        with other._db:
            other._db.execute("DELETE FROM event")
            other._db.execute("DELETE FROM outbox")

    def close(self) -> None:
        """Give the file free."""
        self._db.close()

    def _used_bytes(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def open_store(path: str) -> Store:
    """Open or create one database; `:memory:` for one without a file.

    Raises:
        sqlite3.Error: it cannot be opened, is locked or is damaged.
        SourceError: a newer Laennec wrote it.
    """
    db = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA journal_size_limit=1000000")
        if (found := db.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(f"malformed: {found}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise SourceError(f"outbox {path}: written by a newer Laennec (format {version}); use another --outbox")
        if version == 0:
            db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    except BaseException:
        db.close()
        raise
    return Store(db)


def open_or_replace(path: Path) -> Store:
    """Open `path`; a damaged file is moved aside, with a log line that says where.

    Raises:
        ConfigError: the file cannot be opened or written.
        SourceError: another program holds it, or a newer Laennec wrote it.
    """
    try:
        return open_store(str(path))
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise SourceError(f"outbox {path}: another program has locked it; close that program first") from None
        raise ConfigError(f"outbox.path: cannot use {path}: {error}; choose a writable path with --outbox") from None
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
        logger.error('outbox damaged=%s reason="%s" moved_to=%s; a new one was begun', path, error, aside)
        return open_store(str(path))


def hold(path: Path) -> IO[bytes]:
    """Claim `path` for this process until the returned file is closed.

    Raises:
        ConfigError: the folder cannot be written.
        SourceError: another process has claimed it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(path.name + ".lock").open("ab")
    except OSError as error:
        raise ConfigError(f"outbox.path: cannot write {path}: {error.strerror}; choose another with --outbox") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise SourceError(f"outbox {path}: in use by another laennec; stop it, or choose another --outbox") from None
    return file
