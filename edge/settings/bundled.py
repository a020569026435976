"""The models that come with Laennec, by the names that settings and command lines may give instead of a path.

`default` is the more exact one, `light` costs a third of it. A file of that name is `./light`. Not for what is in them
(`edge.artefact`), nor for the model that is promoted on a box (`edge.releases`).
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "models"
NAMES = ("default", "light")


def bundled(name: str) -> Path:
    """Where the fp32 artefact of a bundled model lies."""
    return FOLDER / f"{name}.onnx"


def model_path(text: str) -> Path:
    """What was given as a model: the bundled one of that name, or a path."""
    return bundled(text) if text in NAMES else Path(text)
