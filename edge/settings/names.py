"""Names that settings and command lines may give: kinds of source, runtimes, the models that come with Laennec.

Constants alone, so that a child starts fast. `default` is the more exact model, `light` costs a third of it. A file of
that name is `./light`. Not for what is in them (`edge.model`), nor for the model that is promoted on a box
(`edge.model.releases`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

MICROPHONE = "mic"
LINK = "link"
STANDARD_INPUT = "-"
LIVE = (MICROPHONE, LINK)  # kinds that arrive in real time, whatever `pace` says

Outside = Literal["unverified", "not_measurable", "ignore"]
"""What a stream is whose sound is not like what the model knows: heard, its events marked as not verified; not
measurable, without events; or not judged at all."""

RuntimeName = Literal["auto", "onnxruntime", "tensorrt"]
"""What scores the sound; `auto` leaves it to what the machine has and what was measured there."""

FOLDER = Path(__file__).parents[1] / "models"
NAMES = ("default", "light")


def bundled(name: str) -> Path:
    """Where the fp32 artefact of a bundled model lies."""
    return FOLDER / f"{name}.onnx"


def model_path(text: str) -> Path:
    """What was given as a model: the bundled one of that name, or a path."""
    return bundled(text) if text in NAMES else Path(text)
