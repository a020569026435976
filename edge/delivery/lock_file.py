"""`<outbox>.lock`: one process alone uses the outbox, and up to which `seq` and `rev` may have been used.

The two numbers are written over in place, 20 digits each, which a full disk takes, for the room is there already. A
mark behind the first says that the outbox was written, so that one which is missing or empty was lost. Not for the
outbox itself (`edge.delivery.database`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from edge.errors import ConfigError, LaennecError, SourceError
from edge.files import make_private_folder

DIGITS = 20
MARK = b"written\n"
REVS_AT = DIGITS + 1 + len(MARK)  # where the second number begins
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


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


def classify_error(path: Path, error: OSError) -> LaennecError | sqlite3.OperationalError:
    """The exception for an error in using `path`: a mistake of the operator, or a failing disk."""
    if error.errno in DISK_ERRORS:
        return sqlite3.OperationalError(error.strerror)
    return ConfigError(f"outbox.path: cannot write {path}: {error.strerror}; choose another with --outbox")


class LockFile:
    """`<path>.lock`: the lock by which this process alone uses the file, and the highest `seq` and `rev` in use.

    These numbers are written over in place, which a full disk takes.
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
