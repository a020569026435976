"""Which recordings an archive holds: sound files, and those in folders, one after the other.

Not for reading sound, nor for unpacking: a tar or zip file is an item that says so. What is named by hand is taken
whatever its ending; in folders endings decide. Memory does not grow with the archive.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge.archive.item import Item, name_of
from edge.errors import SourceError
from edge.sources.file_search import ENDINGS, files_below

PACKED = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".zip")
LISTED = (*ENDINGS, *PACKED)


def items(named: Iterable[str]) -> Iterator[Item]:
    """Everything in an archive, in no order; what is named twice comes twice.

    A folder that cannot be read is an item.

    Args:
        named: files, folders, and patterns with `*`, `?` and `**`.

    Raises:
        SourceError: something that is named is not there.
    """
    for path in (path for text in named for path in _matches(text)):
        if not os.path.isdir(path):
            yield _of_file(path)
            continue
        refused: list[OSError] = []
        yield from (_of_file(each) for each in files_below(path, LISTED, refused.append))
        for error in refused:
            reason = f"is a folder that cannot be read ({error.strerror}); check its owner and mode"
            yield Item(name_of(Path(error.filename)), os.fsencode(error.filename), reason=reason)


def _matches(text: str) -> Iterator[Path]:
    if os.path.lexists(text):
        yield Path(text)
        return
    is_any = False
    for match in glob.iglob(text, recursive=True) if glob.has_magic(text) else ():
        if os.path.isdir(match) or match.lower().endswith(LISTED):
            is_any = True
            yield Path(match)
    if not is_any:
        raise SourceError(f"{text}: nothing there; give sound files, folders, or a pattern of them")


def _of_file(path: Path) -> Item:
    reason = "is packed; unpack it, and give the folder" if path.name.lower().endswith(PACKED) else ""
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere: reading it says why
        return Item(name_of(path), os.fsencode(path), reason=reason)
    return Item(name_of(path), os.fsencode(path), status.st_size, status.st_mtime_ns, reason)
