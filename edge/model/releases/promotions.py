"""Which installed model is active, which were before it, and which are old enough to go.

Not for removing them, nor for the releases themselves (`edge.model.releases.store`).

One small file, replaced by one rename, one release a line: the last is active, and `rollback` returns to the one above
it. It is no pair of links because one rename must change both. Invariant: the active model, the one that a rollback
returns to, and one that waits to be promoted never go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import ConfigError, ModelError
from edge.files import sync

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


def too_old(history: Sequence[str], created: Mapping[str, str], keep: int) -> list[str]:
    """Models that may be removed.

    Args:
        history: promotions in their order, the active one last; `bundled` among them.
        created: when each usable installed model was signed, by id; text that sorts as time does.
        keep: how many stay, counted from the one promoted last; the active one and the one before stay in any case.

    Returns:
        Their ids, sorted.
    """
    latest_first = list(dict.fromkeys(reversed(history)))
    never = sorted(set(created) - set(latest_first), key=lambda sha256: created[sha256], reverse=True)
    order = [sha256 for sha256 in [*latest_first, *never] if sha256 != BUNDLED]
    active = latest_first[0] if latest_first else BUNDLED
    waiting = {sha256 for sha256 in never if created[sha256] > created.get(active, "")}
    staying = set(history[-2:]) | set(order[: max(keep, 0)]) | waiting
    return sorted(set(created) - staying)


def without(history: Sequence[str], gone: Sequence[str]) -> list[str]:
    """The promotions that can still be rolled back to, none twice in a row."""
    left = [sha256 for sha256 in history if sha256 not in gone]
    return [sha256 for at, sha256 in enumerate(left) if at == 0 or left[at - 1] != sha256]
