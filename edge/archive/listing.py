"""Which recordings an archive holds: sound files in folders, and in tar and zip files, one after the other.

Not for reading sound. What is named by hand is taken whatever its ending; in folders and containers endings decide.
Memory does not grow with the archive.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge.archive.containers import CONTAINER_ENDINGS, members
from edge.archive.item import Item, name_of
from edge.errors import SourceError
from edge.sources.file_search import ENDINGS, files_below

LISTED = (*ENDINGS, *CONTAINER_ENDINGS)


def items(named: Iterable[str]) -> Iterator[Item]:
    """Everything in an archive, in no order; what is named twice comes twice.

    A container that is damaged is an item, and so is a folder that cannot be read.

    Args:
        named: files, containers, folders, and patterns with `*`, `?` and `**`.

    Raises:
        SourceError: something that is named is not there.
    """
    for path in (path for text in named for path in _matches(text)):
        if not os.path.isdir(path):
            yield from _of_file(path)
            continue
        refused: list[OSError] = []
        yield from (item for each in files_below(path, LISTED, refused.append) for item in _of_file(each))
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
        raise SourceError(f"{text}: nothing there; give sound files, folders, tar or zip files, or a pattern of them")


def _of_file(path: Path) -> Iterator[Item]:
    if path.name.lower().endswith(CONTAINER_ENDINGS):
        try:
            yield from (item for item, _ in members(path, lambda _: False))
        except SourceError as error:
            yield Item(name_of(path), os.fsencode(path), reason=str(error))
        return
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere: reading it says why
        yield Item(name_of(path), os.fsencode(path))
        return
    yield Item(name_of(path), os.fsencode(path), False, status.st_size, status.st_mtime_ns)
