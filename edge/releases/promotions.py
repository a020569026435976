"""Which release is active, and which were before it: one small file that is replaced by one rename.

One release a line; the last is active, and `rollback` returns to the one above it. It is a file and not a pair of links
because one rename must change both the active release and what a rollback returns to. Not for the releases
(`edge.releases.model_store`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from edge.durable import sync
from edge.errors import ConfigError, ModelError

PROMOTED = "promoted"
INCOMING = ".incoming-"  # prefix of what is not written to its end
BUNDLED = "bundled"  # in the file and on the command line: the model that is part of the installation
MAX_LINES = 20  # promotions that can be rolled back
MAX_BYTES = 4096


def read_history(folder: Path) -> list[str]:
    """Releases in the order in which they were promoted; none where nothing ever was.

    Raises:
        ModelError: the file is damaged.
        ConfigError: it cannot be read.
    """
    path = folder / PROMOTED
    try:
        with path.open("rb") as file:
            lines = file.read(MAX_BYTES).decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"models.path: {path} cannot be read ({error.strerror})") from None
    wrong = next((line for line in lines if not re.fullmatch(f"[0-9a-f]{{64}}|{BUNDLED}", line)), None)
    if wrong is not None:
        raise ModelError(f"{path}: damaged: expected ids of releases, found {wrong[:20]!r}; remove it, promote again")
    return lines


def record_history(folder: Path, history: list[str]) -> None:
    """Replace the list, whose last entry is the active release; of more than `MAX_LINES` the oldest are dropped.

    Raises:
        OSError: the disk cannot be written; nothing has changed.
    """
    draft = folder / f"{INCOMING}{PROMOTED}"
    with draft.open("wb") as file:
        file.write("".join(f"{line}\n" for line in history[-MAX_LINES:]).encode())
        sync(file)
    os.replace(draft, folder / PROMOTED)
    sync(folder)
