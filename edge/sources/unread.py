"""Recordings that are known and not read, by how they begin: phones write M4A, and libsndfile has no AAC.

Not for reading them, and never by the ending of a name: what is in a file decides.
"""

from __future__ import annotations

from pathlib import Path

UNREAD_ENDINGS = (".m4a", ".aac", ".3gp", ".amr", ".wma")
"""Of recordings that a folder is looked through for, so that they are refused and not passed over; lower case."""
_BEGINS = (
    (4, b"ftyp", "M4A (or MP4, 3GP)"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
    (0, b"\x1a\x45\xdf\xa3", "WebM"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
)


def unread_kind(path: Path) -> str:
    """What a file is that is not read, in a word; empty where it is none of these."""
    with path.open("rb") as file:
        head = file.read(16)
    return next((kind for at, mark, kind in _BEGINS if head[at:].startswith(mark)), "")
