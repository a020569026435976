"""Through to the disk: what is written, and which names a folder has, are there after a power cut.

Not for files that are made again when lost (`edge.disk_cache`), nor for SQLite, which does this itself. A file is
replaced for good when it was synced, renamed, and its folder synced: without the first a power cut can leave it empty,
without the last the old one.
`deploy.box` has its own: it is sent to a box on which nothing of Laennec is installed yet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def sync(target: Path | IO[bytes]) -> None:
    """Write an open file, or the names in a folder, through to the disk.

    Raises:
        OSError: the disk cannot be written.
    """
    if not isinstance(target, Path):
        target.flush()
        os.fsync(target.fileno())
        return
    handle = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there whole or, when anything goes wrong before the end, as it was before; durable at the end.

    Raises:
        OSError: the disk cannot be written.
    """
    draft = path.with_name(f"{path.name}.new")
    try:
        with draft.open("wb") as file:
            yield file
            sync(file)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync(path.parent)
