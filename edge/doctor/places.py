"""Whether the service could write at a place that may not be there yet; nothing is made to find out.

Not for how much room there is.
"""

from __future__ import annotations

import os
from pathlib import Path

LEAST_DISK_MB = 50.0
UNWRITABLE = "run the doctor as the user of the service, or give another {}"


def existing(path: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(folder for folder in (path, *path.parents) if os.path.isdir(folder))


def unwritable(path: Path) -> str | None:
    """Why this user could not open or create a file or folder there; None: it could."""
    above = next(parent for parent in path.parents if os.path.exists(parent))  # Path.exists() fails without the right
    if not above.is_dir():
        return f"{path}: {above} is not a folder"
    for item in (path, above):
        if os.path.exists(item) and not os.access(item, os.W_OK):
            return f"{item}: may not be written by this user"
    return None
