"""Which recordings an archive holds, before any is read: what each is called, and where it lies.

Not for reading sound, nor for unpacking: a tar or zip file is an item that says so. What is named by hand is taken
whatever its ending; in folders endings decide. Memory does not grow with the archive, and a name is text that every
table takes.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import SourceError
from edge.sources.file_search import ENDINGS, files_below

ESCAPED = rb"(3a|5c|[89a-f][0-9a-f])"  # the bytes that stand as \xNN in a name: `:`, a backslash, what is no UTF-8
COLONS = b"::"  # the second of two colons is escaped as well: so are the names of the tables that there are


@dataclass(frozen=True, slots=True)
class Item:
    """One recording, as it is listed."""

    name: str
    """The path as it was named."""
    path: bytes
    size: int = 0
    """Bytes."""
    stamp: int = 0
    """When the file was changed last, ns."""
    reason: str = ""
    """Why it cannot be read, where that is known already."""


def name_of(path: Path) -> str:
    """A path as a name, of which no other path has the same."""
    whole = _escaped(os.fsencode(path)).replace(COLONS, rb":\x3a")
    return whole.decode("utf-8", "backslashreplace")


def text_of(text: str) -> str:
    """Text that every table takes, also where it holds a name that is no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escaped(name: bytes) -> bytes:
    """A byte that is no UTF-8 will be four letters, so what looks like these four letters may not stay as it is."""
    return re.sub(rb"\\(?=x" + ESCAPED + rb")", rb"\\x5c", name)


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
