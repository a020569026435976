"""A number in a file, 20 digits, that is written over in place: a full disk takes that, for the room is there already.

Behind it a mark says that the file which the number belongs to was written: one that is missing or empty was lost then.

Not for what the number means: `edge.delivery.store_file` keeps one for `seq`, `edge.delivery.alarm_log` one for `rev`.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

DIGITS = 20
MARK = b"written\n"


def read_number(file: int) -> int:
    """The number of an open file; 0 if there is none, or it cannot be read."""
    with suppress(OSError, ValueError):
        return int(os.pread(file, DIGITS, 0) or b"0")
    return 0


def write_number(file: int, number: int) -> None:
    """Write it through to the disk; it survives a power cut.

    Raises:
        OSError: the disk refuses even this.
    """
    if os.pwrite(file, b"%0*d\n" % (DIGITS, number), 0) <= DIGITS:
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
