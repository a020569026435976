"""One recording of an archive before it is read: what it is called, and where it lies.

Not for finding it (`edge.archive.listing`) or reading it. Invariant: a name is text that every table takes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

BETWEEN = "::"  # a container and what is in it
AGAIN = "#"  # between a name and a number, where a container has several of that name
ESCAPED = rb"(3a|5c|[89a-f][0-9a-f])"  # the bytes that stand as \xNN in a name: `:`, a backslash, what is no UTF-8


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


def name_of(path: Path) -> str:
    """A path as a name, of which no other path has the same."""
    whole = _escaped(os.fsencode(path)).replace(BETWEEN.encode(), rb":\x3a")
    return whole.decode("utf-8", "backslashreplace")


def name_of_member(container: Path, member: str) -> str:
    """What is called `member` in a container."""
    inside = _escaped(member.encode("utf-8", "surrogateescape"))
    return f"{name_of(container)}{BETWEEN}{inside.decode('utf-8', 'backslashreplace')}"


def path_of_name(name: str) -> Path:
    """The file of a name, or the container that it is in."""
    whole = name.partition(BETWEEN)[0].encode()
    return Path(os.fsdecode(re.sub(rb"\\x" + ESCAPED, lambda found: bytes([int(found[1], 16)]), whole)))


def text_of(text: str) -> str:
    """Text that every table takes, also where it tells a name that is no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escaped(name: bytes) -> bytes:
    """A byte that is no UTF-8 will be four letters, so what looks like these four letters may not stay as it is."""
    return re.sub(rb"\\(?=x" + ESCAPED + rb")", rb"\\x5c", name)
