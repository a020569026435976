"""An outbox read by other processes: the doctor, `laennec alarms` and `resend`. Nothing is written, locked or created.

Not for the service (`edge.delivery.store`), which may work on the same file meanwhile: with SQLite's write-ahead log
others may read. A file that no process has open and that was closed in order is opened as immutable; SQLite would else
make two files beside it, which might then belong to the wrong user.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edge.contract.fields import Body
from edge.delivery.alarm_table import LINE, parse, salvaged
from edge.delivery.database import SCHEMA_VERSION, refuse_other_databases
from edge.errors import ConfigError, SourceError
from edge.settings.node import SERVICE_STATE, Config
from edge.ward.alarm_records import Record

BUSY_S = 1.0
PAGE_ROWS = 200
CLOCKS_S = 86_400.0  # how far the clock of the alarms may be from that on the wall


class DamagedError(SourceError):
    """The file is there, but it is no whole outbox."""


def outbox_of(config: Config) -> Path:
    """The outbox of the settings; on a box whose user has none, that of its service."""
    path = config.outbox_path()
    of_service = SERVICE_STATE / path.name
    is_missing = config.outbox.path is None and not os.path.exists(path)
    return of_service if is_missing and os.path.exists(of_service) else path


class ExclusiveLockError(SourceError):
    """The service has it locked for itself, see `edge.delivery.database.needs_exclusive_lock`."""


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """The database at `path`, read only, for a short time: while it is open, the service cannot shrink its WAL.

    Raises:
        ConfigError: it is a folder or another program's, or may not be read.
        SourceError: it is not there, a newer Laennec wrote it, or another program has locked it.
        ExclusiveLockError: the service has it locked for itself.
        DamagedError: it is damaged.
    """
    if os.path.isdir(path):  # Path.is_dir() raises where this user may not look
        raise ConfigError(f"outbox.path: {path} is a folder; give a file, such as {path / 'outbox.db'}")
    try:
        path.open("rb").close()
        is_open = os.path.exists(f"{path}-wal")
    except FileNotFoundError:
        advice = "name it with --outbox, or its settings with --config; that of a box's service needs sudo"
        raise SourceError(f"no outbox at {path}; {advice}") from None
    except OSError as error:
        raise ConfigError(f"outbox {path}: cannot be read by this user: {error.strerror}; run as its owner") from None
    mode = "mode=ro" if is_open else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?{mode}", uri=True, timeout=BUSY_S)) as db:
            _check_format(path, db)
            yield db
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            if _services(path):
                found = "the service reads it alone: its disk was full at the start, or has blocks below 4 kB"
                raise ExclusiveLockError(
                    f"outbox {path}: {found}; free space there and try again in a minute"
                ) from None
            raise SourceError(f"outbox {path}: another program has locked it; close that program first") from None
        raise ConfigError(f"outbox {path}: cannot be read: {error}; run as its owner") from None
    except sqlite3.DatabaseError as error:
        raise DamagedError(f"outbox {path}: is damaged: {error}") from None


def waiting(db: sqlite3.Connection) -> tuple[int, float]:
    """How many messages wait, and the age of the oldest, seconds."""
    if not _has(db, "outbox"):
        return 0, 0.0
    number, first_seq, written_s = db.execute("SELECT count(*), min(seq), min(written_s) FROM outbox").fetchone()
    if number and _has(db, "operation"):  # operating time since, whatever the clock did
        last = "SELECT operating_s FROM operation {} ORDER BY seq DESC LIMIT 1"
        now = db.execute(last.format("")).fetchone() or (0.0,)
        then = db.execute(last.format("WHERE seq < ?"), (first_seq,)).fetchone() or (0.0,)
        return int(number), max(0.0, now[0] - then[0])
    return int(number), max(0.0, time.time() - written_s) if number else 0.0


def logged_events(path: Path) -> Iterator[Body]:
    """Every event of the log, delivered or not, in the order of decision.

    A page at a time, so that a reader who takes minutes does not hinder the service.

    Raises:
        ConfigError, SourceError: as `open_read_only`; it is an empty file.
    """
    after = 0
    while True:
        with open_read_only(path) as db:
            if not _has(db, "outbox"):
                raise SourceError(f"outbox {path}: is an empty file and no outbox; give another --outbox")
            query = "SELECT seq, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
            rows = db.execute(query, (after, PAGE_ROWS)).fetchall() if _has(db, "event") else []
        for seq, body in rows:
            yield json.loads(body)
            after = seq
        if not rows:
            return


@dataclass(frozen=True)
class LogReading:
    """What a log of alarms says to a person, and what of it cannot be read."""

    records: list[Record]
    """Of what is known now and of the history, oldest first and once."""
    damaged: int
    """Lines that are none among those that say what each alarm is now: any may be another one."""
    damaged_before: int
    """The same of the history, on which no alarm depends."""


def alarm_log(path: Path, since_s: float = 0.0) -> LogReading:
    """The log of alarms as a person reads it, also of an outbox that was damaged.

    Args:
        path: the outbox.
        since_s: history before this is left out, seconds since 1970.

    Raises:
        ConfigError, SourceError: as `open_read_only`, where nothing can be read; it holds no log.
    """
    try:
        with open_read_only(path) as db:
            if not _has(db, "alarm_state"):
                raise SourceError(f"outbox {path}: holds no log of alarms; start its node once with this release")
            known, damaged = parse(line for (line,) in db.execute(f"SELECT {LINE} FROM alarm_state"))
            query = f"SELECT {LINE} FROM alarm WHERE at_s >= ? ORDER BY seq"
            history, damaged_before = parse(line for (line,) in db.execute(query, (since_s - CLOCKS_S,)))
    except DamagedError as error:
        with closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)) as db:
            records = salvaged(db)
        if not records:
            raise error from None
        return LogReading(records, 1, 0)
    merged = sorted(dict.fromkeys([*history, *known]), key=lambda record: record.at_s)
    return LogReading(merged, damaged, damaged_before)


def _services(path: Path) -> list[int]:
    """Ids of the processes that hold the lock file: on a slow disk the own writes of the service may take long."""
    with suppress(OSError):
        inode = os.stat(f"{path}.lock").st_ino
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        return [int(lock[4]) for lock in locks if lock[1] == "FLOCK" and lock[5].endswith(f":{inode}")]
    return []


def _check_format(path: Path, db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        found = f"written by a newer Laennec (format {version})"
        raise SourceError(f"outbox {path}: {found}; use that version, or another --outbox")
    refuse_other_databases(path, db)


def _has(db: sqlite3.Connection, table: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None
