"""The file of the outbox: opened, made, and replaced when damaged by one that has what can be read of it.

Not for what is in it (`edge.delivery.store`), nor for its lock (`edge.delivery.lock_file`). WAL and synchronous=FULL:
what a method of the store has written survives a power cut. Others may read the file, but where the disk lacks space
for the memory that SQLite shares (`needs_exclusive_lock`).

Errors have two kinds. A path that cannot be used (a folder, no permission, a newer format, another process) is a
mistake of the operator: `LaennecError`. A disk that is full, read-only or failing may recover and must not stop the
node: `sqlite3.OperationalError`. Read-only counts as such because that is what Linux makes of a memory card that fails.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from edge.delivery.lock_file import classify_error
from edge.delivery.salvage import Salvaged
from edge.delivery.sequence import jump
from edge.delivery.store import Store
from edge.delivery.store_tables import LATER_TABLES, SCHEMA
from edge.errors import ConfigError, SourceError
from edge.files import restrict

SCHEMA_VERSION = 1  # stays while the release before can use the file; a table that it does not know harms nobody
BUSY_S = 1.0  # how long a lock held by another program is waited for
SHARED_PAGE_BYTES = 4096  # SQLite allocates its shared memory in such pieces
SHARED_ROOM_BYTES = 131_072  # four times what SQLite shares
SQLITE = b"SQLite format 3\0"  # the first bytes of every database (sqlite.org/fileformat2.html)

logger = logging.getLogger(__name__)


def loss(path: Path, was_written: bool) -> str | None:
    """What became of a file that was written; None where nothing did, or where it cannot be looked at."""
    with suppress(OSError):
        if was_written and not path.exists():
            return "is gone"
        if was_written and not path.stat().st_size:
            return "is empty"
    return None


def refuse_other_files(path: Path) -> None:
    """Refuse what a user may have named by mistake, before anything is made beside it or moved.

    What begins as a database is judged by its tables (`open_store`). A file with another beginning is a damaged outbox
    if a lock file beside it says that Laennec has used it; else it is somebody's own.

    Raises:
        ConfigError: it is a folder, or a file that is no outbox.
    """
    if path.is_dir():
        raise ConfigError(f"outbox.path: {path} is a folder; give a file, such as {path / 'outbox.db'}")
    try:
        with path.open("rb") as file:
            begin = file.read(len(SQLITE))
        lock = path.with_name(path.name + ".lock")
        is_ours = begin in (b"", SQLITE) or (lock.is_file() and lock.stat().st_size > 0)
    except OSError:
        return  # missing, or the disk refuses: whoever opens it says why
    if not is_ours:
        raise ConfigError(f"outbox.path: {path} is a file of something else and is left as it is; choose another name")


def refuse_other_databases(path: str | Path, db: sqlite3.Connection) -> None:
    """The same for what is a database; one without tables may become an outbox.

    Raises:
        ConfigError: it holds the tables of another program.
        sqlite3.Error: it cannot be read.
    """
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    if tables and "outbox" not in tables:
        raise ConfigError(f"outbox.path: {path} is a database of another program; choose another name")


def open_store(path: str, is_exclusive: bool = False) -> Store:
    """Open or create one database.

    Args:
        path: the file; `:memory:` for none.
        is_exclusive: keep the index of the WAL to this process, see `needs_exclusive_lock`.

    Raises:
        sqlite3.Error: it cannot be opened, is locked or is damaged.
        ConfigError: it holds the tables of another program.
        SourceError: a newer Laennec wrote it.
    """
    db = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        if is_exclusive:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
        refuse_other_databases(path, db)
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
        db.executescript(f"BEGIN; {LATER_TABLES} COMMIT;")  # one fsync for all
        store = Store(db, is_exclusive)
        store.rank()
    except BaseException:
        db.close()
        raise
    return store


def needs_exclusive_lock(path: Path) -> bool:
    """Whether SQLite must not share the index of the WAL with other programs.

    It would map `<path>-shm` into memory. On a full disk it cannot make that file; and where the blocks of a disk are
    smaller than its pages, touching one of them on a full disk ends the process (SIGBUS; seen on ext4 with 1 kB).
    """
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return True
    return disk.f_bavail * disk.f_frsize < SHARED_ROOM_BYTES or disk.f_frsize < SHARED_PAGE_BYTES


def open_or_replace(path: Path, used: int = 0, was_written: bool = False) -> Store:
    """Open the database; a damaged one is replaced, with a `seq` beyond all that were used.

    One that was written and is gone or empty was lost, which is damage, too.

    Args:
        path: the file.
        used: a `seq` that may have been used, from the lock file.
        was_written: whether there was one, by the lock file.

    Raises:
        ConfigError: the file cannot be opened or written.
        SourceError: another program holds it, or a newer Laennec wrote it.
        sqlite3.OperationalError: the disk refuses.
    """
    if not path.exists() and _draft(path).exists():  # a death while a damaged file was replaced
        _rename(_draft(path), path)
    lost = loss(path, was_written)
    _check_writable(path)
    is_exclusive = needs_exclusive_lock(path)
    try:
        store = open_store(str(path), is_exclusive)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise SourceError(f"outbox {path}: another program has locked it; close that program first") from None
        raise
    except sqlite3.DatabaseError as error:
        store = replace_damaged(path, str(error), jump(used), 0.0)
        store.is_replacement = True
    else:
        if lost is not None:
            logger.error("outbox lost=%s; it was written and %s: what waited is lost, a new one was begun", path, lost)
            store.begin_after(jump(used))
            store.is_replacement = True
    return store


def replace_damaged(path: Path, reason: str, last_seq: int, operating_s: float) -> Store:
    """Move a database aside and begin a new one with what can be read of it; it is there first, whenever one dies.

    Args:
        path: the file, which nobody here has open.
        reason: what is wrong with it, for the log.
        last_seq: the new one goes on behind this `seq`.
        operating_s: how long the box has run, as far as is known, seconds.

    Raises:
        ConfigError: the folder may not be written.
        sqlite3.OperationalError: the disk refuses.
    """
    draft, is_exclusive, found = _draft(path), needs_exclusive_lock(path), Salvaged()
    for suffix in ("", "-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    _check_writable(draft)  # makes it, for its owner alone
    with closing(open_store(str(draft), is_exclusive)) as store:
        store.begin_after(last_seq)
        try:
            found = store.salvage(path, operating_s)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            logger.error('outbox salvage=refused path=%s reason="%s"; nothing of it can be read', path, error)
    # SQLite removes it at the close once all is in the file; the rename would leave it behind.
    if draft.with_name(f"{draft.name}-wal").exists():
        raise sqlite3.OperationalError(f"what was written to {draft} is not in it yet")
    aside = _move_aside(path)
    _rename(draft, path)
    line = 'outbox damaged=%s reason="%s" moved_to=%s; a new one was begun, all that could be read of it: '
    line += "waiting=%d events=%d alarms=%d minutes=%d; the rest is lost"
    logger.error(line, path, reason, aside, found.waiting, found.events, found.alarms, found.minutes)
    return open_store(str(path), is_exclusive)


def _draft(path: Path) -> Path:
    """Where a database is made that will replace another."""
    return path.with_name(f"{path.name}.new")


def _rename(path: Path, to: Path) -> None:
    try:
        os.replace(path, to)
    except OSError as error:
        raise classify_error(to, error) from None


def _move_aside(path: Path) -> Path:
    """Give a database another name.

    Raises:
        ConfigError: the folder may not be written.
        sqlite3.OperationalError: the disk refuses.
    """
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
    try:
        # The file last: one that is made under its name after a death must not find the -wal of another.
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    except OSError as error:
        raise classify_error(path, error) from None
    return aside


def _check_writable(path: Path) -> None:
    """Asked of the system, for SQLite opens what it may only read, and does not report why it cannot.

    Raises:
        ConfigError: it is no file, or may not be written.
        sqlite3.OperationalError: the disk refuses.
    """
    restrict(path)
    for part in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
        try:
            if part == path or part.exists():
                os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise classify_error(part, error) from None
