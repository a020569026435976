"""One recording of an archive before it is read: what it is called, and where it lies.

Not for finding it (`edge.archive.listing`) or reading it. Invariant: a name is text that every table takes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

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


def path_of_name(name: str) -> Path:
    """The file of a name."""
    return Path(os.fsdecode(re.sub(rb"\\x" + ESCAPED, lambda found: bytes([int(found[1], 16)]), name.encode())))


def text_of(text: str) -> str:
    """Text that every table takes, also where it tells a name that is no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escaped(name: bytes) -> bytes:
    """A byte that is no UTF-8 will be four letters, so what looks like these four letters may not stay as it is."""
    return re.sub(rb"\\(?=x" + ESCAPED + rb")", rb"\\x5c", name)
