"""The file of the outbox, and the numbers beside it that a full disk can still write.

A number in a file, 20 digits, that is written over in place: a full disk takes that, for the room is there already.

Behind it a mark says that the file which the number belongs to was written: one that is missing or empty was lost then.

The file of the outbox: locked, opened, made, moved aside when damaged; and up to which `seq` and `rev` may have been
used. The log of alarms is in that file, too: of a damaged one what can be read of it goes on in the new one.

Not for what is in it (`edge.delivery.store`). WAL and synchronous=FULL: what a method of the store has written survives
a power cut. A process holds its file alone (flock on `<path>.lock`), so two services cannot send the same events;
others may still read it, but where the disk lacks space for the memory that SQLite shares (`needs_exclusive_lock`).

Errors have two kinds. A path that cannot be used (a folder, no permission, a newer format, another process) is a
mistake of the operator: `LaennecError`. A disk that is full, read-only or failing may recover and must not stop the
node: `sqlite3.OperationalError`. Read-only counts as such because that is what Linux makes of a memory card that fails.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from edge.delivery.sequence import jump
from edge.delivery.store import Store
from edge.delivery.store_tables import LATER_TABLES, SCHEMA
from edge.errors import ConfigError, LaennecError, SourceError
from edge.files import make_private_folder, restrict

DIGITS = 20
MARK = b"written\n"
REVS_AT = DIGITS + 1 + len(MARK)  # where the second number begins


def read_number(file: int, at: int = 0) -> int:
    """The number at a place of an open file; 0 if there is none, or it cannot be read."""
    with suppress(OSError, ValueError):
        return int(os.pread(file, DIGITS, at) or b"0")
    return 0


def write_number(file: int, number: int, at: int = 0) -> None:
    """Write it through to the disk; it survives a power cut.

    Raises:
        OSError: the disk refuses even this.
    """
    if os.pwrite(file, b"%0*d\n" % (DIGITS, number), at) <= DIGITS:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fdatasync(file)


def is_marked(file: int) -> bool:
    """Whether `mark_written` was called; false where it cannot be read."""
    with suppress(OSError):
        return os.pread(file, len(MARK), DIGITS + 1) == MARK
    return False


def mark_written(file: int) -> None:
    """Note that the file which the number belongs to was written; it survives a power cut.

    Raises:
        OSError: the disk refuses even this.
    """
    if not os.pread(file, DIGITS, 0):
        write_number(file, 0)
    os.pwrite(file, MARK, DIGITS + 1)
    os.fdatasync(file)


def loss(path: Path, was_written: bool) -> str | None:
    """What became of a file that was written; None where nothing did, or where it cannot be looked at."""
    with suppress(OSError):
        if was_written and not path.exists():
            return "is gone"
        if was_written and not path.stat().st_size:
            return "is empty"
    return None


SCHEMA_VERSION = 1  # stays while the release before can use the file; a table that it does not know harms nobody
BUSY_S = 1.0  # how long a lock held by another program is waited for
SHARED_PAGE_BYTES = 4096  # SQLite allocates its shared memory in such pieces
SHARED_ROOM_BYTES = 131_072  # four times what SQLite shares
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
SQLITE = b"SQLite format 3\0"  # the first bytes of every database (sqlite.org/fileformat2.html)

logger = logging.getLogger(__name__)


class LockFile:
    """`<path>.lock`: the lock by which this process alone uses the file, and the highest `seq` and `rev` in use.

    These numbers are written over in place, which a full disk takes (`edge.delivery.database`).
    """

    def __init__(self, path: Path) -> None:
        """Hold `path` until `close`.

        Raises:
            ConfigError: the folder cannot be written.
            SourceError: another process holds it.
            sqlite3.OperationalError: the disk refuses.
        """
        try:
            make_private_folder(path.parent)
            self._file = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise classify_error(path, error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise SourceError(
                f"outbox {path}: in use by another laennec; stop it, or choose another --outbox"
            ) from None
        with suppress(OSError):
            if not os.pread(self._file, 1, 0):
                self.reserve(0)  # takes the space now
            if len(os.pread(self._file, REVS_AT + 1, 0)) in (DIGITS + 1, REVS_AT):
                self.reserve_revs(0)  # and that of the second number, which an earlier release did not have

    def reserved(self) -> int:
        """Up to which `seq` may have been used; 0 if none was written."""
        return read_number(self._file)

    def reserve(self, seq: int) -> None:
        """Write up to which `seq` may be used; it survives a power cut.

        Raises:
            OSError: the disk refuses even this.
        """
        write_number(self._file, seq)

    def reserved_revs(self) -> int:
        """Up to which `rev` an alarm may have been published without being on the disk; 0 if none was written."""
        return read_number(self._file, REVS_AT)

    def reserve_revs(self, rev: int) -> None:
        """Write up to which `rev` alarms may go without the disk; it survives a power cut.

        Raises:
            OSError: the disk refuses even this.
        """
        if len(os.pread(self._file, DIGITS + 1, 0)) <= DIGITS:
            write_number(self._file, read_number(self._file))
        write_number(self._file, rev, REVS_AT)

    @property
    def was_written(self) -> bool:
        """Whether the outbox was ever written, so that one that is missing or empty was lost."""
        return is_marked(self._file)

    def record_written(self) -> None:
        """The outbox was written; a disk that does not let this be noted is asked again by the next process."""
        with suppress(OSError):
            if not is_marked(self._file):
                mark_written(self._file)

    def close(self) -> None:
        """Release the lock."""
        os.close(self._file)


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
        db.executescript(LATER_TABLES)
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
    """Open the database; a damaged one is moved aside and a new one begun, with a `seq` beyond all that were used.

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
        aside = _move_aside(path)
        logger.error('outbox damaged=%s reason="%s" moved_to=%s; a new one was begun', path, error, aside)
        _check_writable(path)  # makes it, for its owner alone
        store = open_store(str(path), is_exclusive)
        store.begin_after(jump(used))
        store.salvage(aside)
    else:
        if lost is not None:
            logger.error("outbox lost=%s; it was written and %s: what waited is lost, a new one was begun", path, lost)
            store.begin_after(jump(used))
            store.is_replacement = True
    return store


def classify_error(path: Path, error: OSError) -> LaennecError | sqlite3.OperationalError:
    """The exception for an error in using `path`: a mistake of the operator, or a failing disk."""
    if error.errno in DISK_ERRORS:
        return sqlite3.OperationalError(error.strerror)
    return ConfigError(f"outbox.path: cannot write {path}: {error.strerror}; choose another with --outbox")


def _move_aside(path: Path) -> Path:
    """Give a database another name.

    Raises:
        ConfigError: the folder may not be written.
        sqlite3.OperationalError: the disk refuses.
    """
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
    try:
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
