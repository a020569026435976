"""A number in a file, 20 digits, that is written over in place: a full disk takes that, for the room is there already.

Not for what the number means: `edge.delivery.store_file` keeps one for `seq`, `edge.delivery.alarm_log` one for `rev`.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

DIGITS = 20


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
