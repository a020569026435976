"""One recording of an archive before it is read: what it is called, and where it lies.

Not for finding it (`edge.archive.listing`) or reading it. Invariant: a name is text that every table takes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

BETWEEN = "::"  # a container and what is in it


@dataclass(frozen=True, slots=True)
class Item:
    """One recording, as it is listed."""

    name: str
    """The path as it was named, for one in a container `CONTAINER::MEMBER`."""
    path: bytes
    """Of the file, or of the container that it is in."""
    is_member: bool = False
    size: int = 0
    """Bytes."""
    stamp: int = 0
    """When the file, or the container, was changed last, ns."""
    reason: str = ""
    """Why it cannot be read, where that is known already."""


def text_of(path: Path | str) -> str:
    """A name as text that every table takes, also where it is no UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
