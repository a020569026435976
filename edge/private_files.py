"""Files about patients: nobody but their owner may read them, whatever the umask, also those of an older version.

Not for what an operator has written for others (exports, models, pictures). SQLite gives the files that it makes beside
a database the rights of that database.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

OF_OTHERS = 0o077
BESIDE = ("", "-wal", "-shm", "-journal", ".1", ".lock", ".revs", ".memory")  # of ours, after the name
MOVED_ASIDE = (".damaged-", ".unread-")


def open_private(path: Path, mode: str, **options: Any) -> IO[Any]:
    """As `open`; a file that is made here, or that others could read until now, is the owner's alone.

    Raises:
        OSError: as `open`.
    """
    return open(path, mode, opener=_opened, **options)


def make_private_file(path: Path) -> None:
    """Make an empty file for its owner alone, where there is none.

    Raises:
        OSError: it cannot be made.
    """
    if not path.exists():  # opening one that SQLite has open here, and closing it, would release the locks on it
        open_private(path, "ab").close()


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone; one that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def restrict(path: Path) -> None:
    """Take a file, and what Laennec writes beside it under its name, from all but their owner; never raises OSError.

    Where the file is another user's, or the disk refuses, it stays as it is.
    """
    names = {path.name + suffix for suffix in BESIDE}
    aside = tuple(path.name + suffix for suffix in MOVED_ASIDE)
    with suppress(OSError):
        for each in path.parent.iterdir():
            if each.name in names or each.name.startswith(aside):
                _restrict(each)


def _restrict(path: Path) -> None:
    with suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_mode & OF_OTHERS:
            path.chmod(found.st_mode & 0o700)


def _opened(path: str, flags: int) -> int:
    handle = os.open(path, flags, 0o600)
    with suppress(OSError):  # another user's, or a disk that is read-only
        found = os.fstat(handle).st_mode
        if stat.S_ISREG(found) and flags & (os.O_WRONLY | os.O_RDWR) and found & OF_OTHERS:
            os.fchmod(handle, found & 0o700)
    return handle
