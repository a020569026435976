"""Which model a start would use, in a few words, for people and for the table of a fleet.

Not for loading it (`edge.releases.model_store.active_model`). The id of a promoted model is that of its release, else
it is the SHA-256 of the file: two boxes with the same id run the same weights.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge.artefact.model import DEFAULT_PATH
from edge.errors import ModelError
from edge.releases.model_store import ModelStore
from edge.settings.config import Models, load_config


def describe_active(config: Path | None) -> dict[str, str]:
    """Which model a node with these settings would run.

    Args:
        config: the settings; None: the defaults of this machine.

    Returns:
        `kind` (settings, promoted or bundled), `id` (SHA-256, hexadecimal), `name`, and `store`: the folder of models.

    Raises:
        ModelError: it is refused, or cannot be read.
        ConfigError: the settings, the model store or the keys cannot be read.
    """
    settings = load_config(config) if config is not None else None
    models = settings.models if settings is not None else Models()
    store = str(models.store_path)
    if settings is not None and settings.model is not None:
        return {"kind": "settings", "id": _digest(settings.model), "name": str(settings.model), "store": store}
    release = ModelStore(models.store_path, models.keys).active()
    if release is not None:
        return {"kind": "promoted", "id": release.sha256, "name": release.manifest.id, "store": store}
    return {"kind": "bundled", "id": _digest(DEFAULT_PATH), "name": DEFAULT_PATH.name, "store": store}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"model {path}: cannot be read ({error.strerror}); check the path") from None
