"""Names that settings and command lines may give: kinds of source, runtimes, the models that come with Laennec.

Constants alone, so that a child starts fast. `default` is the more exact model, `light` costs a third of it;
`default.cpu-int8` is a variant of one. A file of that name is `./light`. Not for what is in them (`edge.model`), nor
for the model that is promoted on a box (`edge.model.releases`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

MICROPHONE = "mic"
LINK = "link"
STANDARD_INPUT = "-"
LIVE = (MICROPHONE, LINK)  # kinds that arrive in real time, whatever `pace` says

Outside = Literal["unverified", "not_measurable", "ignore"]
"""What a stream is whose sound is not like what the model knows: scored, its events marked as not verified; not
measurable, without events; or not judged at all."""

RuntimeName = Literal["auto", "onnxruntime", "tensorrt"]
"""What scores the sound; `auto` is what the model file is made for."""

FOLDER = Path(__file__).parents[1] / "models"
NAMES = ("default", "light")
VARIANTS = ("fp32", "cpu-int8", "trt-fp16", "trt-int8-fp16", "trt-int8")
"""Artefacts of one model, those that are nearest to fp32 first."""


def bundled(name: str) -> Path:
    """Where the fp32 artefact of a bundled model lies."""
    return FOLDER / f"{name}.onnx"


def model_path(text: str) -> Path:
    """What was given as a model: the bundled one of that name, a variant of it (`light.cpu-int8`), or a path."""
    name, dot, variant = text.partition(".")
    return bundled(text) if name in NAMES and (not dot or variant in VARIANTS[1:]) else Path(text)
